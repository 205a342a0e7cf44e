import type { Secret } from '../../core/secret.ts';
import { Stop, type Dialogue } from './dialogue.ts';
import { consoleSudoFailure } from './failure.ts';
import { randomWord, split } from './word.ts';

const refused = /sudoers|not allowed to|may not run|command not found|: not found|I'm afraid/i;

/** No line editor, no prompt, no echo, no history: nothing of ours is repeated or kept. */
export async function makePlain(dialogue: Dialogue): Promise<void> {
  const { line } = dialogue;
  // Some shells end the whole line where they know no such option.
  line.type(' set +o emacs +o vi\r');
  line.type(
    ' set +m; unset HISTFILE PROMPT_COMMAND; PS1= PS2= PS4= TERM=dumb LC_ALL=C; export TERM LC_ALL\r',
  );
  line.type(' mesg n 2>/dev/null; stty -echo 2>/dev/null\r');
  await dialogue.ask('');
}

/**
 * Becomes root by sudo in the shell that reads the line. Its password is typed once, after sudo's own
 * prompt was seen. Where sudo says no the login ends, so that no shell stays open.
 *
 * @throws Stop
 */
export async function becomeRoot(
  dialogue: Dialogue,
  password: () => Promise<Secret | null>,
): Promise<'sudo' | 'sudo-password'> {
  const { line, screen, times } = dialogue;
  const word = randomWord();
  const mark = screen.mark;
  line.type(` exec sudo -k -p ${split(word)}: /bin/sh\r`);
  const prompt = new RegExp(`${word}:\\s*$|\\[sudo[^\\]\\n]*\\][^\\n]*:\\s*$`);
  const until = performance.now() + times.login;
  while (performance.now() < until) {
    dialogue.check();
    const said = screen.since(mark);
    if (prompt.test(said)) {
      await typePassword(dialogue, await password());
      await checkRoot(dialogue, 'The password was refused; it was typed once.');
      return 'sudo-password';
    }
    if (refused.test(said)) {
      throw new Stop(consoleSudoFailure('It was refused.', screen.lastLines(6)));
    }
    if (dialogue.silenceMs > times.quiet) {
      break;
    }
    await dialogue.wait(100);
  }
  await checkRoot(dialogue, 'It gave no root shell.');
  return 'sudo';
}

async function typePassword(dialogue: Dialogue, password: Secret | null): Promise<void> {
  if (password === null || !isTypable(password)) {
    dialogue.line.type('\u0003');
    throw new Stop(consoleSudoFailure('It wants a password, and none was given.', ''));
  }
  await dialogue.pause(200);
  dialogue.line.type(`${password.reveal()}\r`);
  await dialogue.listen(dialogue.times.quiet);
}

async function checkRoot(dialogue: Dialogue, otherwise: string): Promise<void> {
  const who = await dialogue.ask('id -u');
  if (who?.includes('0') !== true) {
    dialogue.line.type('\u0003');
    await dialogue.wait(dialogue.times.settle);
    throw new Stop(consoleSudoFailure(otherwise, dialogue.screen.lastLines(6)));
  }
  await makePlain(dialogue);
}

/** Whether a secret can be typed: anything else might be taken for a key of the console's own. */
export function isTypable(secret: Secret): boolean {
  return /^[ -~]+$/.test(secret.reveal());
}
