import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** How a process ended and what it said. */
export interface Result {
  /** Exit status; null if a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Added to the environment of the test; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Without it, stdin is empty. */
  readonly stdin?: string | Uint8Array;
  /** Ends the process (and what it started) early. */
  readonly signal?: AbortSignal;
  /** Default: one minute. */
  readonly timeoutMs?: number;
  /** What abort and time limit send to the process group. Default: SIGKILL. */
  readonly killSignal?: NodeJS.Signals;
  readonly cwd?: string;
}

/** A process that runs. */
export interface Running {
  /** Resolves at its end. Rejects only if it cannot be started. */
  readonly done: Promise<Result>;
  /** To the process alone, not to what it started. */
  kill(signal: NodeJS.Signals): void;
}

export interface StartOptions extends RunOptions {
  /** Called with each whole line of stdout as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Runs argv, without a shell, to its end. Rejects only if it cannot be started. */
export function run(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<Result> {
  return start(argv, options).done;
}

/** Starts argv, without a shell. */
export function start(argv: readonly [string, ...string[]], options: StartOptions = {}): Running {
  const [file, ...args] = argv;
  const { stdin, signal, timeoutMs = 60_000, killSignal = 'SIGKILL' } = options;
  // A group of its own, so that ending it also ends what it started.
  const child = spawn(file, args, {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const send = (id: number | undefined, wanted: NodeJS.Signals): void => {
    if (id === undefined) return;
    try {
      process.kill(id, wanted);
    } catch {
      // It has just ended by itself.
    }
  };
  const done = new Promise<Result>((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    // The group also when its leader has ended: what it started holds the output open.
    const end = (): void => send(child.pid === undefined ? undefined : -child.pid, killSignal);
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    };
    if (options.onLine !== undefined) passLines(child.stdout, options.onLine);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (error) => {
      settle();
      reject(error);
    });
    child.on('close', (status, endedBy) => {
      settle();
      resolve({
        status,
        signal: endedBy,
        timedOut,
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8'),
      });
    });
    // A process may end without reading its input.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true });
  });
  const runs = (): boolean => child.exitCode === null && child.signalCode === null;
  return { done, kill: (wanted) => send(runs() ? child.pid : undefined, wanted) };
}

function passLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}

/** Runs argv; a status other than 0 is an error that shows what was said. */
export async function runOrThrow(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(argv, options);
  if (result.status === 0) return result.stdout;
  const how = result.timedOut
    ? 'timed out'
    : `ended with ${result.signal ?? `status ${result.status}`}`;
  throw new Error(`${argv.join(' ')}: ${how}\n${result.stderr}${result.stdout}`);
}
