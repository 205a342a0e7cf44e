import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Controller, type Lab, type LabHost } from '../support/lab.ts';
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

function makeKey(passphrase: string): { readonly key: Buffer; readonly publicKey: string } {
  const folder = mkdtempSync(join(tmpdir(), 'remedy-key-'));
  try {
    execFileSync('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      passphrase,
      '-f',
      join(folder, 'key'),
    ]);
    return {
      key: readFileSync(join(folder, 'key')),
      publicKey: readFileSync(join(folder, 'key.pub'), 'utf8'),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function shutPort22(host: LabHost): Promise<void> {
  await host.read('ufw allow 2222/tcp >/dev/null && ufw --force enable >/dev/null');
}

describe.concurrent('an unprivileged controller', () => {
  test('sudo with a password and use_pty, and --via another port mends port 22', async () => {
    const host = await lab.up('sudo', { sudo: 'password', usePty: true, ports: [22, 2222] });
    await shutPort22(host);
    const flags = [
      'open-port',
      '--host',
      host.ipv4 ?? '',
      '--user',
      'admin',
      '--identity',
      user.keyFile,
      '--known-hosts',
      await knownHosts(),
      '--via',
      `admin@${host.ipv4}:2222`,
    ];
    const real = await run([...flags, '--yes'], { REMEDY_SUDO_PASSWORD: lab.adminPassword });
    expect({ status: real.status, failure: failureOf(real) }).toEqual({ status: 0, failure: null });
    expect(hostOf(real.document)).toMatchObject({
      route: 'ssh',
      outcome: 'changed',
      proof: { level: 'login' },
    });
    const again = await run([...flags, '--yes'], { REMEDY_SUDO_PASSWORD: lab.adminPassword });
    expect(hostOf(again.document).outcome).toBe('unchanged');
    await host.down();
  });

  test('a key with a passphrase', async () => {
    const host = await lab.up('phrase');
    const { key, publicKey } = makeKey('correct horse');
    await host.exec(['sh', '-c', 'cat >>/home/admin/.ssh/authorized_keys'], { stdin: publicKey });
    const file = await user.writeFile('locked-key', key, 0o600);
    const flags = [
      'open-port',
      '--dry-run',
      '--host',
      host.ipv4 ?? '',
      '--user',
      'admin',
      '--identity',
      file,
      '--known-hosts',
      await knownHosts(),
    ];
    expect((await run(flags, { REMEDY_KEY_PASSPHRASE: 'correct horse' })).status).toBe(0);
    const wrong = await run(flags, { REMEDY_KEY_PASSPHRASE: 'wrong' });
    expect(wrong.status).toBe(77);
    expect(JSON.stringify(wrong.document)).not.toContain('wrong passphrase wrong');
    await host.down();
  });

  test('a key in an agent', async () => {
    const host = await lab.up('agent');
    const script = `eval "$(ssh-agent -s)" >/dev/null && trap 'ssh-agent -k >/dev/null' EXIT && ssh-add -q "$1" && shift && "$@"`;
    const remedy = [
      'node',
      `${user.checkout}/bin/remedy.js`,
      'run',
      'open-port',
      '--dry-run',
      '--host',
      host.ipv4 ?? '',
      '--user',
      'admin',
      '--known-hosts',
      await knownHosts(),
      '--output',
      'json',
    ];
    const result = await user.run(['sh', '-c', script, 'sh', user.keyFile, ...remedy], {
      timeoutMs: 60_000,
    });
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    await host.down();
  });
});

describe.concurrent('the endpoint as the route', () => {
  test('a latent fault is mended over the login that still works, and a fresh one proves it', async () => {
    const host = await lab.up('self');
    await host.read('rm /etc/ssh/ssh_host_rsa_key');
    const flags = [
      '--host',
      host.ipv4 ?? '',
      '--user',
      'root',
      '--identity',
      lab.keyFile,
      '--known-hosts',
      lab.knownHosts,
    ];
    const real = await runWith(lab, ['regenerate-host-keys', ...flags, '--yes']);
    expect(hostOf(real.document)).toMatchObject({
      outcome: 'changed',
      proof: { level: 'login', before: 'login' },
    });
    await host.down();
  });

  test('one broken address family does not stop the other', async () => {
    const host = await lab.up('halved', { broken: 'ipv6' });
    const flags = [
      '--host',
      host.ipv4 ?? '',
      '--user',
      'root',
      '--identity',
      lab.keyFile,
      '--known-hosts',
      lab.knownHosts,
    ];
    expect((await runWith(lab, ['open-port', ...flags, '--dry-run'])).status).toBe(0);
    await host.down();
  });
});
