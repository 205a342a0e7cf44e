import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthContext } from 'ssh2';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { OpensshTarget } from '../../src/route/openssh-options.ts';
import { acceptKey, acceptPassword, makeKey, secret, startServer } from './support/server.ts';
import {
  knownHostsLine,
  makeStand,
  openSession,
  tryOpen,
  whyNoClient,
  writePrivate,
  type Stand,
} from './support/openssh.ts';
import { run as runProgram } from './support/ready.ts';

const missing = whyNoClient();
if (missing !== null) {
  console.warn(`skipped: passwords on the openssh route: ${missing}`);
}

const password = 'c0rrect horse "battery"';

/** Every word of every process that an observer could read. */
function processWords(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((id) =>
      ['cmdline', 'environ'].map((file) => {
        try {
          return readFileSync(`/proc/${id}/${file}`, 'utf8');
        } catch {
          return '';
        }
      }),
    )
    .join('\n');
}

function fileTexts(): string {
  return readdirSync('/tmp')
    .filter((name) => name.startsWith('remedy-ssh-'))
    .flatMap((folder) =>
      readdirSync(join('/tmp', folder)).map((name) => {
        try {
          return readFileSync(join('/tmp', folder, name), 'utf8');
        } catch {
          return '';
        }
      }),
    )
    .join('\n');
}

describe.skipIf(missing !== null)('a password', () => {
  test('is typed once, and is in no argument, environment or file', async () => {
    const seen: string[] = [];
    let words = '';
    const accept = acceptPassword(password, seen);
    const stand = await makeStand({
      authenticate: (context) => {
        words += context.method === 'password' ? processWords() + fileTexts() : '';
        accept(context);
      },
      target: { password: secret(password) },
    });
    const session = await openSession(stand);
    expect((await runProgram(session, 'echo in; env')).output.toString()).toMatch(/^in\n/);
    expect(seen).toEqual([password]);
    expect(words).toContain('SSH_ASKPASS=');
    expect(words).not.toContain('c0rrect');
  });

  test('that is wrong is typed once only, whatever methods the server offers', async () => {
    const seen: string[] = [];
    const stand = await makeStand({
      authenticate: offersBoth(seen),
      target: { password: secret('wrong') },
    });
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(opened.ok ? '' : opened.error.why).toContain('is not tried again');
    expect(JSON.stringify(opened)).not.toContain('wrong');
    expect(seen).toEqual(['keyboard-interactive:wrong']);
  });

  test('that nobody has is not asked for', async () => {
    const stand = await makeStand({ authenticate: acceptPassword(password) });
    expect(await tryOpen(stand)).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(stand.server.tries).not.toContain('password');
    expect(stand.server.tries).not.toContain('keyboard-interactive');
  });

  test('is asked for where a person is there; the question names the login, once for a session', async () => {
    const prompts: string[] = [];
    const stand = await makeStand({
      authenticate: acceptPassword(password),
      client: { interactive: true },
      target: {
        askPassword: async (prompt) => {
          prompts.push(prompt);
          return secret(password);
        },
      },
    });
    const session = await openSession(stand);
    await runProgram(session, 'true');
    await runProgram(session, 'true');
    expect(prompts).toEqual(['Password of tester on 127.0.0.1']);
  });

  test('that a person does not give ends the login before anything is sent', async () => {
    const seen: string[] = [];
    const stand = await makeStand({
      authenticate: acceptPassword(password, seen),
      client: { interactive: true },
      target: { askPassword: async () => null },
    });
    expect(await tryOpen(stand)).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(seen).toEqual([]);
  });

  test('is not typed at a question for something else', async () => {
    const seen: string[] = [];
    const stand = await makeStand({
      authenticate: asks('Verification code: ', seen),
      target: { password: secret(password) },
    });
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(opened.ok ? '' : opened.error.why).toContain('Verification code');
    expect(seen).toEqual([]);
  });

  test('time stands still while a person thinks', async () => {
    const timeouts = {
      connectMs: 3000,
      handshakeMs: 500,
      authenticationMs: 500,
      keepaliveMs: 10_000,
      channelMs: 10_000,
    };
    const stand = await makeStand({
      authenticate: acceptPassword(password),
      client: { interactive: true, timeouts },
      target: {
        askPassword: async () =>
          new Promise((resolve) => setTimeout(() => resolve(secret(password)), 5000)),
      },
    });
    await openSession(stand);
  });
});

test.skipIf(missing !== null)('a passphrase opens a key file', async () => {
  const locked = makeKey('ed25519', 'open sesame');
  const stand = await makeStand({ authenticate: acceptKey(locked) });
  const file = writePrivate(join(stand.folder, 'locked'), locked.private);
  const files: string[] = [];
  const way: OpensshTarget = {
    flags: { ...stand.way.flags, identities: [file] },
    target: {
      ...stand.way.target,
      identities: [file],
      passphrase: async (name) => {
        files.push(name);
        return secret('open sesame');
      },
    },
  };
  const options = { ...stand.options, passphraseKnown: true };
  await openSession({ ...stand, way, options });
  expect(files).toEqual([file]);
});

describe.skipIf(missing !== null)('through a jump host', () => {
  test('each is verified under its own name, with keys of its own', async () => {
    const { stand } = await makeJump();
    const session = await openSession(stand);
    expect((await runProgram(session, 'echo inside')).output.toString()).toBe('inside\n');
  });

  test('a changed key of the jump host is refused by its name; nothing is sent to either', async () => {
    const { stand, jump, inner } = await makeJump();
    writeFileSync(stand.way.flags.knownHosts ?? '', knownHostsLine(jump.port, makeKey()));
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'host-key-changed' } });
    expect(opened.ok ? '' : opened.error.what).toContain(
      `the jump host 127.0.0.1 (port ${jump.port})`,
    );
    expect([...jump.tries, ...inner.tries]).toEqual([]);
  });

  test('a jump host that refuses the login is named', async () => {
    const { stand, jump } = await makeJump((context) => context.reject(['publickey']));
    const opened = await tryOpen(stand);
    expect(opened).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(opened.ok ? '' : opened.error.what).toContain(
      `the jump host 127.0.0.1 (port ${jump.port})`,
    );
  });

  test('what the jump host cannot reach is told as seen from there', async () => {
    const { stand, inner } = await makeJump();
    await inner.close();
    const opened = await tryOpen(stand);
    expect(opened.ok ? '' : opened.error.why).toContain('jump host 127.0.0.1');
  });

  test('the password of the host is never typed at the jump host', async () => {
    const seen: string[] = [];
    const { stand } = await makeJump(acceptPassword(password, seen));
    const target = { ...stand.way.target, password: secret(password) };
    const opened = await tryOpen({ ...stand, way: { ...stand.way, target } });
    expect(opened.ok).toBe(false);
    expect(seen).toEqual([]);
  });
});

/** Takes nothing; notes each password by its method. */
function offersBoth(seen: string[]): (context: AuthContext) => void {
  return (context) => {
    if (context.method === 'keyboard-interactive') {
      context.prompt([{ prompt: 'Password: ', echo: false }], ([answer = '']) => {
        seen.push(`${context.method}:${answer}`);
        context.reject(['keyboard-interactive', 'password']);
      });
      return;
    }
    if (context.method === 'password') {
      seen.push(`password:${context.password}`);
    }
    context.reject(['keyboard-interactive', 'password']);
  };
}

function asks(prompt: string, seen: string[]): (context: AuthContext) => void {
  return (context) => {
    if (context.method !== 'keyboard-interactive') {
      context.reject(['keyboard-interactive']);
      return;
    }
    context.prompt([{ prompt, echo: false }], (answers) => {
      seen.push(...answers);
      context.reject(['keyboard-interactive']);
    });
  };
}

/** A host that is reached through a jump host; both take the same key, each shows one of its own. */
async function makeJump(
  authenticate?: (context: AuthContext) => void,
): Promise<{ stand: Stand; jump: Stand['server']; inner: Stand['server'] }> {
  const key = makeKey();
  const stand = await makeStand({ authenticate: acceptKey(key) });
  const jumpKey = makeKey();
  const jump = await startServer({
    hostKeys: [jumpKey],
    authenticate: authenticate ?? acceptKey(key),
  });
  onTestFinished(async () => jump.close());
  const file = writePrivate(join(stand.folder, 'both'), key.private);
  writeFileSync(
    stand.way.flags.knownHosts ?? '',
    knownHostsLine(stand.server.port, stand.hostKey) + knownHostsLine(jump.port, jumpKey),
  );
  const hop = { ...stand.way.target, port: jump.port, user: 'ops' };
  return {
    jump,
    inner: stand.server,
    stand: {
      ...stand,
      way: {
        target: { ...stand.way.target, jump: [hop] },
        flags: {
          ...stand.way.flags,
          identities: [file],
          jump: [{ host: '127.0.0.1', port: jump.port, user: 'ops' }],
        },
      },
    },
  };
}
