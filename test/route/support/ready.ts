import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Session } from '../../../src/route/route.ts';
import { createSshRoute } from '../../../src/route/ssh.ts';
import type { SshOptions } from '../../../src/route/ssh-connect.ts';
import type { SshTarget } from '../../../src/route/target.ts';
import { temporaryDirectory } from './files.ts';
import {
  acceptKey,
  makeKey,
  makeTarget,
  startServer,
  type KeyPair,
  type ServerOptions,
  type TestServer,
} from './server.ts';

/** The host key of the servers below, and the key that gets in. */
export const hostKey = makeKey();
export const userKey = makeKey();

export const never = new AbortController().signal;
export const strict = { acceptNewHostKey: false };
export const noSudo = { sudoPassword: null, askSudoPassword: async (): Promise<null> => null };

/** A server that lets `userKey` in and is gone when the test has finished. */
export async function server(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const started = await startServer({
    hostKeys: [hostKey],
    authenticate: acceptKey(userKey),
    ...options,
  });
  onTestFinished(async () => started.close());
  return started;
}

export function writeKey(directory: string, key: KeyPair, name = 'key'): string {
  const file = join(directory, name);
  writeFileSync(file, key.private, { mode: 0o600 });
  return file;
}

/** A target whose host key is known and whose key is right. */
export function readyTarget(port: number, more: Partial<SshTarget> = {}): SshTarget {
  const directory = temporaryDirectory();
  const knownHosts = join(directory, 'known_hosts');
  writeFileSync(knownHosts, knownLine(port, hostKey));
  return makeTarget(port, {
    identities: [writeKey(directory, userKey)],
    identitiesOnly: true,
    knownHostsFiles: [knownHosts],
    newKeysFile: knownHosts,
    ...more,
  });
}

export function knownLine(port: number, key: KeyPair): string {
  return `[127.0.0.1]:${port} ${key.hostKey.type} ${key.hostKey.base64}\n`;
}

/** A session that is closed when the test has finished. */
export async function open(target: SshTarget, options: Partial<SshOptions> = {}): Promise<Session> {
  const opened = await createSshRoute({ target, ...strict, ...noSudo, ...options }).open(never);
  if (!opened.ok) {
    throw new Error(JSON.stringify(opened.error));
  }
  onTestFinished(async () => opened.value.close());
  return opened.value;
}

export async function run(
  session: Session,
  program: string,
  signal = never,
): Promise<{ exit: unknown; output: Buffer }> {
  const chunks: Buffer[] = [];
  const exit = await session.run(program, {
    onOutput: (chunk) => chunks.push(chunk),
    signal,
    idleMs: 20_000,
  });
  return { exit: exit.ok ? exit.value : exit.error, output: Buffer.concat(chunks) };
}
