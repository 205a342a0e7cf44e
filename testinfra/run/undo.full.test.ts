import { afterAll, beforeAll, describe, test } from 'vitest';
import { changesSince, look, noGuard } from '../support/as-before.ts';
import {
  differences,
  openLab,
  snapshot,
  type Lab,
  type LabHost,
  type Snapshot,
  type RemedyResult,
  type Result,
  type UpOptions,
} from '../support/lab.ts';
import { endpointFlags, hostOf, remedy, type Call, type RunDocument } from '../support/remedy.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

/** A host that was broken, what is run on it, and what of that no undo brings back. */
interface Case {
  readonly up?: UpOptions;
  readonly breaks?: readonly string[];
  readonly prepare?: string;
  readonly playbooks: string;
  readonly args?: readonly string[];
  readonly user?: string;
  /** Lines of a difference that are right, with the reason beside the case. */
  readonly exceptions?: RegExp;
}

// Attributes that a copy loses and a rename keeps.
const decorate = (path: string): string =>
  `setfacl -m u:daemon:r ${path}; setfattr -n user.note -v kept ${path}; `;

// When it is enabled ufw leaves out some IPv6 rules that each later call of it adds.
const ufwAsLoaded = 'ufw reload';

const cases: readonly (readonly [string, Case])[] = [
  ['open-port: ufw', { breaks: ['ufw-enable'], prepare: ufwAsLoaded, playbooks: 'open-port' }],
  [
    'open-port: ufw, a rule in between',
    { breaks: ['ufw-deny-source'], prepare: ufwAsLoaded, playbooks: 'open-port' },
  ],
  [
    'open-port: firewalld',
    {
      breaks: ['firewalld-no-ssh'],
      playbooks: 'open-port',
      // firewalld's own copy of the file that it changed last.
      exceptions: /public\.xml\.old/,
    },
  ],
  [
    'open-port: nftables',
    {
      breaks: ['nft-two-tables'],
      prepare: decorate('/etc/nftables.conf'),
      playbooks: 'open-port',
    },
  ],
  [
    'open-port: iptables',
    {
      up: { root: 'debian12-iptables' },
      breaks: ['iptables-reject-last'],
      prepare: decorate('/etc/iptables/rules.v4'),
      playbooks: 'open-port',
    },
  ],
  ['start-sshd: disabled', { breaks: ['sshd-disabled'], playbooks: 'start-sshd' }],
  ['start-sshd: masked', { breaks: ['sshd-masked'], playbooks: 'start-sshd' }],
  [
    'fix-authorized-keys',
    {
      breaks: ['home-modes', 'ssh-dir-modes', 'authorized-keys-owner'],
      prepare: decorate('/home/admin/.ssh/authorized_keys'),
      playbooks: 'fix-authorized-keys',
      user: 'admin',
    },
  ],
  [
    'regenerate-host-keys: corrupt ones are moved aside',
    {
      breaks: ['host-keys-corrupt'],
      playbooks: 'regenerate-host-keys start-sshd',
      // The fresh keys are kept aside: the undo may itself be undone.
      exceptions: /^files \/etc\/ssh\/ssh_host_\w+_key(\.pub)?\.remedy-\S+: \(none\) → /,
    },
  ],
  [
    'regenerate-host-keys: missing',
    {
      breaks: ['host-keys-missing'],
      playbooks: 'regenerate-host-keys start-sshd',
      // The fresh keys are kept aside: the undo may itself be undone.
      exceptions: /^files \/etc\/ssh\/ssh_host_\w+_key(\.pub)?\.remedy-\S+: \(none\) → /,
    },
  ],
  [
    'unban-address, never to be banned again',
    {
      breaks: ['fail2ban-two-jails'],
      playbooks: 'unban-address',
      args: ['--var', 'ignore=true'],
    },
  ],
  [
    'fix-sshd-config: refused lines',
    {
      breaks: ['sshd-config-refused'],
      prepare: decorate('/etc/ssh/sshd_config'),
      playbooks: 'fix-sshd-config',
    },
  ],
  ['fix-sshd-config: missing', { breaks: ['sshd-config-missing'], playbooks: 'fix-sshd-config' }],
  [
    'set-port',
    {
      prepare: `ufw allow 22/tcp; ufw --force enable; ${ufwAsLoaded}; ${decorate('/etc/ssh/sshd_config')}`,
      playbooks: 'set-port',
      args: ['--var', 'port=2222'],
    },
  ],
  [
    'set-port: ssh.socket',
    {
      up: { root: 'debian13' },
      prepare: 'systemctl disable --now ssh.service 2>&1; systemctl enable --now ssh.socket 2>&1',
      playbooks: 'set-port',
      args: ['--var', 'port=2222'],
      // The login that proved it has started the service, as each login does.
      exceptions: /^units ssh\.(socket|service): /,
    },
  ],
  ['allow-user: AllowUsers', { breaks: ['allow-users'], playbooks: 'allow-user' }],
  [
    'allow-user: AllowGroups',
    {
      breaks: ['allow-groups'],
      playbooks: 'allow-user',
      user: 'admin',
      // gpasswd's own copies of the files that it changed last.
      exceptions: /^files \/etc\/g(roup|shadow)-: /,
    },
  ],
];

async function changes(host: LabHost, before: Snapshot, exceptions = /$^/): Promise<string[]> {
  await noGuard(host);
  return (await changesSince(host, before)).filter((line) => !exceptions.test(line));
}

/** A host that is broken as the case says. */
async function up(prefix: string, name: string, one: Case): Promise<LabHost> {
  const words = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const host = await lab.up(`${prefix}-${words}`.slice(0, 38).replace(/-$/, ''), one.up);
  if (one.breaks !== undefined) await host.breakIt(...one.breaks);
  if (one.prepare !== undefined) await host.read(one.prepare);
  return host;
}

async function undo(
  host: LabHost,
  document: RunDocument,
  args: string[],
  call: Call = {},
): Promise<RemedyResult & { document: RunDocument }> {
  const { runId } = document as RunDocument & { runId: string };
  const words = ['undo', runId, ...endpointFlags(lab, host, call), ...args, '--output', 'json'];
  const result = await lab.remedy(words, { timeoutMs: 120_000 });
  return { ...result, document: result.json<RunDocument>() };
}

const accepted = ['--yes', '--accept-loss', 'root', '--accept-loss', 'admin'];

describe.concurrent('undo brings the host back to what it was before the run', () => {
  test.for(cases)('%s', async ([name, one], { expect }) => {
    const host = await up('u', name, one);
    const before = await look(host);
    const call: Call = one.user === undefined ? {} : { user: one.user };
    const run = await remedy(lab, host, one.playbooks, {
      ...call,
      args: ['--yes', ...(one.args ?? [])],
    });
    expect({ status: run.status, failure: hostOf(run.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(await changes(host, before), 'the run changes something').not.toEqual([]);
    const undone = await undo(host, run.document, accepted, call);
    expect({
      outcome: hostOf(undone.document).outcome,
      failure: hostOf(undone.document).failure,
    }).toMatchObject({ outcome: 'changed' });
    expect(await changes(host, before, one.exceptions)).toEqual([]);
    const again = await undo(host, run.document, accepted, call);
    expect(hostOf(again.document)).toMatchObject({ outcome: 'unchanged' });
    await host.down();
  });
});

/** Runs and leaves it armed, then has it taken back by `remedy revert` over the same way in. */
async function runAndRevert(host: LabHost, one: Case): Promise<Result> {
  const call: Call = one.user === undefined ? {} : { user: one.user };
  let tell: (runId: string) => void = () => undefined;
  const applied = new Promise<string>((resolve) => (tell = resolve));
  let armed = '';
  const running = lab.startRemedy(
    [
      ...['run', ...one.playbooks.split(' '), ...endpointFlags(lab, host, call)],
      ...(one.args ?? []),
      ...['--yes', '--guard-seconds', '300', '--output', 'ndjson'],
    ],
    {
      onLine: (line) => {
        armed = /"type":"armed","runId":"([^"]+)"/.exec(line)?.[1] ?? armed;
        if (/"type":"phase-done","phase":"apply"/.test(line)) tell(armed);
      },
    },
  );
  const ended = running.done.then(({ stdout, stderr }): never => {
    throw new Error(`it was not applied:\n${stdout}\n${stderr}`);
  });
  const runId = await Promise.race([applied, ended]);
  running.kill('SIGKILL');
  await running.done;
  return lab.remedy(['revert', runId, '--output', 'json'], { timeoutMs: 120_000 });
}

const reverted: readonly (readonly [string, Case])[] = [
  ...cases.filter(([name]) =>
    /nftables|fix-authorized-keys|corrupt|ssh\.socket|AllowGroups|refused lines/.test(name),
  ),
  [
    'fix-sshd-config: refused lines that the running sshd has not read',
    {
      prepare: "printf 'Nonsense yes\\nPermitRootLogin maybe\\n' >>/etc/ssh/sshd_config",
      playbooks: 'fix-sshd-config',
    },
  ],
];

describe.concurrent('so does a revert in the confirm window', () => {
  test.for(reverted)('%s', async ([name, one], { expect }) => {
    const host = await up('r', name, one);
    const before = await look(host);
    const result = await runAndRevert(host, one);
    expect(result.status, result.stdout).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ state: 'reverted', failure: null });
    // Taken back, nothing fresh stays beside the old.
    const exceptions = /remedy-/.test(String(one.exceptions)) ? undefined : one.exceptions;
    expect(await changes(host, before, exceptions)).toEqual([]);
    await host.down();
  });

  // The shells that hosts have as sh, and a `sleep` without fractions.
  test.for(['busybox', 'mksh', 'bash'])('%s as sh', async (shell, { expect }) => {
    const host = await lab.up(`sh-${shell}`);
    await host.breakIt('ufw-enable', 'allow-users', 'home-modes');
    await host.read(
      `ufw reload; ln -sf ${shell} /usr/bin/sh; printf '#!/bin/bash\\ncase $1 in *.*) exit 1 ;; esac\\nexec /usr/bin/sleep "$@"\\n' >/usr/local/sbin/sleep; chmod 755 /usr/local/sbin/sleep`,
    );
    const before = await look(host);
    const one: Case = {
      playbooks: 'open-port allow-user fix-authorized-keys',
      user: 'admin',
    };
    const result = await runAndRevert(host, one);
    expect(result.status, result.stdout).toBe(0);
    expect(await changes(host, before)).toEqual([]);
    const kept = await remedy(lab, host, one.playbooks, { user: 'admin', args: ['--yes'] });
    expect({ status: kept.status, failure: hostOf(kept.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    await host.down();
  });
});

describe.concurrent('undo without --accept-loss', () => {
  test('what would shut people out is refused, and nothing is begun', async ({ expect }) => {
    for (const [name, one] of cases.filter(([each]) =>
      /: ufw$|masked|AllowUsers|config: missing/.test(each),
    )) {
      const host = await up('g', name, one);
      const call: Call = {};
      const run = await remedy(lab, host, one.playbooks, { args: ['--yes'] });
      expect(run.status).toBe(0);
      await noGuard(host);
      const before = await snapshot(host);
      const refused = await undo(host, run.document, ['--yes'], call);
      expect({ name, status: refused.status, ...hostOf(refused.document) }).toMatchObject({
        name,
        status: 1,
        outcome: 'refused',
        failure: { code: 'access-gate', access: 'Nothing was changed on the host.' },
      });
      expect(differences(before, await snapshot(host))).toEqual([]);
      expect((await host.login()).status).toBe(0);
      await host.down();
    }
  });

  test('a file that someone edited since is shown, and left alone', async ({ expect }) => {
    const host = await lab.up('undo-edited');
    await host.breakIt('allow-users');
    const run = await remedy(lab, host, 'allow-user', { args: ['--yes'] });
    expect(run.status).toBe(0);
    await host.read("echo '# a note of mine' >>/etc/ssh/sshd_config.d/10-access.conf");
    await noGuard(host);
    const before = await snapshot(host);
    const refused = await undo(host, run.document, accepted);
    expect(hostOf(refused.document)).toMatchObject({
      outcome: 'refused',
      failure: { code: 'blocked' },
    });
    expect(JSON.stringify(hostOf(refused.document).failure)).toContain('a note of mine');
    expect(differences(before, await snapshot(host))).toEqual([]);
    await host.down();
  });
});
