import type { Secret } from '../../core/secret.ts';
import { Stop, type Dialogue } from './dialogue.ts';
import { consoleSudoFailure, sudoAsksFailure } from './failure.ts';
import type { Waiting } from './prompts.ts';
import { randomWord, split } from './word.ts';

const refused =
  /sudoers|not allowed to|may not run|command not found|: not found|I'm afraid|incorrect password|authentication attempt/i;

const armTries = 3;

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
 * Ends the shell that reads the line after so many seconds, until the agent takes that over. It outlives
 * the line, so that no root shell is left where we die. In small steps, so that it does not stay for long.
 * It kills only the shell that it was made for: a number is given again to another process, so it
 * compares when that began (proc(5), field 22 of stat). An earlier run's guard of the same shell ends.
 */
export async function armDeadMan(dialogue: Dialogue, seconds: number): Promise<boolean> {
  const times = Math.ceil(seconds / 5);
  const same = 'f(){ kill -0 $$||exit;b;[ -z "$o" ]||[ "$s" = "$o" ]||exit;}';
  const born = 'b(){ s=;read -r s </proc/$$/stat;set -- ${s##*\\) };s=${20};}';
  for (let attempt = 0; attempt < armTries; attempt += 1) {
    dialogue.line.type(
      ' export REMEDY_RW REMEDY_RD;[ -O "$REMEDY_RD" ]&&echo >"$REMEDY_RD/taken";[ -z "$REMEDY_RW" ]||kill $REMEDY_RW\r',
    );
    dialogue.line.type(
      ` (trap "" HUP INT QUIT;${born};${same};o=;b;o=$s;i=0;while [ $i -lt ${times} ];do sleep 5;f;i=$((i+1));done;kill -HUP $$;f;kill -KILL $$) </dev/null >/dev/null 2>&1& REMEDY_RW=$!\r`,
    );
    // A damaged line must not leave it out.
    if ((await dialogue.ask('kill -0 $REMEDY_RW&&echo armed'))?.includes('armed') === true) {
      return true;
    }
  }
  return false;
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
  const { line, screen } = dialogue;
  const word = randomWord();
  const prompt = new RegExp(`(?:${word}:|\\[sudo[^\\]\\n]*\\][^\\n]*:)\\s*$`);
  const { mark } = screen;
  // sudo may keep a PS1 that was exported, and ours is empty: the prompt of a shell must be seen.
  line.type(` unset PS1; exec sudo -k -p ${split(word)}: /bin/sh\r`);
  if (!(await isAsked(dialogue, prompt, mark))) {
    await checkRoot(dialogue, 'It gave no root shell.');
    return 'sudo';
  }
  const secret = await password();
  if (secret === null || !isTypable(secret)) {
    await interrupt(dialogue);
    throw new Stop(consoleSudoFailure('It wants a password, and none was given.', ''));
  }
  await dialogue.typeSecret(secret, 'sudo', async (typed) => {
    // Whatever is typed at a second prompt would count as a second try.
    if (await isAsked(dialogue, prompt, typed)) {
      await interrupt(dialogue);
      const why = 'The password was refused; it was typed once.';
      throw new Stop(consoleSudoFailure(why, screen.shown(6)));
    }
  });
  await checkRoot(dialogue, 'It gave no root shell.');
  return 'sudo-password';
}

/**
 * True where sudo asks for a password after a mark; false where a shell answers. A wrong password makes it
 * silent for seconds.
 *
 * @throws Stop where it says no, or asks for something else.
 */
async function isAsked(dialogue: Dialogue, prompt: RegExp, mark: number): Promise<boolean> {
  const { screen, times } = dialogue;
  const until = performance.now() + times.login;
  while (performance.now() < until) {
    dialogue.check();
    const said = screen.since(mark);
    if (prompt.test(said)) {
      return true;
    }
    const waiting = said.trim() === '' ? 'nothing' : dialogue.waiting;
    if (refused.test(said) || waiting === 'login') {
      throw new Stop(consoleSudoFailure('It was refused.', screen.shown(6)));
    }
    if (dialogue.silenceMs > times.settle) {
      if (waiting === 'shell') {
        return false;
      }
      if (asksOtherwise.has(waiting)) {
        await interrupt(dialogue);
        throw new Stop(sudoAsksFailure(screen.shown(6)));
      }
    }
    await dialogue.wait(100);
  }
  // A prompt may be hidden behind a message of the kernel; a question ends.
  await interrupt(dialogue);
  if (dialogue.waiting !== 'shell') {
    throw new Stop(sudoAsksFailure(screen.shown(6)));
  }
  return false;
}

/** What PAM asks in place of sudo's own prompt, or behind it. A command typed there would be an answer. */
const asksOtherwise: ReadonlySet<Waiting> = new Set(['password', 'code', 'new-password']);

async function interrupt(dialogue: Dialogue): Promise<void> {
  await dialogue.typeAndWait('\u0003', dialogue.times.quiet);
  await dialogue.listen(dialogue.times.settle);
}

async function checkRoot(dialogue: Dialogue, otherwise: string): Promise<void> {
  const who = await dialogue.ask('id -u');
  if (who?.includes('0') !== true) {
    throw new Stop(consoleSudoFailure(otherwise, dialogue.screen.shown(6)));
  }
  await makePlain(dialogue);
}

/** Whether a secret can be typed: anything else might be taken for a key of the console's own. */
export function isTypable(secret: Secret): boolean {
  return /^[ -~]+$/.test(secret.reveal());
}
