import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { cleanLine } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Channel } from './channel.ts';
import { makeNonce } from './elevate.ts';
import { EndRecord } from './end-record.ts';
import type { Remembered } from './openssh-answers.ts';
import { OpensshClient, type OpensshOptions } from './openssh-client.ts';
import { lostBecause } from './openssh-failure.ts';
import { readOpensshLog } from './openssh-log.ts';
import type { OpensshTarget } from './openssh-options.ts';
import type { Exit, Route } from './route.ts';
import { describeExit, shellMissingFailure, silentShellFailure } from './shell-failure.ts';
import { exitOfStatus } from './shell-status.ts';
import { openShellSession, type ShellSource, type SudoOptions } from './shell.ts';
import { describeTarget, targetName } from './ssh-connect.ts';
import { interruptedFailure, lostFailure } from './ssh-failure.ts';

/** What an openssh route is made of. */
export interface OpensshRouteOptions extends OpensshOptions, SudoOptions {
  readonly way: OpensshTarget;
}

/** A route through SSH by the OpenSSH client of this machine. Each shell is a login of its own. */
export function createOpensshRoute(options: OpensshRouteOptions): Route {
  return {
    kind: 'openssh',
    description: `openssh ${describeTarget(options.way.target)}`,
    open: async (signal) => openShellSession(opensshSource(options), options, signal),
  };
}

function opensshSource(options: OpensshRouteOptions): ShellSource {
  const { target } = options.way;
  const name = targetName(target);
  const remembered: Remembered = new Map();
  const clients = new Set<OpensshClient>();
  return {
    kind: 'openssh',
    description: `openssh ${describeTarget(target)}`,
    name,
    open: async (signal) => {
      // The login shell may be fish or csh: this is all that it is asked to understand.
      const about = { command: 'exec sh', remembered };
      const client = await OpensshClient.start(options.way, options, about);
      if (!client.ok) {
        return client;
      }
      clients.add(client.value);
      void client.value.gone.then(() => clients.delete(client.value));
      return openShell(client.value, { name, signal, onNotice: options.onNotice });
    },
    endedEarly: (exit, said) =>
      exit.type === 'lost'
        ? lostFailure(name, exit.because)
        : shellMissingFailure(name, exit, said),
    close: async () => {
      await Promise.all([...clients].map(async (client) => client.close()));
    },
  };
}

interface Opening {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly onNotice: ((text: string) => void) | undefined;
}

/** Waits until the login is made and a shell has said so. */
async function openShell(
  client: OpensshClient,
  { name, signal, onNotice }: Opening,
): Promise<Result<Channel, Failure>> {
  const { channel } = client;
  const record = new EndRecord(makeNonce(randomBytes(16).toString('hex')));
  const stdout = channel.stdout.pipe(record.filter());
  const stderr = channel.stderr.pipe(client.said.filter());
  for (const stream of [channel.stdin, channel.stdout, channel.stderr]) {
    // What broke is told by the end of the client.
    stream.on('error', () => {});
  }
  channel.stdin.write(record.text);
  const over = new AbortController();
  const first = await Promise.race([
    record.begun.then(() => 'begun' as const),
    channel.ended,
    client.tooLong(over.signal),
    aborted(signal, over.signal),
  ]);
  over.abort();
  if (first !== 'begun') {
    await client.close();
    if (signal.aborted) {
      return fail(interruptedFailure());
    }
    const log = readOpensshLog(await client.readLog());
    const timedOut = typeof first === 'number' ? first : null;
    const said = record.noise + client.said.text;
    if (log.loginBy === null) {
      return fail(await client.failure(timedOut));
    }
    return fail(
      timedOut === null
        ? shellMissingFailure(name, typeof first === 'object' ? first : null, said)
        : silentShellFailure(name, timedOut, said),
    );
  }
  notifyNewKeys(await client.readLog(), onNotice);
  client.said.open();
  const ended = endOf(client, { record, stdout });
  return ok({ stdin: channel.stdin, stdout, stderr, ended, close: () => channel.close() });
}

async function aborted(signal: AbortSignal, over: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true, signal: over });
    if (signal.aborted) {
      resolve(null);
    }
  });
}

async function endOf(
  client: OpensshClient,
  { record, stdout }: { readonly record: EndRecord; readonly stdout: Readable },
): Promise<Exit> {
  const delivered = new Promise<void>((resolve) => {
    stdout.once('end', resolve);
    stdout.once('close', resolve);
  });
  const exit = await client.channel.ended;
  if (exit.type === 'lost') {
    return exit;
  }
  await delivered;
  if (record.status !== null) {
    return exitOfStatus(record.status);
  }
  await client.gone;
  return { type: 'lost', because: lostBecause(await client.readLog(), describeExit(exit)) };
}

function notifyNewKeys(log: string, onNotice: ((text: string) => void) | undefined): void {
  for (const line of readOpensshLog(log).lines) {
    if (/Permanently added .* to the list of known hosts/.test(line)) {
      onNotice?.(cleanLine(line.replace(/^Warning: /, ''), 300));
    }
  }
}
