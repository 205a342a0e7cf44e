import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Failure } from '../../src/core/failure.ts';
import { connectSsh, sshTimeouts } from '../../src/route/ssh-connect.ts';
import { forwardFailure, socketFailure } from '../../src/route/ssh-failure.ts';
import { temporaryDirectory } from './support/files.ts';
import { listen } from './support/listeners.ts';
import {
  hostKey,
  knownLine,
  never,
  readyTarget,
  server,
  strict,
  userKey,
  writeKey,
} from './support/ready.ts';
import {
  acceptKey,
  forgeKey,
  makeKey,
  makeTarget,
  secret,
  type KeyPair,
} from './support/server.ts';

async function failureOf(...args: Parameters<typeof connectSsh>): Promise<Failure> {
  const result = await connectSsh(...args);
  if (result.ok) {
    await result.value.close();
    throw new Error('the login was made');
  }
  return result.error.failure;
}

async function expectLogin(...args: Parameters<typeof connectSsh>): Promise<string> {
  const result = await connectSsh(...args);
  if (!result.ok) {
    throw new Error(JSON.stringify(result.error));
  }
  await result.value.close();
  return result.value.facts.loginBy;
}

async function plainServer(onConnection: Parameters<typeof listen>[0]): Promise<number> {
  const { port, close } = await listen(onConnection);
  onTestFinished(close);
  return port;
}

describe('host keys', () => {
  test('a key that the other side cannot prove is neither accepted nor stored', async () => {
    const { port, tries } = await server({ hostKeys: [forgeKey(hostKey)] });
    const file = join(temporaryDirectory(), 'known_hosts');
    const target = readyTarget(port, { knownHostsFiles: [file], newKeysFile: file });
    const failure = await failureOf(target, { acceptNewHostKey: true }, never);
    expect(failure.code).toBe('negotiation');
    expect(tries).toEqual([]);
    // The next login stores its key in the same file; by then, all that was begun has been written.
    const honest = await server();
    const next = readyTarget(honest.port, { knownHostsFiles: [file], newKeysFile: file });
    await expectLogin(next, { acceptNewHostKey: true }, never);
    expect(readFileSync(file, 'utf8')).toBe(knownLine(honest.port, hostKey));
  });
});

describe('time limits', () => {
  const timeouts = { ...sshTimeouts, authenticationMs: 1500 };

  test('a person who is asked may take as long as it takes', async () => {
    const locked = makeKey('ed25519', 'open sesame');
    const { port } = await server({ authenticate: acceptKey(locked) });
    const target = readyTarget(port, {
      identities: [writeKey(temporaryDirectory(), locked)],
      passphrase: async () => {
        await new Promise((done) => setTimeout(done, timeouts.authenticationMs + 500));
        return secret('open sesame');
      },
    });
    await expectLogin(target, { ...strict, timeouts }, never);
  });

  test('a server that does not answer the login is told apart, with what was offered', async () => {
    const { port } = await server({
      authenticate: (context) => {
        if (context.method === 'none') {
          context.reject(['publickey'] as never);
        }
      },
    });
    const failure = await failureOf(readyTarget(port), { ...strict, timeouts }, never);
    expect(failure).toMatchObject({ code: 'handshake-timeout' });
    expect(failure.what).toContain('was not answered within 1.5 s');
    expect(failure.why).toContain('Offered: key SHA256:');
  });
});

describe('errors that come in numbers', () => {
  test('a handshake that breaks and then a reset are one failure', async () => {
    const port = await plainServer((socket) => {
      socket.once('data', () => {
        socket.write('SSH-2.0-Broken\r\n\0\0\0\x01garbage', () => socket.resetAndDestroy());
      });
    });
    const failure = await failureOf(makeTarget(port), strict, never);
    expect(['handshake-closed', 'negotiation']).toContain(failure.code);
  });

  test('a connection that is reset as soon as it is made is not called unanswered', () => {
    const place = { target: makeTarget(22), isJump: false };
    expect(socketFailure(place, 'ECONNRESET', '')).toMatchObject({
      code: 'handshake-closed',
      what: '127.0.0.1 (port 22) reset the connection at once.',
    });
  });

  test('an agent that is not there is no reason to stop', async () => {
    const { port } = await server();
    const target = readyTarget(port, { agentSocket: join(temporaryDirectory(), 'none') });
    expect(await expectLogin(target, strict, never)).toMatch(/^key SHA256:/);
  });

  test('an agent that dies when it is to sign: the next key is tried', async () => {
    const held = makeKey('ecdsa');
    const agentSocket = await dyingAgent(held);
    const isUser = acceptKey(userKey);
    const isHeld = acceptKey(held);
    const { port, tries } = await server({
      authenticate: (context) =>
        tries.at(-1)?.includes(held.hostKey.base64) === true ? isHeld(context) : isUser(context),
    });
    const target = readyTarget(port, { identitiesOnly: false, agentSocket });
    const named = { ...target, identities: [], defaultIdentities: target.identities };
    expect(await expectLogin(named, strict, never)).toMatch(/^key SHA256:\S+ \(\//);
    // Two errors, then: the agent's, and that of the login.
    const failure = await failureOf({ ...named, defaultIdentities: [] }, strict, never);
    expect(failure.code).toBe('auth-failed');
    expect(failure.why).toContain('A key was not used');
  });
});

describe('hostile text', () => {
  const evil = '\u001b]0;title\u0007\u001b[2J\u009b31mred\u202e\u0008\u0000';
  const bad = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]|\]0;|\[2J/;

  function expectClean(failure: Failure): void {
    expect(failure.why).toContain('red');
    for (const part of [failure.what, failure.why, failure.access, failure.todo]) {
      expect(part).not.toMatch(bad);
    }
  }

  test('the line before the handshake', async () => {
    const port = await plainServer((socket) => socket.end(`${evil}\r\n`));
    expectClean(await failureOf(makeTarget(port), strict, never));
  });

  test('what the server calls itself', async () => {
    const port = await plainServer((socket) => socket.end(`SSH-2.0-${evil.slice(0, -1)}\r\n`));
    expectClean(await failureOf(makeTarget(port), strict, never));
  });

  test('the banner', async () => {
    const { port } = await server({ banner: evil, authenticate: acceptKey(makeKey()) });
    expectClean(await failureOf(readyTarget(port), strict, never));
  });

  test('a prompt', async () => {
    const { port } = await server({
      authenticate: (context) => {
        if (context.method === 'keyboard-interactive') {
          context.prompt([{ prompt: evil, echo: true }], () => context.reject());
        } else {
          context.reject(['keyboard-interactive'] as never);
        }
      },
    });
    const target = readyTarget(port, { identities: [], password: secret('pass') });
    expectClean(await failureOf(target, strict, never));
  });

  test('why a jump host would not connect us', () => {
    const place = { target: makeTarget(22), isJump: false };
    expectClean(forwardFailure(place, 'bastion', evil));
    expectClean(forwardFailure(place, 'bastion', `Connection refused ${evil}`));
  });
});

describe('a server that turns clients away', () => {
  test.each(['Exceeded MaxStartups', 'Not allowed at this time'])('%s', async (line) => {
    const port = await plainServer((socket) => socket.end(`${line}\r\n`));
    const failure = await failureOf(makeTarget(port), strict, never);
    expect(failure.why).toBe(`It said: ${line}`);
    expect(failure.todo).toContain('Wait ten minutes');
  });
});

describe('secrets', () => {
  test('are nowhere to be seen on what a login gives, works or not', async () => {
    const { port } = await server({
      authenticate: (context) => {
        if (context.method === 'password' && context.password === 'hunter2') {
          context.accept();
        } else {
          context.reject(['password'] as never);
        }
      },
    });
    const shown = { depth: Infinity, showHidden: true, getters: true };
    const right = readyTarget(port, { identities: [], password: secret('hunter2') });
    const result = await connectSsh(right, strict, never);
    expect(result.ok).toBe(true);
    expect(inspect({ result, target: right }, shown)).not.toContain('hunter2');
    await (result.ok ? result.value.close() : undefined);
    const wrong = await failureOf({ ...right, password: secret('hunter3') }, strict, never);
    expect(inspect(wrong, shown)).not.toContain('hunter3');
  });
});

/** An agent that lists one key and hangs up when it is asked for a signature (PROTOCOL.agent). */
async function dyingAgent(key: KeyPair): Promise<string> {
  const path = join(temporaryDirectory(), 'agent');
  const blob = Buffer.from(key.hostKey.base64, 'base64');
  const answer = Buffer.concat([
    Buffer.from([12, 0, 0, 0, 1]),
    withLength(blob),
    withLength(Buffer.from('held')),
  ]);
  const agent = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      // SSH_AGENTC_REQUEST_IDENTITIES is 11.
      if (chunk[4] === 11) {
        socket.write(withLength(answer));
      } else {
        socket.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => agent.listen(path, resolve));
  onTestFinished(() => {
    agent.close();
  });
  return path;
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
