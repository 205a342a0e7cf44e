import { setTimeout as pause } from 'node:timers/promises';
import { LinkLost, type Interrupted } from './answers.ts';
import { Dialogue, usualTimes } from './dialogue.ts';
import { openWords } from './failure.ts';
import { leaveMaintenance, leaveShell } from './leave-shell.ts';
import type { Line } from './line.ts';
import type { AgentLink } from './link.ts';
import type { ConsoleLogin, ReachedShell } from './login.ts';
import { waitingFor } from './prompts.ts';
import { Screen } from './screen.ts';

const logoutMs = 20_000;
const outerShellMs = 1000;

/** Logs out of a shell in which no agent came up; says so where a shell may have stayed open. */
export async function leaveUnled(
  line: Line,
  login: ConsoleLogin,
  { lost, shell }: { readonly lost: LinkLost | Interrupted; readonly shell: ReachedShell },
): Promise<string | null> {
  if (lost instanceof LinkLost && lost.isOut) {
    return null;
  }
  if (lost instanceof LinkLost && lost.session) {
    return openWords(shell);
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
      return leaveMaintenance(line);
    }
    return (await leaveShell(dialogue)) ? null : openWords(shell);
  } finally {
    dialogue.end();
  }
}

/** Leaves no shell behind: ends the agent and logs out until the host asks for a login again. */
export async function logOut(
  line: Line,
  link: AgentLink,
  shell: ReachedShell,
): Promise<string | null> {
  if (line.ended !== null) {
    return openWords(shell);
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
    return leaveMaintenance(line);
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
  return isOut || line.ended !== null ? null : openWords(shell);
}
