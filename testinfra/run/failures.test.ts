import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';
import { hostOf, type RunDocument, type RunFailure } from '../support/remedy.ts';

let lab: Lab;
let host: LabHost;

beforeAll(async () => {
  lab = await openLab();
  host = await lab.up('fails', { sudo: 'none' });
});

afterAll(async () => {
  await lab.down();
});

interface Call {
  readonly address?: string;
  readonly user?: string;
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly identity?: string | null;
  readonly knownHosts?: string;
}

async function fail(
  call: Call,
): Promise<{ status: number | null; outcome: string; failure: RunFailure }> {
  const identity = call.identity === undefined ? lab.keyFile : call.identity;
  const flags = [
    '--host',
    call.address ?? host.ipv4 ?? '',
    '--user',
    call.user ?? 'root',
    ...(identity === null ? [] : ['--identity', identity]),
    '--known-hosts',
    call.knownHosts ?? lab.knownHosts,
  ];
  const result = await lab.remedy(
    ['run', 'open-port', '--yes', ...flags, ...(call.args ?? []), '--output', 'json'],
    { env: call.env ?? {}, timeoutMs: 60_000 },
  );
  expect(result.stdout + result.stderr).not.toMatch(/^\s+at .*[:(]\d/m);
  const document = result.json<RunDocument>();
  const { failure, outcome } = hostOf(document);
  expect(failure, JSON.stringify(document)).not.toBeNull();
  for (const part of ['what', 'why', 'access', 'todo'] as const) {
    expect(failure?.[part], `${part} is said`).not.toBe('');
  }
  return { status: result.status, outcome, failure: failure as RunFailure };
}

describe.concurrent('each failure is its own, and says what it means for access', () => {
  test('connection refused', async () => {
    const result = await fail({ args: ['--port', '2'] });
    expect(result).toMatchObject({
      status: 4,
      outcome: 'unreachable',
      failure: { code: 'connection-refused', access: 'Nothing was changed on the host.' },
    });
  });

  test('time-out', async () => {
    const silent = await lab.up('silent');
    await silent.breakIt('ufw-enable');
    expect(await fail({ address: silent.ipv4 ?? '' })).toMatchObject({
      status: 4,
      failure: { code: 'connect-timeout' },
    });
  });

  test('a name that does not resolve', async () => {
    expect(await fail({ address: 'no-such-host.invalid' })).toMatchObject({
      status: 4,
      failure: { code: 'resolve' },
    });
  });

  test('unknown host key: refused with its fingerprint and the way to accept it', async () => {
    const empty = await lab.ctl.writeFile('empty_known_hosts', '', 0o600);
    const result = await fail({ knownHosts: empty });
    expect(result).toMatchObject({ status: 77, failure: { code: 'host-key-unknown' } });
    expect(`${result.failure.why}${result.failure.todo}`).toMatch(/SHA256:/);
    expect(result.failure.todo).toContain('--accept-new-host-key');
  });

  test('changed host key: both fingerprints, and no way around it', async () => {
    const other = await lab.up('other');
    const keys = await other.read('cat /etc/ssh/ssh_host_ed25519_key.pub');
    const wrong = await lab.ctl.writeFile('wrong_known_hosts', `${host.ipv4} ${keys}\n`, 0o600);
    const result = await fail({ knownHosts: wrong, args: ['--accept-new-host-key'] });
    expect(result).toMatchObject({ status: 77, failure: { code: 'host-key-changed' } });
    expect(result.failure.why.match(/SHA256:/g)).toHaveLength(2);
    await other.down();
  });

  test('wrong password: one try', async () => {
    const result = await fail({
      user: 'admin',
      identity: '/nonexistent',
      env: { REMEDY_SSH_PASSWORD: 'wrong' },
    });
    expect(result).toMatchObject({
      status: 77,
      failure: { code: expect.stringMatching(/auth-failed|key-unusable/) },
    });
    const failed = await host.read(
      'journalctl --no-pager -q -t sshd -o cat | grep -c "Failed password for admin" || true',
    );
    expect(Number(failed)).toBeLessThanOrEqual(1);
  });

  test('no sudo', async () => {
    expect(await fail({ user: 'admin' })).toMatchObject({
      status: 77,
      failure: { code: 'no-sudo' },
    });
  });

  test('wrong sudo password: one try, and the failure says so', async () => {
    const sudo = await lab.up('sudopw', { sudo: 'password' });
    const result = await fail({
      address: sudo.ipv4 ?? '',
      user: 'admin',
      env: { REMEDY_SUDO_PASSWORD: 'wrong' },
    });
    expect(result).toMatchObject({ status: 77, failure: { code: 'sudo-password' } });
    const tries = await sudo.read(
      'journalctl --no-pager -q -o cat | grep -c "auth could not identify\\|authentication failure.*sudo" || true',
    );
    expect(Number(tries)).toBeLessThanOrEqual(1);
    await sudo.down();
  });

  test('shell missing', async () => {
    const shut = await lab.up('noshell');
    await shut.read('usermod -s /usr/sbin/nologin root');
    expect(await fail({ address: shut.ipv4 ?? '' })).toMatchObject({
      status: 4,
      failure: { code: 'shell-missing' },
    });
    await shut.down();
  });

  test('the --exec command fails', async () => {
    const result = await fail({ args: ['--exec', 'sh -c "echo no such container >&2; exit 7"'] });
    expect(result).toMatchObject({ status: 4, failure: { code: 'exec-failed' } });
    expect(result.failure.why).toContain('no such container');
    expect(await fail({ args: ['--exec', '/no/such/command'] })).toMatchObject({
      status: 4,
      failure: { code: 'exec-failed' },
    });
  });

  test('several routes: each is named with its reason', async () => {
    const result = await fail({ args: ['--via', `root@${host.ipv4}:2`, '--exec', 'false'] });
    expect(result.failure.what).toBe('None of the 2 routes opened.');
    expect(result.failure.why).toMatch(/refused/i);
  });

  test('a fact that cannot be read blocks its step, and nothing is written', async () => {
    const odd = await lab.up('odd');
    await odd.read('mount --bind /bin/false /usr/sbin/nft');
    const result = await fail({ address: odd.ipv4 ?? '', args: ['--exec', odd.execCommand] });
    expect(result).toMatchObject({
      status: 1,
      outcome: 'refused',
      failure: { code: 'blocked', access: 'Nothing was changed on the host.' },
    });
    expect(result.failure.why).toContain('nftables rules could not be read');
    expect((await odd.exec('ls /var/lib/remedy')).status).not.toBe(0);
    await odd.down();
  });

  test('connection lost while looking', async () => {
    const lost = await lab.up('lost');
    await lost.read(
      'mv /usr/sbin/nft /usr/sbin/nft.away; printf \'#!/bin/sh\\nkill -9 $(pgrep -f "sshd: root@notty") 2>/dev/null; pkill -9 -f "sshd-session: root@notty"; sleep 20\\n\' >/usr/sbin/nft; chmod 755 /usr/sbin/nft',
    );
    expect(await fail({ address: lost.ipv4 ?? '' })).toMatchObject({
      status: 4,
      outcome: 'unreachable',
      failure: { code: 'connection-lost', access: 'Nothing was changed on the host.' },
    });
    await lost.down();
  });

  test('connection lost while applying: the host goes on, and is reached again to be confirmed', async ({
    expect,
  }) => {
    const lost = await lab.up('half');
    await lost.read(
      'rm /etc/ssh/ssh_host_rsa_key; mv /usr/bin/ssh-keygen /usr/bin/ssh-keygen.real',
    );
    // Only making a key kills the session; looking at keys does not.
    const wrapper =
      '#!/bin/sh\ncase "$*" in *-N*) pkill -9 -f "sshd.*: root@notty" ;; esac\nexec /usr/bin/ssh-keygen.real "$@"\n';
    await lost.exec(['sh', '-c', 'cat >/usr/bin/ssh-keygen; chmod 755 /usr/bin/ssh-keygen'], {
      stdin: wrapper,
    });
    const flags = [
      '--host',
      lost.ipv4 ?? '',
      '--user',
      'root',
      '--identity',
      lab.keyFile,
      '--known-hosts',
      lab.knownHosts,
    ];
    const result = await lab.remedy(
      ['run', 'regenerate-host-keys', '--yes', ...flags, '--output', 'json'],
      { timeoutMs: 60_000 },
    );
    const document = result.json<RunDocument>();
    expect(hostOf(document)).toMatchObject({
      outcome: 'changed',
      stages: [{ guard: { by: 'systemd-run', boot: 'unit', state: 'confirmed' } }],
      proof: { level: 'login' },
      failure: null,
    });
    expect(result.status).toBe(0);
    expect(await lost.read('ls /var/lib/remedy/*/confirmed')).not.toBe('');
    expect((await lost.exec('ssh-keygen -y -f /etc/ssh/ssh_host_rsa_key')).status).toBe(0);
    await lost.down();
  });

  test('Ctrl-C while looking: exit 130, and nothing was written', async ({ expect }) => {
    const slow = await lab.up('slow');
    await slow.read(
      'mv /usr/sbin/nft /usr/sbin/nft.away; printf "#!/bin/sh\\n: >/run/looked-at; sleep 600\\n" >/usr/sbin/nft; chmod 755 /usr/sbin/nft',
    );
    const interrupt = new AbortController();
    const flags = [
      '--host',
      slow.ipv4 ?? '',
      '--user',
      'root',
      '--identity',
      lab.keyFile,
      '--known-hosts',
      lab.knownHosts,
    ];
    const running = lab.remedy(['run', 'open-port', '--yes', ...flags, '--output', 'json'], {
      signal: interrupt.signal,
      killSignal: 'SIGINT',
    });
    await expect
      .poll(async () => (await slow.exec('test -e /run/looked-at')).status, { timeout: 20_000 })
      .toBe(0);
    interrupt.abort();
    const result = await running;
    expect({
      status: result.status,
      failure: hostOf(result.json<RunDocument>()).failure?.code,
    }).toEqual({ status: 130, failure: 'interrupted' });
    expect((await slow.exec('ls /var/lib/remedy')).status).not.toBe(0);
    await slow.down();
  });
});
