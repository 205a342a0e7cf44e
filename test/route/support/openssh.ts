import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { OpensshOptions } from '../../../src/route/openssh-client.ts';
import { createOpensshRoute } from '../../../src/route/openssh.ts';
import type { OpensshTarget } from '../../../src/route/openssh-options.ts';
import type { Session } from '../../../src/route/route.ts';
import { temporaryDirectory } from './files.ts';
import { never } from './ready.ts';
import {
  acceptKey,
  makeKey,
  makeTarget,
  startServer,
  type KeyPair,
  type ServerOptions,
  type TestServer,
} from './server.ts';

/** Why the OpenSSH client cannot be tried here, or null. */
export function whyNoClient(): string | null {
  try {
    execFileSync('ssh', ['-V'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'there is no OpenSSH client (ssh) on this machine';
  }
}

/** A server, the keys of both sides, and what the client needs to log in to it. */
export interface Stand {
  readonly server: TestServer;
  readonly hostKey: KeyPair;
  readonly way: OpensshTarget;
  readonly options: OpensshOptions;
  /** Where files of the test go; gone when it has finished. */
  readonly folder: string;
  readonly notices: string[];
}

export interface StandOptions extends Partial<ServerOptions> {
  readonly target?: Parameters<typeof makeTarget>[1];
  readonly flags?: Partial<OpensshTarget['flags']>;
  readonly client?: Partial<OpensshOptions>;
  /** The user's ssh configuration. */
  readonly config?: string;
}

/** Starts a server that takes one key, and names that key and the server's own to the client. */
export async function makeStand(more: StandOptions = {}): Promise<Stand> {
  const folder = temporaryDirectory();
  const key = makeKey();
  const hostKey = more.hostKeys?.[0] ?? makeKey();
  const server = await startServer({
    hostKeys: [hostKey],
    authenticate: acceptKey(key),
    ...more,
  });
  onTestFinished(async () => server.close());
  const keyFile = writePrivate(join(folder, 'key'), key.private);
  const knownHosts = join(folder, 'known_hosts');
  writeFileSync(knownHosts, knownHostsLine(server.port, hostKey));
  const configFile = join(folder, 'user-config');
  writeFileSync(configFile, more.config ?? '');
  const notices: string[] = [];
  return {
    server,
    hostKey,
    folder,
    notices,
    way: {
      target: makeTarget(server.port, { knownHostsFiles: [knownHosts], ...more.target }),
      flags: { identities: [keyFile], jump: null, knownHosts, ...more.flags },
    },
    options: {
      acceptNewHostKey: false,
      interactive: false,
      passphraseKnown: false,
      environment: process.env,
      configFile,
      onNotice: (text) => notices.push(text),
      ...more.client,
    },
  };
}

export function knownHostsLine(port: number, key: KeyPair, marker = ''): string {
  return `${marker}[127.0.0.1]:${port} ${key.public}\n`;
}

export function writePrivate(file: string, text: string): string {
  writeFileSync(file, text);
  chmodSync(file, 0o600);
  return file;
}

const noSudo = { sudoPassword: null, askSudoPassword: async () => null };

/** Opens the route to a stand. */
export async function tryOpen(
  stand: Stand,
  signal = never,
): ReturnType<ReturnType<typeof createOpensshRoute>['open']> {
  const opened = await createOpensshRoute({ way: stand.way, ...stand.options, ...noSudo }).open(
    signal,
  );
  if (opened.ok) {
    onTestFinished(async () => opened.value.close());
  }
  return opened;
}

/** As `tryOpen`, for what must work. */
export async function openSession(stand: Stand): Promise<Session> {
  const opened = await tryOpen(stand);
  if (!opened.ok) {
    throw new Error(JSON.stringify(opened.error, null, 2));
  }
  return opened.value;
}
