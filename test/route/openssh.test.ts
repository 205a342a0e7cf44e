import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeKey, runLocally } from './support/server.ts';
import { knownHostsLine, makeStand, openSession, tryOpen, whyNoClient } from './support/openssh.ts';
import { never, run as runProgram } from './support/ready.ts';

const missing = whyNoClient();
if (missing !== null) {
  console.warn(`skipped: the openssh route: ${missing}`);
}

describe.skipIf(missing !== null)('the openssh route', () => {
  test('runs programs one after the other, each in its own shell', async () => {
    const session = await openSession(await makeStand());
    expect(session.connection).toMatchObject({ client: { address: '192.0.2.7' } });
    expect(await runProgram(session, 'x=1; echo one; exit 4')).toEqual({
      exit: { type: 'code', code: 4 },
      output: Buffer.from('one\n'),
    });
    expect((await runProgram(session, 'echo "${x-unset}"')).output.toString()).toBe('unset\n');
  });

  test.each([
    ['exit 0', { type: 'code', code: 0 }],
    ['exit 1', { type: 'code', code: 1 }],
    ['exit 255', { type: 'code', code: 255 }],
    ['sh -c "exit 255"', { type: 'code', code: 255 }],
    // The client cannot tell signals; the shell tells them by a status, and a program may do so itself.
    ['kill -KILL $$', { type: 'signal', name: 'SIGKILL' }],
    ['exit 143', { type: 'signal', name: 'SIGTERM' }],
    ['exit 144', { type: 'code', code: 144 }],
  ] as const)('%s: %o', async (program, exit) => {
    const session = await openSession(await makeStand());
    expect((await runProgram(session, program)).exit).toEqual(exit);
  });

  test('output without a newline at its end stays as it is', async () => {
    const session = await openSession(await makeStand());
    expect(await runProgram(session, "printf 'remedy-'; exit 3")).toEqual({
      exit: { type: 'code', code: 3 },
      output: Buffer.from('remedy-'),
    });
  });

  test('10 MB of any bytes and a program of 10 MB pass unchanged', async () => {
    const stand = await makeStand();
    const session = await openSession(stand);
    const file = join(stand.folder, 'bytes');
    writeFileSync(file, randomBytes(10_485_760));
    const { exit, output } = await runProgram(session, `cat ${file}`);
    expect(exit).toEqual({ type: 'code', code: 0 });
    expect(output.equals(readFileSync(file))).toBe(true);
    const text = 'x'.repeat(10_485_760);
    const digest = await runProgram(session, `sha256sum <<'END'\n${text}\nEND`);
    expect(digest.output.toString().slice(0, 64)).toBe(
      createHash('sha256').update(`${text}\n`).digest('hex'),
    );
  }, 60_000);

  test('a connection that is cut in the middle is lost, not status 255', async () => {
    const stand = await makeStand();
    const session = await openSession(stand);
    const exit = await session.run('echo begun; exec sleep 60', {
      onOutput: () => stand.server.connections.forEach((connection) => connection.end()),
      signal: never,
      idleMs: 20_000,
    });
    expect(exit).toMatchObject({ ok: true, value: { type: 'lost' } });
  });

  test('a shell that is killed from outside is lost, since nobody told the end', async () => {
    const session = await openSession(await makeStand());
    // The parent of the shell is the one that would tell.
    const { exit } = await runProgram(session, 'kill -KILL "$PPID"; exit 0');
    expect(exit).toMatchObject({ type: 'lost' });
  });

  test('a cancelled run is lost', async () => {
    const session = await openSession(await makeStand());
    const controller = new AbortController();
    const exit = await session.run('echo begun; exec sleep 60', {
      onOutput: () => controller.abort(),
      signal: controller.signal,
      idleMs: 20_000,
    });
    expect(exit).toEqual({
      ok: true,
      value: { type: 'lost', because: 'it was stopped from here' },
    });
  });

  test('an abort before the start makes no login', async () => {
    const stand = await makeStand();
    expect(await tryOpen(stand, AbortSignal.abort())).toMatchObject({
      ok: false,
      error: { code: 'interrupted' },
    });
  });

  test('noise of the login is no output', async () => {
    const stand = await makeStand({
      onExec: (channel, command) => runLocally(channel, `echo welcome; echo motd >&2; ${command}`),
    });
    const session = await openSession(stand);
    expect((await runProgram(session, 'echo clean')).output.toString()).toBe('clean\n');
  });

  test('closing leaves no process, no connection and no file', async () => {
    const stand = await makeStand();
    const before = new Set(leftovers());
    const session = await openSession(stand);
    const folder = leftovers().find((name) => !before.has(name)) ?? '';
    expect(folder).not.toBe('');
    expect(processesWith(folder)).not.toEqual([]);
    const [connection] = stand.server.connections;
    const ended = new Promise<void>((resolve) => connection?.once('end', resolve));
    await session.close();
    await ended;
    expect(existsSync(join(tmpdir(), folder))).toBe(false);
    expect(processesWith(folder)).toEqual([]);
  });

  test('a login without a shell is told as such', async () => {
    const stand = await makeStand({
      onExec: (channel) => {
        channel.write('This account is currently not available.\n');
        channel.exit(1);
        channel.end();
      },
    });
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'shell-missing' } });
    expect(opened.ok ? '' : opened.error.why).toContain('with status 1');
    expect(opened.ok ? '' : opened.error.why).toContain('not available');
  });

  test('a client that is not installed is named', async () => {
    const stand = await makeStand({ client: { client: '/no/such/ssh' } });
    expect(await tryOpen(stand)).toMatchObject({
      ok: false,
      error: { code: 'exec-failed', why: 'There is no such command on this machine.' },
    });
  });
});

describe.skipIf(missing !== null)('what the client is held to', () => {
  test('the configuration of the user cannot weaken it', async () => {
    const stand = await makeStand({ flags: { knownHosts: '/dev/null' } });
    const touched = join(stand.folder, 'touched');
    writeFileSync(
      stand.options.configFile ?? '',
      `StrictHostKeyChecking no\nPermitLocalCommand yes\nLocalCommand touch ${touched}\n` +
        `ControlMaster yes\nControlPath ${touched}-%C\nRequestTTY force\nRemoteCommand touch ${touched}\n`,
    );
    expect(await tryOpen(stand)).toMatchObject({ ok: false, error: { code: 'host-key-unknown' } });
    const known = await makeStand({ config: readFileSync(stand.options.configFile ?? '', 'utf8') });
    const session = await openSession(known);
    expect((await runProgram(session, 'echo clean')).output.toString()).toBe('clean\n');
    expect(readdirSync(stand.folder).filter((name) => name.startsWith('touched'))).toEqual([]);
  });

  test('what it says otherwise is honoured: a ProxyCommand', async () => {
    const stand = await makeStand();
    const proxy = join(stand.folder, 'proxy.mjs');
    writeFileSync(
      proxy,
      `import { connect } from 'node:net';
const socket = connect(Number(process.argv[2]), '127.0.0.1');
process.stdin.pipe(socket).pipe(process.stdout);`,
    );
    writeFileSync(
      stand.options.configFile ?? '',
      `Host inner\n  ProxyCommand ${process.execPath} ${proxy} %p\n  HostKeyAlias [127.0.0.1]:${stand.server.port}\n`,
    );
    const target = { ...stand.way.target, host: 'inner' };
    const session = await openSession({ ...stand, way: { ...stand.way, target } });
    expect((await runProgram(session, 'echo through')).output.toString()).toBe('through\n');
  });

  test('a ProxyCommand that fails is told in its words', async () => {
    const stand = await makeStand({
      config: 'Host inner\n  ProxyCommand sh -c "echo no such tunnel >&2; exit 1"\n',
    });
    const target = { ...stand.way.target, host: 'inner' };
    const opened = await tryOpen({ ...stand, way: { ...stand.way, target } });
    expect(opened).toMatchObject({ ok: false, error: { code: 'no-route' } });
    expect(opened.ok ? '' : opened.error.why).toContain('no such tunnel');
  });

  test('a path that cannot be written into a configuration is refused', async () => {
    const stand = await makeStand({ flags: { knownHosts: '/tmp/a"b' } });
    expect(await tryOpen(stand)).toMatchObject({ ok: false, error: { code: 'invalid-host' } });
  });
});

describe.skipIf(missing !== null)('host keys', () => {
  test('an unknown key is refused with its fingerprint; nothing secret is sent', async () => {
    const stand = await makeStand();
    writeFileSync(stand.way.flags.knownHosts ?? '', '');
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'host-key-unknown' } });
    expect(opened.ok ? '' : opened.error.why).toMatch(/ssh-ed25519 SHA256:/);
    expect(stand.server.tries).toEqual([]);
  });

  test('with leave, an unknown key is stored, and that is said', async () => {
    const stand = await makeStand({ client: { acceptNewHostKey: true } });
    const file = stand.way.flags.knownHosts ?? '';
    writeFileSync(file, '');
    await openSession(stand);
    expect(readFileSync(file, 'utf8')).toContain(stand.hostKey.hostKey.base64);
    expect(stand.notices.join('\n')).toContain('Permanently added');
  });

  test.each([true, false])(
    'a changed key is refused, with leave or without (%s)',
    async (leave) => {
      const stand = await makeStand({ client: { acceptNewHostKey: leave } });
      const file = stand.way.flags.knownHosts ?? '';
      writeFileSync(file, knownHostsLine(stand.server.port, makeKey()));
      const opened = await tryOpen(stand);
      expect(opened).toMatchObject({ ok: false, error: { code: 'host-key-changed' } });
      expect(opened.ok ? '' : opened.error.why).toContain(`${file}:1`);
      expect(opened.ok ? '' : opened.error.todo).toContain('ssh-keygen -f');
      expect(stand.server.tries).toEqual([]);
    },
  );

  test('a revoked key is refused', async () => {
    const stand = await makeStand();
    const line = knownHostsLine(stand.server.port, stand.hostKey, '@revoked ');
    writeFileSync(stand.way.flags.knownHosts ?? '', line);
    expect(await tryOpen(stand)).toMatchObject({ ok: false, error: { code: 'host-key-revoked' } });
  });
});

describe.skipIf(missing !== null)('a login that is not made', () => {
  test('nothing listens', async () => {
    const stand = await makeStand();
    await stand.server.close();
    expect(await tryOpen(stand)).toMatchObject({
      ok: false,
      error: { code: 'connection-refused' },
    });
  });

  test('the key is refused: what was offered is told', async () => {
    const stand = await makeStand({ authenticate: (context) => context.reject(['publickey']) });
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(opened.ok ? '' : opened.error.why).toMatch(
      /Offered: key SHA256:\S+ \(.*key\).*The server takes: publickey/,
    );
  });

  test('the key file can be read by others', async () => {
    const stand = await makeStand();
    chmodSync(stand.way.flags.identities[0] ?? '', 0o644);
    expect(await tryOpen(stand)).toMatchObject({ ok: false, error: { code: 'key-unusable' } });
  });

  test.each([
    ['closes without a word', (): string => '', 'handshake-closed', ''],
    [
      'turns us away',
      (): string => 'Exceeded MaxStartups\r\n',
      'handshake-closed',
      'It said: Exceeded MaxStartups',
    ],
  ])('the server %s', async (_name, words, code, why) => {
    const port = await rawServer((socket) => socket.end(words()));
    const stand = await makeStand();
    const target = { ...stand.way.target, port };
    const opened = await tryOpen({ ...stand, way: { ...stand.way, target } });
    expect(opened).toMatchObject({ ok: false, error: { code } });
    expect(opened.ok ? '' : opened.error.why).toContain(why);
  });

  test('the server says nothing', async () => {
    const port = await rawServer(() => {});
    const stand = await makeStand({ client: { timeouts: shortTimeouts } });
    const target = { ...stand.way.target, port };
    const opened = await tryOpen({ ...stand, way: { ...stand.way, target } });
    expect(opened).toMatchObject({ ok: false, error: { code: 'handshake-timeout' } });
  });

  test('the login hangs', async () => {
    const stand = await makeStand({
      authenticate: () => {},
      client: { timeouts: { ...shortTimeouts, connectMs: 1000 } },
    });
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'handshake-timeout' } });
    expect(opened.ok ? '' : opened.error.what).toContain('The login as tester');
  });

  test('no algorithm is common', async () => {
    const stand = await makeStand({ config: 'KexAlgorithms sntrup761x25519-sha512@openssh.com\n' });
    expect(await tryOpen(stand)).toMatchObject({ ok: false, error: { code: 'negotiation' } });
  });
});

const shortTimeouts = {
  connectMs: 1000,
  handshakeMs: 500,
  authenticationMs: 500,
  keepaliveMs: 10_000,
  channelMs: 10_000,
};

async function rawServer(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    onTestFinished(() => {
      socket.destroy();
    });
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function leftovers(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('remedy-ssh-'));
}

function processesWith(word: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((id) => {
      try {
        return readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(word);
      } catch {
        return false;
      }
    });
}
