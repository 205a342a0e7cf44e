import { Stop, type Dialogue } from './dialogue.ts';
import { noConsoleShellFailure } from './failure.ts';

/** Whose shell it is that reads the line. */
export interface ShellOwner {
  readonly name: string;
  readonly uid: string;
}

const shTries = 3;

/** Asks a shell of any kind whose it is; null where none answers. */
export async function askOwner(dialogue: Dialogue): Promise<ShellOwner | null> {
  const who = await dialogue.ask('id -un; id -u');
  // A message of the kernel may stand between the two.
  return who === null
    ? null
    : {
        name: who.find((one) => /^[a-z_][a-z0-9_.-]*\$?$/i.test(one)) ?? '',
        uid: who.find((one) => /^\d{1,10}$/.test(one)) ?? '',
      };
}

/** True where a job of somebody waits in the shell: it would be ended with the login. */
export async function hasStoppedJobs(dialogue: Dialogue): Promise<boolean> {
  const jobs = (await dialogue.ask('jobs')) ?? [];
  // bash and zsh say it in the words of each language, but can be asked for such jobs alone.
  const stopped = (await dialogue.ask('jobs -s')) ?? [];
  return (
    jobs.some((one) => /\b(?:stopped|suspended)\b/i.test(one)) ||
    stopped.some((one) => /^\[\d+\]/.test(one))
  );
}

/**
 * Puts a POSIX shell in the place of the one that reads the line, whatever that is.
 *
 * @throws Stop where that is not let.
 */
export async function enterSh(dialogue: Dialogue, user: string): Promise<void> {
  for (let attempt = 0; attempt < shTries; attempt += 1) {
    // A bad line may have eaten a letter: what is left of the first try is thrown away.
    const again = attempt === 0 ? '' : '\u0003\r';
    dialogue.line.type(`${again} unset HISTFILE; exec /bin/sh\r`);
    // Typed ahead it might be read by the shell that goes.
    await dialogue.pause(dialogue.times.settle);
    // Neither fish nor csh knows the words, and a restricted shell may not redirect.
    const said = await dialogue.ask('case x in x) echo $((6*7)) 2>/dev/null;; esac');
    if (said?.includes('42') === true) {
      return;
    }
    if (dialogue.waiting === 'login') {
      break;
    }
  }
  throw new Stop(noConsoleShellFailure(user, dialogue.screen.shown(8)));
}
