import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configLines } from '../../src/facts/sshd-config-lines.ts';
import { sshdConfigRequest, type SshdConfig } from '../../src/facts/sshd-config.ts';
import { effective, listenTargets, type SshClient } from '../../src/facts/sshd-effective.ts';
import { openLab, type Lab, type LabHost, type Root } from '../support/lab.ts';
import { observeFacts } from '../support/observe.ts';
import { trees, type Tree } from './sshd-trees.ts';

let lab: Lab;
const hosts = new Map<string, LabHost>();
const roots: readonly Root[] = ['debian12', 'debian13'];

beforeAll(async () => {
  lab = await openLab();
  for (const root of roots) {
    const host = await lab.up(`model-${root}`, { root });
    await host.read('cp -a /etc/ssh /etc/ssh.pristine; groupadd ops; gpasswd -a admin ops');
    hosts.set(root, host);
  }
});

afterAll(async () => {
  await lab.down();
});

const clients: readonly SshClient[] = [
  client('root', ['root'], '10.77.0.1', 'ctl.example.org'),
  client('admin', ['admin', 'ops'], '10.77.0.1', 'bad.example.org'),
  client('admin', ['admin', 'ops'], '10.77.0.9', '10.77.0.9'),
  client('admin', ['admin', 'ops'], 'fd77::1', 'fd77::1', {
    localAddress: 'fd77::2',
    localPort: 2222,
  }),
  client('daemon', ['daemon'], '192.0.2.7', 'x.example.org'),
];

function client(
  user: string,
  groups: readonly string[],
  address: string,
  host: string,
  more: Partial<SshClient> = {},
): SshClient {
  return { user, groups, address, host, localAddress: '10.77.0.2', localPort: 22, ...more };
}

const keywords = [
  'acceptenv',
  'addressfamily',
  'allowgroups',
  'allowusers',
  'authenticationmethods',
  'authorizedkeysfile',
  'banner',
  'clientaliveinterval',
  'denygroups',
  'denyusers',
  'fingerprinthash',
  'forcecommand',
  'hostkey',
  'ipqos',
  'kbdinteractiveauthentication',
  'loglevel',
  'maxauthtries',
  'maxsessions',
  'maxstartups',
  'passwordauthentication',
  'permitrootlogin',
  'permittty',
  'port',
  'pubkeyacceptedalgorithms',
  'pubkeyauthentication',
  'tcpkeepalive',
  'usepam',
  'x11forwarding',
];

/** What the model says of some options, as text. */
function modelled(config: SshdConfig, who: SshClient | null): Record<string, string> {
  const settings = effective(config, who);
  return Object.fromEntries(
    keywords.map((keyword) => {
      const setting = settings.get(keyword);
      return [
        keyword,
        'unknown' in setting
          ? `unknown: ${setting.unknown}`
          : spelled(keyword, setting.values.join(' ')),
      ];
    }),
  );
}

/** What `sshd -T` says of them; lists are left out there where they are empty. */
function printed(text: string): Record<string, string> {
  return Object.fromEntries(
    keywords.map((keyword) => {
      const found = [...text.matchAll(new RegExp(`^${keyword} (.*)$`, 'gm'))].map(
        ([, value]) => value,
      );
      return [keyword, spelled(keyword, found.join(' '))];
    }),
  );
}

function spelled(keyword: string, value: string): string {
  if (keyword === 'ipqos') {
    const words = value.split(' ');
    return words.length === 1 ? `${value} ${value}` : value;
  }
  if (keyword === 'fingerprinthash') {
    return value.toUpperCase();
  }
  return value.replace('without-password', 'prohibit-password');
}

/** Lists that are not set are unknown to nobody: sshd prints nothing for them. */
const emptyLists = new Set(['allowusers', 'denyusers', 'allowgroups', 'denygroups', 'acceptenv']);

async function put(host: LabHost, tree: Tree): Promise<void> {
  const writes = Object.entries({ sshd_config: tree.main, ...tree.files }).map(([path, text]) => {
    const base64 = Buffer.from(text, 'latin1').toString('base64');
    return `mkdir -p "/etc/ssh/$(dirname '${path}')"; echo ${base64} | base64 -d >'/etc/ssh/${path}'`;
  });
  await host.read(['rm -rf /etc/ssh; cp -a /etc/ssh.pristine /etc/ssh', ...writes].join('\n'));
}

describe.each(roots)('%s: the model and sshd agree', (root) => {
  test.each(trees.map((tree) => [tree.what, tree] as const))('%s', async (_what, tree) => {
    const host = hosts.get(root) as LabHost;
    await put(host, tree);
    const [config] = await observeFacts(host, [sshdConfigRequest]);
    if (config?.known !== true) {
      throw new Error(`unknown: ${config?.because}`);
    }
    const ask = (spec: string): string => `sshd -T ${spec} 2>&1; echo "exit $?"; echo ======`;
    const specs = clients.map(
      (one) =>
        `-C user=${one.user},addr=${one.address},host=${one.host},laddr=${one.localAddress},lport=${one.localPort}`,
    );
    const answers = (await host.read([ask(''), ...specs.map(ask)].join('\n'))).split('======');
    for (const [index, who] of [null, ...clients].entries()) {
      const answer = answers[index] ?? '';
      // A bare -T dies of these: sshd asks for a port that nobody gave.
      if (who === null && answer.includes("'lport' not in connection test specification")) {
        continue;
      }
      expect(answer).toContain('exit 0');
      const model = modelled(config.value, who);
      for (const list of emptyLists) {
        if (model[list]?.startsWith('unknown: ') === true) {
          model[list] = '';
        }
      }
      expect(model, `${who?.user ?? 'nobody'} from ${who?.address ?? 'nowhere'}`).toEqual(
        printed(answer),
      );
    }
    const listening = [...(answers[1] ?? '').matchAll(/^listenaddress (.*):(\d+)$/gm)];
    expect(new Set(listenTargets(config.value).map(({ port }) => port))).toEqual(
      new Set(listening.map(([, , port]) => Number(port))),
    );
    expect(configLines(config.value).every(({ fault }) => fault === null)).toBe(true);
  });
});
