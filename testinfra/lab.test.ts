import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { canRunHosts, differences, openLab, snapshot } from './support/lab.ts';
import { iptablesReleases, releases } from './support/tier.ts';
import type { Lab, Result, Root } from './support/lab.ts';

const able = await canRunHosts();
if (!able.ok) console.warn(`the lab is not tested: ${able.why}`);

// The first run on a machine builds the base roots.
const FIRST_BOOT_MS = 600_000;

/** What the client says when a break holds. */
const SYMPTOMS = {
  silence: /timed out/,
  refused: /Connection refused/,
  // IPv4 and IPv6 have different words for "prohibited".
  prohibited: /No route to host|Permission denied$/m,
  noKey: /Permission denied \(publickey/,
} as const;

type Break = readonly [name: string, symptom: keyof typeof SYMPTOMS];

const SSHD: readonly Break[] = [
  ['sshd-stopped', 'refused'],
  ['sshd-disabled', 'refused'],
  ['sshd-masked', 'refused'],
  ['sshd-config-refused', 'refused'],
  ['sshd-config-nul', 'refused'],
  ['sshd-config-missing', 'refused'],
];
const LISTS: readonly Break[] = [
  ['allow-users', 'noKey'],
  ['deny-users', 'noKey'],
  ['allow-groups', 'noKey'],
];
const KEYS: readonly Break[] = [
  ['authorized-keys-missing', 'noKey'],
  ['authorized-keys-empty', 'noKey'],
  ['authorized-keys-corrupt', 'noKey'],
  ['authorized-keys-all-corrupt', 'noKey'],
  ['home-modes', 'noKey'],
  ['ssh-dir-modes', 'noKey'],
  ['authorized-keys-modes', 'noKey'],
  ['authorized-keys-owner', 'noKey'],
];
const FIREWALLS: readonly Break[] = [
  ['ufw-enable', 'silence'],
  ['ufw-deny-source', 'silence'],
  ['firewalld-no-ssh', 'prohibited'],
  ['firewalld-drop-zone', 'silence'],
  ['firewalld-drop-source', 'silence'],
  ['nft-two-tables', 'silence'],
  ['nft-deny-source', 'silence'],
  ['iptables-reject-last', 'prohibited'],
  ['iptables-deny-source', 'silence'],
  ['fail2ban-two-jails', 'refused'],
];

const BREAKS: Readonly<Record<Root, readonly Break[]>> = {
  debian12: [...SSHD, ...LISTS, ...KEYS, ...FIREWALLS, ['firewalld-over-ufw', 'silence']],
  debian13: [...SSHD, ...KEYS.slice(0, 1), ...FIREWALLS],
  'debian12-iptables': FIREWALLS.filter(([name]) => name.startsWith('iptables-')),
  'debian13-iptables': FIREWALLS.filter(([name]) => name.startsWith('iptables-')),
};

describe.skipIf(!able.ok)('the lab', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await openLab();
  });
  afterAll(async () => {
    await lab?.down();
  });

  for (const root of [...releases, ...iptablesReleases]) {
    test(`${root}: each break shuts a host that was open`, { timeout: FIRST_BOOT_MS }, async () => {
      // One after another would mostly wait for connections that time out.
      const wrong = await inTurns(4, BREAKS[root], ([name, symptom]) =>
        tryBreak(lab, root, name, SYMPTOMS[symptom]),
      );
      expect(wrong.filter((problem) => problem !== undefined)).toEqual([]);
    });
  }

  test(
    'a read-only root and a full disk take nothing, and logins go on',
    { timeout: FIRST_BOOT_MS },
    async () => {
      for (const root of releases) {
        const [sealed, full] = await Promise.all([
          lab.up(`${root}-sealed`, { root }),
          lab.up(`${root}-full`, { root }),
        ]);
        await Promise.all([sealed.breakIt('readonly-root'), full.breakIt('full-disk')]);
        expect((await sealed.exec('echo x >/etc/new')).stderr).toMatch(/Read-only file system/);
        expect((await full.exec('cp /etc/passwd /etc/new')).stderr).toMatch(/No space left/);
        expect([(await sealed.login()).status, (await full.login()).status]).toEqual([0, 0]);
        await Promise.all([sealed.down(), full.down()]);
      }
    },
  );

  test('options of a host', { timeout: FIRST_BOOT_MS }, async () => {
    const [six, four, lost, guarded] = await Promise.all([
      lab.up('six', { ipv6Only: true, ports: [2222, 22] }),
      lab.up('four', { noIpv6: true, sudo: 'none' }),
      lab.up('lost', { broken: 'ipv6' }),
      lab.up('guarded', { sudo: 'password', usePty: true }),
    ]);
    expect(six.ipv4).toBeUndefined();
    expect((await six.login('root', 'echo $SSH_CONNECTION')).stdout).toMatch(/ 2222$/m);
    expect((await six.login('root', 'echo $SSH_CONNECTION', { port: 22 })).stdout).toMatch(/ 22$/m);
    expect(four.ipv6).toBeUndefined();
    expect((await four.login('admin', 'sudo -n id')).status).toBe(1);
    expect((await lost.login('root', 'true', { family: 4 })).status).toBe(0);
    expect((await lost.login('root', 'true', { family: 6, connectSeconds: 1 })).stderr).toMatch(
      /timed out/,
    );
    expect((await guarded.login('admin', 'sudo -n id')).stderr).toMatch(/password is required/);
    const asked = await guarded.login('admin', 'sudo -S id -un', {
      stdin: `${lab.adminPassword}\n`,
    });
    expect(asked.stdout.trim()).toBe('root');
    await Promise.all([six, four, lost, guarded].map((host) => host.down()));
  });

  test(
    'a controller: its user, its home, its address, its environment',
    { timeout: FIRST_BOOT_MS },
    async () => {
      const host = await lab.up('seen');
      const far = await lab.controller({ user: true, nat: true });
      await far.writeFile('.ssh/config', `Host *\n  UserKnownHostsFile ${lab.knownHosts}\n`);
      const login = await far.run([
        'ssh',
        '-4',
        '-o',
        'BatchMode=yes',
        'root@seen',
        'echo $SSH_CONNECTION',
      ]);
      expect(login.stdout.split(' ')[0], login.stderr).toBe(far.address4);
      const said = await far.run(
        ['sh', '-c', 'id -un; echo $HOME $REMEDY_X; test -r "$1/package.json"', 'sh', far.checkout],
        {
          env: { REMEDY_X: 'yes' },
        },
      );
      expect(said).toMatchObject({ status: 0, stdout: `remedy-lab\n${far.home} yes\n` });
      expect((await far.run(['getent', 'hosts', 'unknown'])).status).toBe(2);
      expect(
        (await lab.ctl.run(['sh', '-c', host.execCommand], { stdin: 'hostname; exit 7' })).stdout,
      ).toBe('seen\n');
      const slow = await lab.ctl.run(['sleep', '60'], { timeoutMs: 200 });
      expect(slow).toMatchObject({ timedOut: true, signal: 'SIGKILL' });
      await host.down();
    },
  );

  test(
    'exec passes input, output and status; the console is a real login',
    { timeout: FIRST_BOOT_MS },
    async () => {
      const host = await lab.up('inside');
      const result = await host.exec(['sh'], { stdin: 'echo "$HOME"; echo no >&2; exit 7' });
      expect(result).toMatchObject({ status: 7, stdout: '/root\n', stderr: 'no\n' });
      const program = host.consoleCommand.split(' ');
      const console = await lab.ctl.run([
        'sh',
        '-c',
        '{ echo; sleep 2; } | "$@"',
        'sh',
        ...program,
      ]);
      expect(console.stdout).toContain('inside login:');
      await host.down();
    },
  );

  test(
    'a cut connection is silent; what was open goes on after the mend',
    { timeout: FIRST_BOOT_MS },
    async () => {
      const host = await lab.up('cut');
      const open = host.login('root', 'read line; echo "$line"', { stdin: 'still here\n' });
      await host.cut();
      await host.cut();
      for (const family of [4, 6] as const)
        expect((await host.login('root', 'true', { family, connectSeconds: 1 })).stderr).toMatch(
          /timed out/,
        );
      await host.mend();
      await host.mend();
      expect(await open).toMatchObject({ status: 0, stdout: 'still here\n' });
      await host.down();
    },
  );

  test(
    'a power cut closes no connection; a reset brings the marked disk back',
    { timeout: FIRST_BOOT_MS },
    async () => {
      const host = await lab.up('power');
      await host.read('echo kept >/etc/kept');
      await host.mark();
      await host.read('echo lost >/etc/kept; rm /etc/ssh/sshd_config; nft add table inet z');
      await host.read('mkfifo /run/begun');
      const end = new AbortController();
      const open = host.login('root', 'echo >/run/begun; sleep 600', { signal: end.signal });
      await host.read('cat /run/begun');
      const boot = 'cat /proc/1/stat';
      const before = await host.read(boot);
      await host.reboot({ hard: true });
      expect(await host.read(boot)).not.toBe(before);
      expect(await host.read('cat /etc/kept; nft list tables')).toBe('lost');
      await host.reset();
      expect(await host.read('cat /etc/kept')).toBe('kept');
      expect((await host.login()).status).toBe(0);
      const closed = await Promise.race([open, host.read('true')]);
      expect(closed, 'the client was told that the host went').toBe('');
      end.abort();
      expect(await open).toMatchObject({ signal: 'SIGKILL' });
      await host.down();
    },
  );

  test('what a guard could stand on is taken away', { timeout: FIRST_BOOT_MS }, async () => {
    const host = await lab.up('unguarded');
    // Not as root: logind spares root's processes.
    const probe = [
      'command -v systemd-run at',
      'systemctl is-active atd',
      'sudo setsid sleep 7777 >/dev/null 2>&1 & sleep 0.3',
    ].join('\n');
    const look = async (name: string, ends: boolean): Promise<string> => {
      await host.reset();
      await host.breakIt(name);
      const said = await host.login('admin', probe);
      // logind ends what is left a moment after the session.
      const tries = ends ? 50 : 1;
      const left = await host.exec(
        `i=0; while pgrep -x sleep >/dev/null; do i=$((i+1)); [ $i -lt ${tries} ] || { echo survives; exit; }; sleep 0.1; done; echo ended`,
      );
      return `${said.stdout}${left.stdout}`.trim().replaceAll('\n', ' ');
    };
    expect({
      'no-systemd-run': await look('no-systemd-run', false),
      'at-only': await look('at-only', false),
      'loop-only': await look('loop-only', false),
      'kill-user-processes': await look('kill-user-processes', true),
      'no-guard': await look('no-guard', true),
    }).toEqual({
      'no-systemd-run': '/usr/bin/at inactive survives',
      'at-only': '/usr/bin/at active survives',
      'loop-only': 'inactive survives',
      'kill-user-processes': '/usr/bin/systemd-run /usr/bin/at inactive ended',
      'no-guard': 'inactive ended',
    });
    await host.down();
  });

  test('what comes in the way of a repair', { timeout: FIRST_BOOT_MS }, async () => {
    const host = await lab.up('hindered');
    const after = async (name: string, command: string): Promise<string> => {
      await host.reset();
      await host.breakIt(name);
      const said = await host.login('admin', command);
      return `${said.stdout}${said.stderr}`;
    };
    expect(await after('full-state', 'sudo cp /etc/passwd /var/lib/remedy/x')).toMatch(/No space/);
    expect(await after('var-missing', 'ls -A /var')).toBe('');
    expect(await after('readonly-var', 'sudo touch /var/lib/x')).toMatch(/Read-only file system/);
    expect(await after('dpkg-lock', 'sudo dpkg -r acl')).toMatch(/lock/);
    expect(await after('sudo-taken-away', 'sudo -n true')).toMatch(/password is required/);
    const year = new Date(Date.now() - 365 * 86_400_000).getFullYear();
    expect(await after('clock-back', 'sudo date +%Y; date +%Y')).toBe(`${year}\n${year}\n`);
    await host.down();
  });

  for (const root of releases) {
    test(
      `${root}: logins leave nothing, a reboot keeps files`,
      { timeout: FIRST_BOOT_MS },
      async () => {
        const host = await lab.up(`${root}-still`, { root });
        const before = await snapshot(host);
        expect((await host.login('admin', 'sudo -n id')).status).toBe(0);
        expect((await host.login('root')).status).toBe(0);
        expect(differences(before, await snapshot(host))).toEqual([]);

        await host.exec('mkdir /tmp/x && rmdir /tmp/x; echo y >/etc/y; nft add table inet z');
        const found = differences(before, await snapshot(host));
        expect(found.map((line) => line.slice(0, line.indexOf(':')))).toEqual(
          expect.arrayContaining(['files /tmp', 'files /etc', 'files /etc/y', 'nft']),
        );
        await host.reboot();
        expect(await host.read('cat /etc/y')).toBe('y');
        expect((await host.login()).status).toBe(0);
        await host.down();
      },
    );
  }
});

describe.skipIf(!able.ok)('a lab that is taken down', () => {
  test('leaves no process, mount, control group or file', { timeout: FIRST_BOOT_MS }, async () => {
    const lab = await openLab();
    await Promise.all([lab.up('a'), lab.up('b'), lab.controller({ nat: true, user: true })]);
    expect(await traces(lab.id)).not.toEqual([]);
    await lab.down();
    expect(await traces(lab.id)).toEqual([]);
    await lab.down();
  });

  test('two labs do not see each other', { timeout: FIRST_BOOT_MS }, async () => {
    await using one = await openLab();
    await using other = await openLab();
    const [host] = await Promise.all([one.up('same'), other.up('same')]);
    await host.breakIt('sshd-stopped');
    const same = await other.ctl.run(['ssh', '-F', other.sshConfig, 'same', 'hostname']);
    expect(same.stdout).toBe('same\n');
  });
});

/** What is wrong with a break, or undefined. */
async function tryBreak(
  lab: Lab,
  root: Root,
  name: string,
  symptom: RegExp,
): Promise<string | undefined> {
  const host = await lab.up(`${root}-${name}`, { root });
  try {
    const before = await host.login();
    if (before.status !== 0) return `${name}: no login before it: ${before.stderr}`;
    await host.breakIt(name);
    // On a lab's wires an ICMP answer comes back while connect() still runs, and the kernel passes it
    // over: only the second SYN, after a second, shows it.
    const after = await Promise.all(
      ([4, 6] as const).map((family) => host.login('root', 'true', { family, connectSeconds: 2 })),
    );
    const wrong = after.filter(
      (login: Result) => login.status !== 255 || !symptom.test(login.stderr.replaceAll('\r', '')),
    );
    return wrong.length === 0
      ? undefined
      : `${name}: ${wrong.map((login) => `${login.status} ${login.stderr}`).join('; ')}`;
  } finally {
    await host.down();
  }
}

async function inTurns<T, R>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const left = [...items];
  const results: R[] = [];
  const turn = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift())
      results.push(await work(item));
  };
  await Promise.all(Array.from({ length: width }, turn));
  return results;
}

/** All that shows the lab's id on the machine. */
async function traces(id: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (words.includes(id) && pid !== String(process.pid))
      found.push(`process ${words.replaceAll('\0', ' ')}`);
  }
  for (const line of (await readFile('/proc/self/mounts', 'utf8')).split('\n')) {
    if (line.includes(id)) found.push(`mount ${line}`);
  }
  const groups = existsSync('/sys/fs/cgroup/unified') ? '/sys/fs/cgroup/unified' : '/sys/fs/cgroup';
  for (const folder of [groups, '/run/remedy-lab/labs']) {
    const names = await readdir(folder).catch(() => []);
    found.push(...names.filter((name) => name.includes(id)).map((name) => `${folder}/${name}`));
  }
  const { stdout } = await promisify(execFile)('ip', ['-o', 'link']);
  return [...found, ...stdout.split('\n').filter((line) => line.includes(id))];
}
