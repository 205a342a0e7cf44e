import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Controller, type Lab, type LabHost } from '../support/lab.ts';
import { hostOf, runWith, type Ran } from '../support/remedy.ts';

// A host that only the second of two bastions reaches, and that one only the first.

let lab: Lab;
let user: Controller;
let host: LabHost;
let outer: LabHost;
let inner: LabHost;
let knownHosts: string;

beforeAll(async () => {
  lab = await openLab();
  user = await lab.controller({ user: true });
  [host, outer, inner] = await Promise.all([
    lab.up('host', { ports: [22, 2222] }),
    lab.up('outer'),
    lab.up('inner'),
  ]);
  await admitOnly(inner, outer, [22]);
  await admitOnly(host, inner, [22, 2222]);
  await inner.read(
    `echo 'LogLevel DEBUG1' >/etc/ssh/sshd_config.d/log.conf && systemctl reload ssh`,
  );
  knownHosts = await user.writeFile('known_hosts', readFileSync(lab.knownHosts), 0o600);
});

afterAll(async () => {
  await lab.down();
});

async function admitOnly(to: LabHost, from: LabHost, ports: readonly number[]): Promise<void> {
  const rules = ports.map((port) => `ufw allow from ${from.ipv4} to any port ${port} proto tcp`);
  await to.read(`(${rules.join(' && ')} && ufw --force enable) >/dev/null`);
}

const secret = 'never-to-be-sent';

async function run(words: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const ran = await runWith(lab, words, { controller: user, env });
  expect(ran.stdout + ran.stderr).not.toContain(secret);
  return ran;
}

function flags(): string[] {
  return [
    ...['--host', host.ipv4 ?? '', '--user', 'admin'],
    ...['--identity', user.keyFile, '--known-hosts', knownHosts],
    ...['-J', `root@${outer.ipv4},root@${inner.ipv4}`],
  ];
}

/** What the inner bastion's sshd wrote since a moment that `journalMark` gave. */
async function logSince(mark: string): Promise<string> {
  return inner.read(`journalctl --sync; journalctl -t sshd --after-cursor='${mark}' -o cat`);
}

async function journalMark(): Promise<string> {
  const shown = await inner.read('journalctl -n 0 --show-cursor');
  return shown.replace(/^.*cursor: /s, '');
}

describe('through two bastions', () => {
  test('there is no other way', async () => {
    expect((await host.login('root', 'true', { connectSeconds: 2 })).status).not.toBe(0);
    expect((await inner.login('root', 'true', { connectSeconds: 2 })).status).not.toBe(0);
    const fromOuter = `timeout 3 bash -c '</dev/tcp/${host.ipv4}/22'`;
    expect((await outer.exec(['bash', '-c', fromOuter])).status).not.toBe(0);
  });

  test('a dry run with explicit flags', async () => {
    const dry = await run(['open-port', ...flags(), '--dry-run']);
    expect({ status: dry.status, failure: hostOf(dry.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(hostOf(dry.document).route).toBe('ssh');
  });

  test('a dry run with the ssh configuration alone', async () => {
    const config = [
      'Host shut',
      `  HostName ${host.ipv4}`,
      '  User admin',
      '  ProxyJump second',
      'Host second',
      `  HostName ${inner.ipv4}`,
      '  User root',
      '  ProxyJump first',
      'Host first',
      `  HostName ${outer.ipv4}`,
      '  User root',
      'Host *',
      `  IdentityFile ${user.keyFile}`,
      `  UserKnownHostsFile ${knownHosts}`,
      '',
    ].join('\n');
    await user.writeFile('.ssh/config', config, 0o600);
    const dry = await run(['open-port', '--host', 'shut', '--dry-run']);
    expect({ status: dry.status, failure: hostOf(dry.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
  });

  test('a bastion that shows another key is refused by name, and is sent nothing secret', async () => {
    const keys = await inner.read('cat /etc/ssh/ssh_host_*_key.pub');
    const trusted = readFileSync(knownHosts, 'utf8');
    await inner.read(
      `mkdir /root/keys && mv /etc/ssh/ssh_host_* /root/keys && ssh-keygen -A >/dev/null && systemctl restart ssh`,
    );
    const password = { REMEDY_SSH_PASSWORD: secret };
    const before = await journalMark();
    const refused = await run(['open-port', ...flags(), '--yes'], password);
    const { failure, outcome } = hostOf(refused.document);
    expect({ status: refused.status, outcome }).toEqual({ status: 77, outcome: 'unreachable' });
    expect(failure).toMatchObject({
      code: 'host-key-changed',
      what: `The host key of the jump host ${inner.ipv4} (port 22) is not the one that is recorded.`,
    });
    expect(failure?.access).toBe('Nothing was changed on the host.');
    const seen = await logSince(before);
    expect(seen).toContain(`Connection from ${outer.ipv4}`);
    // Neither a user nor a method was named, so neither a key nor a password was.
    expect(seen).not.toMatch(/userauth|user admin|user root|Accepted|Failed|publickey|password/i);
    const accepting = await run(
      ['open-port', ...flags(), '--accept-new-host-key', '--yes'],
      password,
    );
    expect(accepting.status).toBe(77);
    expect(readFileSync(knownHosts, 'utf8')).toBe(trusted);
    await inner.read('mv /root/keys/* /etc/ssh && rmdir /root/keys && systemctl restart ssh');
    expect(await inner.read('cat /etc/ssh/ssh_host_*_key.pub')).toBe(keys);
    // The same log shows a login where there is one.
    const again = await journalMark();
    expect((await run(['open-port', ...flags(), '--dry-run'])).status).toBe(0);
    expect(await logSince(again)).toMatch(/userauth-request for user root/);
  });

  test('a bastion that is gone is named', async () => {
    await inner.cut();
    const lost = await run(['open-port', ...flags(), '--dry-run']);
    await inner.mend();
    expect(lost.status).toBe(4);
    expect(hostOf(lost.document).failure?.what).toContain(`he jump host ${inner.ipv4} `);
  });

  test('a repair by another port, and its proof by the same way', async () => {
    await host.read(`ufw delete allow from ${inner.ipv4} to any port 22 proto tcp >/dev/null`);
    const via = `admin@${host.ipv4}:2222,root@${outer.ipv4},root@${inner.ipv4}`;
    const before = await journalMark();
    const real = await run(['open-port', ...flags(), '--via', via, '--yes']);
    expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(hostOf(real.document)).toMatchObject({
      route: 'ssh',
      outcome: 'changed',
      proof: { level: 'login', before: 'none' },
      routes: [{ route: 'ssh', opened: true, failure: null }],
    });
    const accepted = await host.read(
      `journalctl -t sshd -o cat | grep -c 'Accepted publickey for admin from ${inner.ipv4} '`,
    );
    expect(Number(accepted)).toBeGreaterThanOrEqual(2);
    expect(await logSince(before)).toMatch(/Accepted publickey for root/);
    const dry = await run(['open-port', ...flags(), '--dry-run']);
    expect(hostOf(dry.document).outcome).toBe('unchanged');
  });
});

describe('--via through a bastion', () => {
  test('mends the endpoint, which is proven straight from here', async () => {
    const shut = await lab.up('shut', { ports: [22, 2222] });
    await admitOnly(shut, outer, [2222]);
    knownHosts = await user.writeFile('known_hosts', readFileSync(lab.knownHosts), 0o600);
    const real = await run([
      'open-port',
      ...['--host', shut.ipv4 ?? '', '--user', 'admin'],
      ...['--identity', user.keyFile, '--known-hosts', knownHosts],
      ...['--via', `admin@${shut.ipv4}:2222,root@${outer.ipv4}`, '--yes'],
    ]);
    expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(hostOf(real.document)).toMatchObject({
      outcome: 'changed',
      proof: { level: 'login', before: 'none' },
    });
    await shut.down();
  });
});
