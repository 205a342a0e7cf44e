import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fingerprint } from '../../src/core/fingerprint.ts';
import { connectSsh, sshTimeouts } from '../../src/route/ssh-connect.ts';
import { createSshRoute } from '../../src/route/ssh.ts';
import { temporaryDirectory } from './support/files.ts';
import { freePort, listen, type Listener } from './support/listeners.ts';
import {
  hostKey,
  knownLine,
  never,
  noSudo,
  open,
  readyTarget,
  run,
  server,
  strict,
  writeKey,
} from './support/ready.ts';
import {
  acceptKey,
  acceptPassword,
  makeKey,
  makeTarget,
  runLocally,
  secret,
  type KeyPair,
} from './support/server.ts';

describe('a session over ssh', () => {
  test('runs programs as root and tells the two ends of the connection', async () => {
    const { port } = await server();
    const session = await open(readyTarget(port));
    expect(session.elevation).toBe('root');
    expect(session.connection).toEqual({
      client: { address: '192.0.2.7', assumed: false },
      serverAddress: '198.51.100.1',
      serverPort: 22,
    });
    const first = await run(session, 'echo one; echo bad >&2; exit 3');
    expect(first).toEqual({ exit: { type: 'code', code: 3 }, output: Buffer.from('one\n') });
    expect(session.errorOutput?.()).toBe('bad\n');
    expect((await run(session, 'echo two')).output.toString()).toBe('two\n');
  });

  test('a session whose connection is gone says so', async () => {
    const { port, connections } = await server();
    const session = await open(readyTarget(port));
    const exit = await session.run('echo begun; exec sleep 60', {
      onOutput: () => connections.at(-1)?.end(),
      signal: never,
      idleMs: 20_000,
    });
    expect(exit).toMatchObject({ ok: true, value: { type: 'lost' } });
    const again = await session.run('true', { onOutput: () => {}, signal: never, idleMs: 20_000 });
    expect(again).toMatchObject({ ok: false, error: { code: 'connection-lost' } });
  });

  test('an account without a shell is told, with what it printed', async () => {
    const { port } = await server({
      onExec: (channel) =>
        runLocally(channel, 'echo "This account is currently not available."; exit 1'),
    });
    const opened = await createSshRoute({ target: readyTarget(port), ...strict, ...noSudo }).open(
      never,
    );
    expect(opened).toMatchObject({ ok: false, error: { code: 'shell-missing' } });
    expect(opened.ok ? '' : opened.error.why).toContain('This account is currently not available.');
  });
});

describe('host keys', () => {
  test('an unknown key is refused before any login, with its fingerprint', async () => {
    const { port, tries } = await server();
    const target = readyTarget(port, { knownHostsFiles: [], password: secret('hunter2') });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({
      ok: false,
      error: { reached: 'banner', failure: { code: 'host-key-unknown' } },
    });
    expect(result.ok ? '' : result.error.failure.why).toContain(fingerprint(hostKey.hostKey));
    expect(tries).toEqual([]);
  });

  test('where only an authority is known, the way that can check it is named', async () => {
    const { port } = await server();
    const file = join(temporaryDirectory(), 'known_hosts');
    const { type, base64 } = makeKey().hostKey;
    writeFileSync(file, `@cert-authority * ${type} ${base64}\n`);
    const target = readyTarget(port, { knownHostsFiles: [file] });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({ ok: false, error: { failure: { code: 'host-key-unknown' } } });
    expect(result.ok ? '' : result.error.failure.why).toContain('the OpenSSH client can');
  });

  test('a changed key is refused even when new keys are accepted, and no secret is sent', async () => {
    const { port, tries } = await server();
    const directory = temporaryDirectory();
    const file = join(directory, 'known_hosts');
    const other = makeKey();
    writeFileSync(file, `# mine\n${knownLine(port, other)}`);
    const target = readyTarget(port, {
      knownHostsFiles: [file],
      newKeysFile: file,
      password: secret('hunter2'),
    });
    const result = await connectSsh(target, { acceptNewHostKey: true }, never);
    expect(result).toMatchObject({ ok: false, error: { failure: { code: 'host-key-changed' } } });
    const why = result.ok ? '' : result.error.failure.why;
    expect(why).toContain(fingerprint(hostKey.hostKey));
    expect(why).toContain(fingerprint(other.hostKey));
    expect(why).toContain(`${file}:2`);
    expect(tries).toEqual([]);
    expect(readFileSync(file, 'utf8')).toBe(`# mine\n${knownLine(port, other)}`);
  });

  test('a revoked key is refused', async () => {
    const { port, tries } = await server();
    const file = join(temporaryDirectory(), 'known_hosts');
    writeFileSync(
      file,
      `${knownLine(port, hostKey)}@revoked * ${hostKey.hostKey.type} ${hostKey.hostKey.base64}\n`,
    );
    const target = readyTarget(port, { knownHostsFiles: [file] });
    const result = await connectSsh(target, { acceptNewHostKey: true }, never);
    expect(result).toMatchObject({ ok: false, error: { failure: { code: 'host-key-revoked' } } });
    expect(tries).toEqual([]);
  });

  test('a new key is stored once it is proved, and is known the next time', async () => {
    const { port } = await server();
    const file = join(temporaryDirectory(), 'ssh', 'known_hosts');
    const target = readyTarget(port, { knownHostsFiles: [file], newKeysFile: file });
    const notices: string[] = [];
    const options = { acceptNewHostKey: true, onNotice: (text: string) => notices.push(text) };
    const first = await connectSsh(target, options, never);
    expect(first.ok).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe(knownLine(port, hostKey));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(notices).toEqual([`The host key of 127.0.0.1 was added to ${file}.`]);
    const second = await connectSsh(target, strict, never);
    expect(second.ok).toBe(true);
    for (const one of [first, second]) {
      await (one.ok ? one.value.close() : undefined);
    }
    expect(readFileSync(file, 'utf8')).toBe(knownLine(port, hostKey));
  });

  test('the type that is known is asked for, so that a second host key does no harm', async () => {
    const rsa = makeKey('rsa');
    const { port } = await server({ hostKeys: [hostKey, rsa] });
    const file = join(temporaryDirectory(), 'known_hosts');
    writeFileSync(file, knownLine(port, rsa));
    const result = await connectSsh(readyTarget(port, { knownHostsFiles: [file] }), strict, never);
    expect(result).toMatchObject({ ok: true });
    await (result.ok ? result.value.close() : undefined);
  });
});

describe('logging in', () => {
  test('a wrong password is tried once', async () => {
    const seen: string[] = [];
    const { port } = await server({ authenticate: acceptPassword('right', seen) });
    const target = readyTarget(port, { identities: [], password: secret('wrong') });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({ ok: false, error: { failure: { code: 'auth-failed' } } });
    expect(result.ok ? '' : result.error.failure.why).toContain('The server takes: password.');
    expect(seen).toEqual(['wrong']);
  });

  test('a password is typed once to a single hidden prompt, and not sent again by another method', async () => {
    const seen: string[][] = [];
    const { port, tries } = await server({
      authenticate: (context) => {
        if (context.method !== 'keyboard-interactive') {
          context.reject(['keyboard-interactive'] as never);
          return;
        }
        context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => {
          seen.push(answers);
          context.reject(['password', 'keyboard-interactive'] as never);
        });
      },
    });
    const target = readyTarget(port, { identities: [], password: secret('pass') });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({ ok: false, error: { failure: { code: 'auth-failed' } } });
    expect(seen).toEqual([['pass']]);
    expect(tries).toEqual(['none', 'keyboard-interactive']);
  });

  test('a prompt that shows what is typed gets no password', async () => {
    const seen: string[][] = [];
    const { port } = await server({
      authenticate: (context) => {
        if (context.method !== 'keyboard-interactive') {
          context.reject(['keyboard-interactive'] as never);
          return;
        }
        context.prompt([{ prompt: 'Code: ', echo: true }], (answers) => {
          seen.push(answers);
          context.reject(['keyboard-interactive'] as never);
        });
      },
    });
    const result = await connectSsh(
      readyTarget(port, { identities: [], password: secret('pass') }),
      strict,
      never,
    );
    expect(result.ok ? '' : result.error.failure.why).toContain(
      'asked for more than a password: "Code:"',
    );
    expect(seen.flat()).toEqual([]);
  });

  test.each(['ed25519', 'ecdsa', 'rsa'] as const)(
    'an encrypted %s key asks for its passphrase once the server wants it',
    async (type) => {
      const locked = makeKey(type, 'open sesame');
      const { port } = await server({ authenticate: acceptKey(locked) });
      const asked: string[] = [];
      const file = writeKey(temporaryDirectory(), locked);
      const target = readyTarget(port, {
        identities: [file],
        passphrase: async (name) => {
          asked.push(name);
          return secret('open sesame');
        },
      });
      const result = await connectSsh(target, strict, never);
      expect(result).toMatchObject({ ok: true });
      expect(asked).toEqual([file]);
      expect(inspect(result, { depth: 10 })).not.toContain('sesame');
      await (result.ok ? result.value.close() : undefined);
    },
  );

  test('a server that wants a key and then a password gets both', async () => {
    const locked = makeKey('ed25519', 'open sesame');
    const isKey = acceptKey(locked);
    const steps: string[] = [];
    const { port } = await server({
      authenticate: (context) => {
        if (context.method === 'password' && steps.includes('key')) {
          context.accept();
          return;
        }
        const methods = steps.includes('key') ? ['password'] : ['publickey'];
        if (context.method !== 'publickey') {
          context.reject(methods as never);
          return;
        }
        const { signature } = context;
        isKey({
          ...context,
          accept: () => {
            if (signature === undefined) {
              context.accept();
            } else {
              steps.push('key');
              context.reject(['password'] as never, true);
            }
          },
          reject: () => context.reject(methods as never),
        });
      },
    });
    const target = readyTarget(port, {
      identities: [writeKey(temporaryDirectory(), locked)],
      passphrase: async () => secret('open sesame'),
      password: secret('second'),
    });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({ ok: true });
    await (result.ok ? result.value.close() : undefined);
  });

  test('nobody is asked for the passphrase of a key that the server does not want', async () => {
    const locked = makeKey('ed25519', 'open sesame');
    const { port } = await server();
    const target = readyTarget(port, {
      identities: [writeKey(temporaryDirectory(), locked)],
      passphrase: async () => {
        throw new Error('asked');
      },
    });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({ ok: false, error: { failure: { code: 'auth-failed' } } });
  });

  test('a wrong passphrase names the file and the way out', async () => {
    const locked = makeKey('ed25519', 'open sesame');
    const { port } = await server({ authenticate: acceptKey(locked) });
    const file = writeKey(temporaryDirectory(), locked);
    const target = readyTarget(port, { identities: [file], passphrase: async () => secret('no') });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({
      ok: false,
      error: {
        failure: {
          code: 'key-unusable',
          what: `The key file ${file} could not be unlocked: the passphrase is wrong.`,
        },
      },
    });
  });

  test.skipIf(!hasCommand('openssl'))(
    'a key in PKCS#8 is named, with the command that rewrites it',
    async () => {
      const file = join(temporaryDirectory(), 'key');
      spawnSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', file]);
      const { port } = await server();
      const result = await connectSsh(readyTarget(port, { identities: [file] }), strict, never);
      expect(result).toMatchObject({
        ok: false,
        error: { failure: { code: 'key-unusable', todo: `ssh-keygen -p -f ${file}` } },
      });
    },
  );

  test('at most five keys are offered', async () => {
    const directory = temporaryDirectory();
    const files = Array.from({ length: 7 }, (_, index) =>
      writeKey(directory, makeKey(), `key${index}`),
    );
    const { port, tries } = await server();
    const result = await connectSsh(readyTarget(port, { identities: files }), strict, never);
    expect(tries.filter((one) => one.startsWith('publickey'))).toHaveLength(5);
    expect(result.ok ? '' : result.error.failure.why).toContain('Only 5 keys are offered');
  });

  test.skipIf(!hasCommand('ssh-agent'))(
    'with a named key the agent offers that key only',
    async () => {
      const agent = await startAgent();
      const other = makeKey('rsa');
      const ecdsa = makeKey('ecdsa');
      agent.add(other);
      agent.add(ecdsa);
      const directory = temporaryDirectory();
      const file = join(directory, 'named');
      writeFileSync(`${file}.pub`, ecdsa.public);
      const { port, tries } = await server({ authenticate: acceptKey(ecdsa) });
      const named = readyTarget(port, { identities: [file], agentSocket: agent.socket });
      const result = await connectSsh(named, strict, never);
      expect(result).toMatchObject({ ok: true });
      expect([...new Set(tries)]).toEqual(['none', `publickey ${ecdsa.hostKey.base64}`]);
      await (result.ok ? result.value.close() : undefined);
      const unnamed = readyTarget(port, {
        identities: [],
        identitiesOnly: false,
        agentSocket: agent.socket,
      });
      const all = await connectSsh(unnamed, strict, never);
      expect(tries).toContain(`publickey ${other.hostKey.base64}`);
      await (all.ok ? all.value.close() : undefined);
      const refusing = await server();
      const wrong = readyTarget(refusing.port, { identities: [file], agentSocket: agent.socket });
      expect(await connectSsh(wrong, strict, never)).toMatchObject({
        ok: false,
        error: { failure: { code: 'auth-failed' } },
      });
      expect(new Set(refusing.tries.filter((one) => one !== 'none'))).toEqual(
        new Set([`publickey ${ecdsa.hostKey.base64}`]),
      );
    },
  );
});

describe('a connection that does not come about', () => {
  test('a refused port', async () => {
    const port = await freePort();
    const result = await connectSsh(makeTarget(port), strict, never);
    expect(result).toMatchObject({
      ok: false,
      error: { reached: 'none', failure: { code: 'connection-refused' } },
    });
  });

  test('a name without an address', async () => {
    const target = makeTarget(22, {
      host: 'no-such-host.invalid',
      address: 'no-such-host.invalid',
    });
    const result = await connectSsh(target, strict, never);
    expect(result).toMatchObject({ ok: false, error: { failure: { code: 'resolve' } } });
  });

  test('the line a server says before it hangs up is shown', async () => {
    const port = await plainServer((socket) => socket.end('Exceeded MaxStartups\r\n'));
    const result = await connectSsh(makeTarget(port), strict, never);
    expect(result).toMatchObject({
      ok: false,
      error: {
        reached: 'listener',
        failure: { code: 'handshake-closed', why: 'It said: Exceeded MaxStartups' },
      },
    });
  });

  test('a silent listener is told apart after its time', async () => {
    const port = await plainServer(() => {});
    const timeouts = { ...sshTimeouts, handshakeMs: 50 };
    const result = await connectSsh(makeTarget(port), { ...strict, timeouts }, never);
    expect(result).toMatchObject({
      ok: false,
      error: { reached: 'listener', failure: { code: 'handshake-timeout' } },
    });
  });
});

describe('a jump host', () => {
  test('each hop is verified under its own name', async () => {
    const jumpKey = makeKey();
    const bastion = await server({ hostKeys: [jumpKey] });
    const inner = await server();
    const file = join(temporaryDirectory(), 'known_hosts');
    writeFileSync(file, knownLine(bastion.port, jumpKey) + knownLine(inner.port, hostKey));
    const hop = readyTarget(bastion.port, { host: 'bastion', knownHostsFiles: [file] });
    const session = await open(readyTarget(inner.port, { knownHostsFiles: [file], jump: [hop] }));
    expect(session.description).toBe(`ssh tester@127.0.0.1:${inner.port} through bastion`);
    expect((await run(session, 'echo through')).output.toString()).toBe('through\n');
  });

  test('an unknown jump host is named, and nothing is sent to it', async () => {
    const bastion = await server();
    const hop = readyTarget(bastion.port, {
      host: 'bastion',
      knownHostsFiles: [],
      password: secret('x'),
    });
    const result = await connectSsh(readyTarget(1, { jump: [hop] }), strict, never);
    expect(result).toMatchObject({
      ok: false,
      error: { reached: 'none', failure: { code: 'host-key-unknown' } },
    });
    expect(result.ok ? '' : result.error.failure.what).toContain('the jump host bastion');
    expect(bastion.tries).toEqual([]);
  });

  test('a jump host that does not connect us is blamed', async () => {
    const bastion = await server();
    const closed = await freePort();
    const hop = readyTarget(bastion.port, { host: 'bastion' });
    const result = await connectSsh(readyTarget(closed, { jump: [hop] }), strict, never);
    expect(result.ok ? '' : result.error.failure.why).toContain('The jump host bastion said');
  });

  test('a jump host that dies during a run is named', async () => {
    const bastion = await server();
    const inner = await server();
    const hop = readyTarget(bastion.port, { host: 'bastion' });
    const session = await open(readyTarget(inner.port, { jump: [hop] }));
    const exit = await session.run('echo begun; exec sleep 60', {
      onOutput: () => bastion.connections.at(-1)?.end(),
      signal: never,
      idleMs: 20_000,
    });
    expect(exit).toMatchObject({ ok: true, value: { type: 'lost' } });
    expect(exit.ok && exit.value.type === 'lost' ? exit.value.because : '').toContain(
      'jump host bastion',
    );
  });
});

async function plainServer(onConnection: Parameters<typeof listen>[0]): Promise<number> {
  const { port, close }: Listener = await listen(onConnection);
  onTestFinished(close);
  return port;
}

function hasCommand(name: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .some((directory) => existsSync(join(directory, name)));
}

async function startAgent(): Promise<{ socket: string; add: (key: KeyPair) => void }> {
  const directory = temporaryDirectory();
  const socket = join(directory, 'agent');
  const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => {
    child.kill();
  });
  await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
  return {
    socket,
    add: (key) => {
      const added = spawnSync('ssh-add', ['-q', '-'], {
        input: key.private,
        env: { ...process.env, SSH_AUTH_SOCK: socket },
      });
      expect(added.status).toBe(0);
    },
  };
}
