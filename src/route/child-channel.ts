import { spawn, type ChildProcess } from 'node:child_process';
import { cleanLine } from '../core/clean.ts';
import type { Argv } from '../core/quote.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Channel } from './channel.ts';
import { stoppedHere, type Exit } from './route.ts';

/** How a command is started. */
export interface ChildOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * True where the command is the shell itself, so that a signal that ended it ended the program.
   * A command that only leads to a shell may die while the shell lives on: that is `lost`.
   */
  readonly isShell: boolean;
  /**
   * True for a session of its own: without our terminal, so that it cannot ask there, and ended
   * together with all that it started.
   */
  readonly ownSession?: boolean;
}

/** Why a command did not start: the system's code, as `ENOENT`. */
export interface SpawnError {
  readonly code: string;
  readonly text: string;
}

/** A channel to a child process of ours. */
export interface ChildChannel extends Channel {
  readonly pid: number;
  /** Settles when the process itself is gone. */
  readonly gone: Promise<void>;
}

const killAfterMs = 2000;

/** Starts a command without a shell. Its standard streams are the channel. */
export async function spawnChannel(
  argv: Argv,
  options: ChildOptions,
): Promise<Result<ChildChannel, SpawnError>> {
  const [command, ...args] = argv;
  return new Promise((resolve) => {
    const env = { ...options.environment };
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env,
      detached: options.ownSession ?? false,
    });
    child.once('spawn', () => resolve(ok(childChannel(child, options))));
    child.on('error', (error: NodeJS.ErrnoException) => {
      resolve(fail({ code: error.code ?? 'unknown', text: cleanLine(error.message, 200) }));
    });
  });
}

function childChannel(child: ChildProcess, options: ChildOptions): ChildChannel {
  const { stdin, stdout, stderr, pid } = child;
  if (stdin === null || stdout === null || stderr === null || pid === undefined) {
    throw new Error('a child was started without pipes');
  }
  let stop: (exit: Exit) => void = () => {};
  const ended = new Promise<Exit>((resolve) => {
    stop = resolve;
    if (options.ownSession === true) {
      // What it started and left behind would hold our pipes open.
      child.once('exit', () => sendSignal(-pid, 'SIGTERM'));
    }
    child.once('close', (code, signal) => resolve(childExit(code, signal, options.isShell)));
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  return {
    pid,
    stdin,
    stdout,
    stderr,
    ended,
    gone,
    close: () => {
      stop({ type: 'lost', because: stoppedHere });
      endChild(child, options.ownSession === true ? -pid : pid);
    },
  };
}

function childExit(code: number | null, signal: string | null, isShell: boolean): Exit {
  if (code !== null) {
    return { type: 'code', code };
  }
  const name = signal ?? 'unknown';
  return isShell
    ? { type: 'signal', name }
    : { type: 'lost', because: `the command of the route was ended by ${name}` };
}

// A negative id stands for the whole process group, as in kill(2).
function endChild(child: ChildProcess, id: number): void {
  child.stdin?.destroy();
  if (child.exitCode !== null || child.signalCode !== null) {
    child.stdout?.destroy();
    child.stderr?.destroy();
    return;
  }
  sendSignal(id, 'SIGTERM');
  const timer = setTimeout(() => {
    sendSignal(id, 'SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, killAfterMs);
  child.once('exit', () => {
    clearTimeout(timer);
    // A grandchild may hold the pipes for long; nobody listens any more.
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
}

function sendSignal(id: number, signal: NodeJS.Signals): void {
  try {
    process.kill(id, signal);
  } catch {
    // It is gone already.
  }
}

/** The children of one session: started one by one, and all gone when the session is closed. */
export class Children {
  readonly #options: ChildOptions;
  readonly #running = new Set<ChildChannel>();

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  /** Starts one more. */
  async start(argv: Argv): Promise<Result<Channel, SpawnError>> {
    const started = await spawnChannel(argv, this.#options);
    if (started.ok) {
      const child = started.value;
      this.#running.add(child);
      void child.gone.then(() => this.#running.delete(child));
    }
    return started;
  }

  /** Ends those that still run, first gently, and waits until they are gone. Never throws. */
  async close(): Promise<void> {
    const running = [...this.#running];
    for (const child of running) {
      child.close();
    }
    await Promise.all(running.map((child) => child.gone));
  }
}

/** The environment for a command that leads elsewhere: without our secrets and our own login. */
export function childEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const secret = /^REMEDY_.*(PASSWORD|PASSPHRASE|TOKEN)/;
  // SSH_CONNECTION of this machine would be taken for the host's.
  const own = new Set(['SSH_CONNECTION', 'SSH_CLIENT', 'SSH_TTY']);
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !secret.test(name) && !own.has(name)),
  );
}
