import { fail, ok, type Result } from '../../core/result.ts';
import { interruptedFailure } from '../ssh-failure.ts';
import type { AgentOptions } from './agent.ts';
import { Interrupted, LinkLost } from './answers.ts';
import { consoleBusyFailure, consoleClosedFailure, linkFailure, noRoomFailure } from './failure.ts';
import { Line } from './line.ts';
import { AgentLink } from './link.ts';
import { leaveUnled, logOut } from './log-out.ts';
import type { ConsoleLogin, ReachedShell, Unopened } from './login.ts';
import { saysBusy } from './prompts.ts';
import { reachShell } from './reach.ts';
import type { Recorder } from './recorder.ts';
import type { Wire } from './wire.ts';

/** A console with an agent of ours behind it. */
export interface OpenConsole {
  readonly link: AgentLink;
  readonly shell: ReachedShell;
  /** Ends the agent, logs out, and hangs up; says so where somebody must look after it. Never throws. */
  close(): Promise<string | null>;
  /** The same where no agent answers, or is waited for. Never throws. */
  abandon(lost: LinkLost | Interrupted): Promise<string | null>;
  /** Hangs up, and leaves the host as it is. Never throws. */
  hangUp(): Promise<void>;
}

/** What is needed to open a console. */
export interface OpenOptions {
  readonly wire: () => Promise<Result<Wire, string>>;
  readonly login: ConsoleLogin;
  readonly link: Omit<AgentOptions, 'nonce'>;
  readonly recorder: Recorder | null;
}

/** Opens a console: the wire, a root shell, and the agent in it. */
export async function openConsole(
  options: OpenOptions,
  signal: AbortSignal,
): Promise<Result<OpenConsole, Unopened>> {
  const { login, recorder } = options;
  if (signal.aborted) {
    return fail({ failure: interruptedFailure(), left: null });
  }
  const wire = await options.wire();
  if (!wire.ok) {
    const failure = saysBusy(wire.error) ? consoleBusyFailure : consoleClosedFailure;
    return fail({ failure: failure(login, login.mask.of(wire.error)), left: null });
  }
  const line = new Line(
    recorder === null ? wire.value : recorded(wire.value, recorder),
    login.mask,
  );
  const reached = await reachShell(line, login, signal);
  if (!reached.ok) {
    await line.close();
    return reached;
  }
  let shell = reached.value;
  const link = new AgentLink(line, { ...options.link, spares: shell.maintenance });
  const open: OpenConsole = {
    link,
    shell,
    hangUp: async () => {
      link.end();
      await line.close();
    },
    close: async () => {
      const left = await logOut(line, link, shell);
      await open.hangUp();
      return left;
    },
    abandon: async (lost) => {
      link.end();
      const left = await leaveUnled(line, login, { lost, shell });
      await open.hangUp();
      return left;
    },
  };
  const lost = await startAgent(open, signal);
  if (lost !== null) {
    const isLost = lost instanceof LinkLost;
    const failure = isLost ? linkFailure(login, lost.message) : interruptedFailure();
    return fail({ failure, left: await open.abandon(lost) });
  }
  const { folder } = link.tools;
  // The agent has a guard of its own, where there is room for it.
  shell = { ...shell, guarded: shell.guarded || folder !== null };
  if (signal.aborted) {
    return fail({ failure: interruptedFailure(), left: await open.close() });
  }
  if (folder === null) {
    const failure = noRoomFailure('none of /run, /dev/shm, /tmp and /var/tmp takes 64 KiB.');
    return fail({ failure, left: await open.close() });
  }
  return ok(open);
}

/** Why no agent could be started; null where one was. */
async function startAgent(
  open: OpenConsole,
  signal: AbortSignal,
): Promise<LinkLost | Interrupted | null> {
  try {
    await open.link.heed(signal, async () => open.link.start());
    return null;
  } catch (error) {
    if (error instanceof LinkLost || error instanceof Interrupted) {
      return error;
    }
    await open.hangUp();
    throw error;
  }
}

function recorded(wire: Wire, recorder: Recorder): Wire {
  return {
    ...wire,
    write: (bytes) => {
      recorder.record('>', bytes);
      wire.write(bytes);
    },
    onData: (listener) =>
      wire.onData((bytes) => {
        recorder.record('<', bytes);
        listener(bytes);
      }),
  };
}
