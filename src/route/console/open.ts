import { setTimeout as pause } from 'node:timers/promises';
import type { Failure } from '../../core/failure.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import {
  consoleBusyFailure,
  consoleClosedFailure,
  linkFailure,
  maintenanceOpenWords,
  noRoomFailure,
  stillOpenWords,
  withLeft,
} from './failure.ts';
import { leaveShell, restoreShell } from './leave-shell.ts';
import { Dialogue, usualTimes } from './dialogue.ts';
import { Line } from './line.ts';
import type { AgentOptions } from './agent.ts';
import { Interrupted, LinkLost } from './answers.ts';
import { AgentLink } from './link.ts';
import { saysBusy, waitingFor } from './prompts.ts';
import { interruptedFailure } from '../ssh-failure.ts';
import type { ConsoleLogin, ReachedShell } from './login.ts';
import { reachShell } from './reach.ts';
import type { Recorder } from './recorder.ts';
import { Screen } from './screen.ts';
import type { Wire } from './wire.ts';

/** A console with an agent of ours behind it. */
export interface OpenConsole {
  readonly link: AgentLink;
  readonly shell: ReachedShell;
  /** Ends the agent, logs out, and hangs up; says so where somebody must look after it. Never throws. */
  close(): Promise<string | null>;
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

const logoutMs = 20_000;
const outerShellMs = 1000;

/** Opens a console: the wire, a root shell, and the agent in it. */
export async function openConsole(
  options: OpenOptions,
  signal: AbortSignal,
): Promise<Result<OpenConsole, Failure>> {
  const { login, recorder } = options;
  if (signal.aborted) {
    return fail(interruptedFailure());
  }
  const wire = await options.wire();
  if (!wire.ok) {
    const failure = saysBusy(wire.error) ? consoleBusyFailure : consoleClosedFailure;
    return fail(failure(login, login.mask.of(wire.error)));
  }
  const line = new Line(
    recorder === null ? wire.value : recorded(wire.value, recorder),
    login.mask,
  );
  const shell = await reachShell(line, login, signal);
  if (!shell.ok) {
    await line.close();
    return shell;
  }
  const link = new AgentLink(line, { ...options.link, spares: shell.value.maintenance });
  const hangUp = async (): Promise<void> => {
    link.end();
    await line.close();
  };
  const close = async (): Promise<string | null> => {
    const left = await logOut(line, link, shell.value);
    await hangUp();
    return left;
  };
  const started = await startAgent(link, signal).catch(async (error: unknown) => {
    await hangUp();
    throw error;
  });
  if (started !== null) {
    link.end();
    const left = await leaveUnled(line, login, { lost: started, shell: shell.value });
    await hangUp();
    const isLost = started instanceof LinkLost;
    const failure = isLost ? linkFailure(login, started.message) : interruptedFailure();
    return fail(withLeft(failure, left));
  }
  if (signal.aborted) {
    return fail(withLeft(interruptedFailure(), await close()));
  }
  if (link.tools.folder === null) {
    const why = 'none of /run, /dev/shm, /tmp and /var/tmp takes 64 KiB.';
    return fail(withLeft(noRoomFailure(why), await close()));
  }
  return ok({ link, shell: shell.value, hangUp, close });
}

/** Why no agent could be started; null where one was. */
async function startAgent(
  link: AgentLink,
  signal: AbortSignal,
): Promise<LinkLost | Interrupted | null> {
  try {
    await link.heed(signal, async () => link.start());
    return null;
  } catch (error) {
    if (error instanceof LinkLost || error instanceof Interrupted) {
      return error;
    }
    throw error;
  }
}

/** Logs out of a shell in which no agent came up; says so where a shell may have stayed open. */
async function leaveUnled(
  line: Line,
  login: ConsoleLogin,
  { lost, shell }: { readonly lost: LinkLost | Interrupted; readonly shell: ReachedShell },
): Promise<string | null> {
  if (lost instanceof LinkLost && lost.isOut) {
    return null;
  }
  if (lost instanceof LinkLost && lost.session) {
    return shell.maintenance ? maintenanceOpenWords : stillOpenWords(true);
  }
  const times = { ...usualTimes, ...login.times };
  const signal = AbortSignal.timeout(logoutMs);
  const dialogue = new Dialogue(line, { place: login, times, signal });
  dialogue.isOurs = true;
  line.drop();
  try {
    // Whatever there is of the agent must not read what is typed from here on.
    line.type('\u0003\r');
    if (shell.maintenance) {
      line.type(restoreShell);
      return maintenanceOpenWords;
    }
    return (await leaveShell(dialogue)) ? null : stillOpenWords(true);
  } finally {
    dialogue.end();
  }
}

/** Leaves no shell behind: ends the agent and logs out until the host asks for a login again. */
async function logOut(line: Line, link: AgentLink, shell: ReachedShell): Promise<string | null> {
  if (line.ended !== null) {
    return stillOpenWords(true);
  }
  const screen = new Screen();
  let last = performance.now();
  const unlisten = line.listen((bytes) => {
    screen.push(bytes);
    last = performance.now();
  });
  // It throws where the next login is there already.
  await link.finish(shell.maintenance ? 'stay' : 'bye').catch(() => undefined);
  link.end();
  if (shell.maintenance) {
    unlisten();
    // To end that shell would go on with the boot, which is for a person to decide.
    line.type(restoreShell);
    return maintenanceOpenWords;
  }
  const until = performance.now() + logoutMs;
  let isOut = false;
  for (let exits = 0; !isOut && performance.now() < until && line.ended === null;) {
    const waiting = waitingFor(screen.lastLine, '');
    isOut = waiting === 'login';
    // Ours may have been opened in another one.
    if (waiting === 'shell' && performance.now() - last > outerShellMs && exits < 3) {
      exits += 1;
      line.type(' exit\r');
    }
    await pause(isOut ? 0 : 100);
  }
  unlisten();
  // A command that ends with its shell has logged out, too.
  return isOut || line.ended !== null ? null : stillOpenWords(true);
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
