import { Stop, type Dialogue } from './dialogue.ts';
import { maintenanceOpenWords } from './failure.ts';
import type { Line } from './line.ts';

const isOut = (waiting: string): boolean => waiting === 'login';

/** The prompt of the password itself may still be the last that was shown. */
const isUnknown = (waiting: string): boolean => ['nothing', 'password'].includes(waiting);

/** Waits for what a password leads to: a shell, something else, or nothing where nobody knows. */
export async function seeLogin(dialogue: Dialogue): Promise<'shell' | 'other' | 'nothing'> {
  await quietly(
    async () => {
      const { settle, login } = dialogue.times;
      // The words of a greeting look like prompts.
      const isSettled = (): boolean => dialogue.silenceMs > settle;
      await dialogue.until((waiting) => !isUnknown(waiting) && isSettled(), login);
      return true;
    },
    () => false,
  );
  const { waiting } = dialogue;
  if (isUnknown(waiting)) {
    return 'nothing';
  }
  return waiting === 'shell' ? 'shell' : 'other';
}

/**
 * Logs out of a shell of ours, where it has not ended by itself: words for a shell must not be typed at
 * the next login. What went wrong before is what counts: it throws no `Stop` of its own. True where the
 * login, or the end of the line after it, was seen.
 */
export async function leaveShell(dialogue: Dialogue): Promise<boolean> {
  const { line, times } = dialogue;
  let exits = 0;
  return quietly(
    async () => {
      for (; exits < 2; exits += 1) {
        await dialogue.until(isOut, 2 * times.quiet);
        if (isOut(dialogue.waiting) || (await dialogue.ask('')) === null) {
          return isOut(dialogue.waiting);
        }
        line.type(' exit\r');
      }
      await dialogue.until(isOut, 2 * times.quiet);
      return isOut(dialogue.waiting);
    },
    // A command that ends with its shell has logged out, too.
    () => isOut(dialogue.waiting) || (exits > 0 && line.ended !== null),
  );
}

/**
 * Leaves the shell of sulogin(8) open, fit for a person: to end it goes on with the boot, which is for a
 * person to decide.
 */
export function leaveMaintenance(line: Line): string {
  line.type(' stty echo; PS1="# "\r');
  return maintenanceOpenWords;
}

async function quietly(work: () => Promise<boolean>, otherwise: () => boolean): Promise<boolean> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Stop) {
      return otherwise();
    }
    throw error;
  }
}
