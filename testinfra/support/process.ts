import { spawn } from 'node:child_process';

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

/** Runs argv, without a shell, to its end. Rejects only if it cannot be started. */
export function run(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<Result> {
  const [file, ...args] = argv;
  const { stdin, signal, timeoutMs = 60_000, killSignal = 'SIGKILL' } = options;
  return new Promise((resolve, reject) => {
    // A group of its own, so that ending it also ends what it started.
    const child = spawn(file, args, {
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const end = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, killSignal);
      } catch {
        // It has just ended by itself.
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    };
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
