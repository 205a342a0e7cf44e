import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Controller, type Lab, type LabHost } from '../support/lab.ts';
import { watchProcesses } from '../support/process-watch.ts';
import { failureOf, hostOf, runWith, type Ran } from '../support/remedy.ts';

let lab: Lab;
let user: Controller;

beforeAll(async () => {
  lab = await openLab();
  user = await lab.controller({ user: true });
});

afterAll(async () => {
  await lab.down();
});

async function run(words: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return runWith(lab, words, { controller: user, env });
}

async function knownHosts(): Promise<string> {
  return user.writeFile('known_hosts', readFileSync(lab.knownHosts), 0o600);
}

async function flagsFor(host: LabHost, name = 'admin'): Promise<string[]> {
  return [
    ...['--host', host.ipv4 ?? ''],
    ...['--user', name],
    ...['--known-hosts', await knownHosts()],
    '--openssh',
  ];
}

async function shutToAllBut(host: LabHost, address: string | undefined): Promise<void> {
  await host.read(
    `ufw allow from ${address} to any port 22 proto tcp >/dev/null && ufw --force enable >/dev/null`,
  );
}

// Programs as root on a host, each in a shell of its own over the built route.
const endsScript = `
const [checkout, host, key, knownHosts, ...programs] = process.argv.slice(2);
const { createOpensshRoute } = await import(checkout + '/dist/route/openssh.js');
const nobody = async () => null;
const target = {
  host, name: host, address: host, port: 22, user: 'root', identities: [key], defaultIdentities: [],
  identitiesOnly: true, agentSocket: null, hostKeyAlias: null, knownHostsFiles: [knownHosts],
  newKeysFile: null, hashKnownHosts: false, jump: [], password: null, askPassword: nobody, passphrase: nobody,
};
const signal = new AbortController().signal;
const route = createOpensshRoute({
  way: { target, flags: { identities: [key], jump: null, knownHosts } },
  acceptNewHostKey: false, interactive: false, passphraseKnown: false, environment: process.env,
  sudoPassword: null, askSudoPassword: nobody,
});
const opened = await route.open(signal);
if (!opened.ok) throw new Error(JSON.stringify(opened.error));
for (const program of programs) {
  const exit = await opened.value.run(program, { onOutput: () => {}, signal, idleMs: 20000 });
  const { type, code = '', name = '' } = exit.ok ? exit.value : exit.error;
  console.log((type + ' ' + code + name).trim());
}
await opened.value.close();
`;

/** A key that no host knows, and a certificate for it that a host trusts by its authority only. */
async function certify(host: LabHost, name: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'remedy-ca-'));
  const keygen = (...words: string[]): void => {
    execFileSync('ssh-keygen', ['-q', ...words], { stdio: 'ignore' });
  };
  try {
    const [authority, key] = [join(folder, 'ca'), join(folder, 'key')];
    keygen('-t', 'ed25519', '-N', '', '-f', authority);
    keygen('-t', 'ed25519', '-N', '', '-f', key);
    keygen('-s', authority, '-I', 'test', '-n', name, `${key}.pub`);
    await host.exec(['sh', '-c', 'cat >/etc/ssh/user-ca.pub'], {
      stdin: readFileSync(`${authority}.pub`),
    });
    await host.read(
      `printf 'TrustedUserCAKeys /etc/ssh/user-ca.pub\\nAuthorizedKeysFile none\\nPasswordAuthentication no\\nKbdInteractiveAuthentication no\\n' >/etc/ssh/sshd_config.d/00-ca.conf && systemctl reload ssh`,
    );
    const file = await user.writeFile(`${host.name}-key`, readFileSync(key), 0o600);
    await user.writeFile(`${host.name}-key-cert.pub`, readFileSync(`${key}-cert.pub`), 0o600);
    return file;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.concurrent('--openssh', () => {
  test('a host that takes certificates only is repaired, and the proof is a login by certificate', async () => {
    const host = await lab.up('ca');
    const key = await certify(host, 'admin');
    await host.read('rm /etc/ssh/ssh_host_rsa_key');
    const flags = [...(await flagsFor(host)), '--identity', key];
    const without = await run([
      'regenerate-host-keys',
      ...flags.filter((flag) => flag !== '--openssh'),
      '--dry-run',
    ]);
    expect(without.status).toBe(77);
    expect(failureOf(without)?.todo).toContain('--openssh');
    const real = await run(['regenerate-host-keys', ...flags, '--yes']);
    expect({ status: real.status, failure: failureOf(real) }).toEqual({ status: 0, failure: null });
    expect(hostOf(real.document)).toMatchObject({
      route: 'openssh',
      outcome: 'changed',
      proof: {
        level: 'login',
        before: 'login',
        by: expect.stringContaining('admin with certificate'),
      },
    });
    expect(
      (await run(['regenerate-host-keys', ...flags, '--yes'])).document.hosts[0]?.outcome,
    ).toBe('unchanged');
    await host.down();
  });

  test('all keys of the host are new: the proof trusts what the route has shown', async () => {
    const host = await lab.up('newkeys');
    await host.read('rm /etc/ssh/ssh_host_*');
    const flags = [...(await flagsFor(host)), '--identity', user.keyFile];
    const exec = ['--exec', host.execCommand];
    const own = ['--known-hosts', lab.knownHosts, '--identity', lab.keyFile];
    const words = ['regenerate-host-keys', ...flags.slice(0, 4), ...own, '--openssh', ...exec];
    const real = await runWith(lab, [...words, '--yes']);
    expect({ status: real.status, failure: failureOf(real) }).toEqual({ status: 0, failure: null });
    expect(hostOf(real.document)).toMatchObject({
      outcome: 'changed',
      proof: { level: 'login', before: 'listener' },
    });
    await host.down();
  });

  test('a ProxyCommand and an alias of the ssh configuration', async () => {
    const host = await lab.up('proxied');
    const door = await lab.up('proxydoor');
    await user.writeFile(
      '.ssh/config',
      [
        'Host *-by-command',
        `  HostName ${host.ipv4}`,
        '  User admin',
        `  ProxyCommand ssh -i ${user.keyFile} -o UserKnownHostsFile=${await knownHosts()} -o BatchMode=yes -W %h:%p root@${door.ipv4}`,
        'Host *',
        `  IdentityFile ${user.keyFile}`,
        `  UserKnownHostsFile ${await knownHosts()}`,
        '',
      ].join('\n'),
      0o600,
    );
    await shutToAllBut(host, door.ipv4);
    const builtIn = await run(['open-port', '--host', 'web-by-command', '--dry-run']);
    expect(builtIn.status).toBe(64);
    expect(failureOf(builtIn)?.todo).toContain('--openssh');
    const dry = await run(['open-port', '--host', 'web-by-command', '--openssh', '--dry-run']);
    expect({ status: dry.status, failure: failureOf(dry) }).toEqual({ status: 0, failure: null });
    const real = await run(['open-port', '--host', 'web-by-command', '--openssh', '--yes']);
    expect({ status: real.status, failure: failureOf(real) }).toEqual({ status: 0, failure: null });
    expect(hostOf(real.document).proof?.level).toBe('login');
    await Promise.all([host.down(), door.down()]);
  });

  test('through a bastion; a changed key on it is refused by its name', async () => {
    const host = await lab.up('behind');
    const bastion = await lab.up('bastion');
    await shutToAllBut(host, bastion.ipv4);
    const flags = [
      ...(await flagsFor(host)),
      ...['--identity', user.keyFile],
      ...['-J', `root@${bastion.ipv4}`],
    ];
    const real = await run(['open-port', ...flags, '--yes']);
    expect({ status: real.status, failure: failureOf(real) }).toEqual({ status: 0, failure: null });
    expect(hostOf(real.document).proof?.level).toBe('login');
    await bastion.read(
      'rm /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null; systemctl restart ssh >/dev/null',
    );
    const changed = await run(['open-port', ...flags, '--dry-run']);
    expect(changed.status).toBe(77);
    expect(failureOf(changed)).toMatchObject({ code: 'host-key-changed' });
    expect(failureOf(changed)?.what).toContain(`the jump host ${bastion.ipv4}`);
    await Promise.all([host.down(), bastion.down()]);
  });

  test('--via on another port mends port 22', async () => {
    const host = await lab.up('ports', { ports: [22, 2222] });
    await host.read('ufw allow 2222/tcp >/dev/null && ufw --force enable >/dev/null');
    const flags = [
      ...(await flagsFor(host)),
      ...['--identity', user.keyFile],
      ...['--via', `admin@${host.ipv4}:2222`],
    ];
    const real = await run(['open-port', ...flags, '--yes']);
    expect({ status: real.status, failure: failureOf(real) }).toEqual({ status: 0, failure: null });
    expect(hostOf(real.document)).toMatchObject({
      route: 'openssh',
      outcome: 'changed',
      proof: { level: 'login', before: 'none' },
    });
    await host.down();
  });

  test('the end of a program is told, however it ends, and a cut line is no status', async () => {
    const host = await lab.up('ends');
    const script = await user.writeFile('ends.mjs', endsScript);
    const result = await user.run(
      [
        ...['node', script, user.checkout, host.ipv4 ?? '', user.keyFile, await knownHosts()],
        ...['exit 255', 'exit 7', 'kill -KILL $$', 'kill -TERM $$', 'pkill -KILL sshd; sleep 30'],
      ],
      { timeoutMs: 60_000 },
    );
    expect({ ends: result.stdout.trim().split('\n'), stderr: result.stderr }).toEqual({
      ends: ['code 255', 'code 7', 'signal SIGKILL', 'signal SIGTERM', 'lost'],
      stderr: '',
    });
    await host.down();
  });

  test('a password by askpass, and sudo with it; no process shows it', async () => {
    const host = await lab.up('word', { sudo: 'password' });
    await host.read(
      `printf 'PasswordAuthentication yes\\nPubkeyAuthentication no\\n' >/etc/ssh/sshd_config.d/00-password.conf && systemctl reload ssh`,
    );
    await host.read('rm /etc/ssh/ssh_host_rsa_key');
    const secrets = {
      REMEDY_SSH_PASSWORD: lab.adminPassword,
      REMEDY_SUDO_PASSWORD: lab.adminPassword,
    };
    const watch = await watchProcesses({ password: lab.adminPassword });
    const real = await run(['regenerate-host-keys', ...(await flagsFor(host)), '--yes'], secrets);
    const { sights } = await watch.end();
    expect({ status: real.status, failure: failureOf(real) }).toEqual({ status: 0, failure: null });
    expect(hostOf(real.document).proof?.level).toBe('login');
    expect(sights.filter(({ side }) => side !== 'rig')).toEqual([]);
    const wrong = await run(['open-port', ...(await flagsFor(host)), '--dry-run'], {
      REMEDY_SSH_PASSWORD: 'not the password',
    });
    expect({ status: wrong.status, code: failureOf(wrong)?.code }).toEqual({
      status: 77,
      code: 'auth-failed',
    });
    const tries = await host.read(
      "journalctl -q -o cat -t sshd | grep -c 'Failed password' || true",
    );
    expect(tries).toBe('1');
    await host.down();
  });
});
