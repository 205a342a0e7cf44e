import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Failure } from '../../core/failure.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import type { Secret } from '../../core/secret.ts';
import { interruptedFailure } from '../ssh-failure.ts';
import {
  consoleAsksFailure,
  consoleBusyFailure,
  consoleClosedFailure,
  consoleLoginFailure,
  consoleNoisyFailure,
  consoleSilentFailure,
  consoleSudoFailure,
  noConsolePasswordFailure,
  noConsoleShellFailure,
  notBootedFailure,
  strayPasswordFailure,
  type ConsolePlace,
} from './failure.ts';
import type { Line } from './line.ts';
import { readRefusal, saysBusy, waitingFor, type Waiting } from './prompts.ts';
import { Screen } from './screen.ts';

/** Who logs in at a console. */
export interface ConsoleLogin extends ConsolePlace {
  readonly user: string;
  readonly password: Secret | null;
  readonly askPassword: (prompt: string) => Promise<Secret | null>;
  /** sudo's password, where it is another one than the login's. */
  readonly sudoPassword: Secret | null;
  /** Told before a secret is typed, so that a recorder masks it. */
  readonly onSecret: (secret: Secret) => void;
  readonly times?: Partial<ConsoleTimes>;
}

/** How long what is waited for, in milliseconds. */
export interface ConsoleTimes {
  /** Silence after which a console is taken to wait for us. */
  readonly quiet: number;
  /** Silence after a prompt that is known. */
  readonly settle: number;
  /** An answer to Enter. */
  readonly answer: number;
  /** Output without a pause. */
  readonly noise: number;
  /** From the password to a shell or a refusal; PAM waits on purpose. */
  readonly login: number;
  /** Until a login that somebody else began is given up: login(1) waits 60 s. */
  readonly stray: number;
}

const usualTimes: ConsoleTimes = {
  quiet: 2000,
  settle: 300,
  answer: 10_000,
  noise: 120_000,
  login: 30_000,
  stray: 65_000,
};

/** How the root shell was reached. */
export interface ReachedShell {
  readonly elevation: 'root' | 'sudo' | 'sudo-password';
  /** True where somebody had left a shell open, which was taken over. */
  readonly adopted: boolean;
  /** True in the shell of sulogin(8): to end it goes on with the boot. */
  readonly maintenance: boolean;
}

class Stop extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.what);
    this.failure = failure;
  }
}

const maxSteps = 12;

/** Brings a console to a quiet POSIX shell of root that reads the line, whatever it showed at first. */
export async function reachShell(
  line: Line,
  login: ConsoleLogin,
  signal: AbortSignal,
): Promise<Result<ReachedShell, Failure>> {
  const reach = new Reach(line, login, signal);
  try {
    return ok(await reach.shell());
  } catch (error) {
    if (error instanceof Stop) {
      return fail(error.failure);
    }
    throw error;
  } finally {
    reach.end();
  }
}

class Reach {
  readonly #line: Line;
  readonly #login: ConsoleLogin;
  readonly #signal: AbortSignal;
  readonly #times: ConsoleTimes;
  readonly #screen = new Screen();
  readonly #unlisten: () => void;
  #lastByte = performance.now();
  #wake: (() => void) | null = null;
  #password: Secret | null | undefined;
  #userTyped = false;
  #passwordTyped = false;
  #maintenance = false;
  #interrupted = false;

  constructor(line: Line, login: ConsoleLogin, signal: AbortSignal) {
    this.#line = line;
    this.#login = login;
    this.#signal = signal;
    this.#times = { ...usualTimes, ...login.times };
    this.#unlisten = line.listen((bytes) => {
      this.#screen.push(bytes);
      this.#lastByte = performance.now();
      this.#wake?.();
    });
    void line.closed.then(() => this.#wake?.());
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
  }

  end(): void {
    this.#unlisten();
  }

  async shell(): Promise<ReachedShell> {
    let waiting = await this.#listen(this.#times.quiet);
    let pokes = 0;
    for (let step = 0; step < maxSteps; step += 1) {
      switch (waiting) {
        case 'login':
          await this.#typeUser();
          break;
        case 'password':
          await this.#typePassword();
          break;
        case 'maintenance-password':
          this.#maintenance = true;
          await this.#typePassword();
          break;
        case 'maintenance-enter':
          this.#maintenance = true;
          this.#line.type('\r');
          await this.#listen(this.#times.settle);
          break;
        case 'bootloader':
        case 'disk':
          throw new Stop(notBootedFailure(waiting, this.#screen.lastLines(12)));
        case 'code':
        case 'new-password':
          throw new Stop(consoleAsksFailure(this.#login.user, this.#screen.lastLines(8)));
        case 'pager':
          await this.#leaveProgram();
          break;
        case 'shell': {
          const reached = await this.#tryShell();
          if (reached !== null) {
            return reached;
          }
          break;
        }
        case 'nothing': {
          if (this.#screen.isDrawn) {
            await this.#leaveProgram();
            break;
          }
          const reached = await this.#poke(pokes);
          pokes += 1;
          if (reached !== null) {
            return reached;
          }
        }
      }
      waiting = await this.#listen(this.#times.settle);
    }
    throw new Stop(consoleSilentFailure(this.#login, this.#screen.lastLines(12)));
  }

  /** Waits until nothing comes any more, or a prompt stands at the end. */
  async #listen(quietMs: number): Promise<Waiting> {
    const until = performance.now() + this.#times.noise;
    for (;;) {
      this.#check();
      const waiting = this.#waiting;
      const silence = performance.now() - this.#lastByte;
      const enough = waiting === 'nothing' || waiting === 'shell' ? quietMs : this.#times.settle;
      if (silence >= enough) {
        return waiting;
      }
      if (performance.now() > until) {
        throw new Stop(consoleNoisyFailure(this.#login, this.#screen.lastLines(12)));
      }
      await this.#wait(Math.min(enough - silence, quietMs) + 5);
    }
  }

  get #waiting(): Waiting {
    return waitingFor(this.#screen.lastLine, this.#screen.lastLines(25));
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  #check(): void {
    if (this.#signal.aborted) {
      throw new Stop(interruptedFailure());
    }
    const { ended } = this.#line;
    const said = this.#screen.lastLines(8);
    if (saysBusy(said) || (ended !== null && saysBusy(ended))) {
      throw new Stop(consoleBusyFailure(this.#login, ended === null ? said : `${said}\n${ended}`));
    }
    if (ended !== null) {
      throw new Stop(consoleClosedFailure(this.#login, [ended, said].join('\n')));
    }
  }

  /** Types, and waits until something comes; false where nothing does. */
  async #typeAndWait(text: string, timeoutMs: number): Promise<boolean> {
    const mark = this.#screen.mark;
    this.#line.type(text);
    const until = performance.now() + timeoutMs;
    while (this.#screen.since(mark).trim() === '') {
      this.#check();
      if (performance.now() >= until) {
        return false;
      }
      await this.#wait(until - performance.now());
    }
    return true;
  }

  async #typeUser(): Promise<void> {
    if (this.#passwordTyped) {
      const refusal = readRefusal(this.#screen.lastLines(6)) ?? 'incorrect';
      throw new Stop(consoleLoginFailure(this.#login.user, refusal, this.#screen.lastLines(6)));
    }
    const waited = this.#userTyped;
    this.#userTyped = true;
    if (waited) {
      // The name was lost, or login gave up.
      await pause(this.#times.settle, undefined, { signal: this.#signal }).catch(() => undefined);
    }
    await this.#typeAndWait(`${this.#login.user}\r`, this.#times.answer);
    await this.#until(
      (waiting) => waiting !== 'nothing' && waiting !== 'login',
      this.#times.answer,
    );
  }

  async #typePassword(): Promise<void> {
    const { user } = this.#login;
    if (this.#passwordTyped) {
      const screen = this.#screen.lastLines(6);
      throw new Stop(consoleLoginFailure(user, readRefusal(screen) ?? 'incorrect', screen));
    }
    if (!this.#userTyped && !this.#maintenance) {
      // It was there before us: whose it is nobody knows. login(1) gives up after a minute.
      await this.#until((waiting) => waiting === 'login', this.#times.stray);
      if (this.#waiting !== 'login') {
        throw new Stop(strayPasswordFailure(this.#screen.lastLines(6)));
      }
      return;
    }
    const password = await this.#secret(`Password of ${user} at the console`);
    if (password === null || !isTypable(password)) {
      throw new Stop(noConsolePasswordFailure(user));
    }
    // Type-ahead is thrown away when the echo goes off.
    await pause(200, undefined, { signal: this.#signal }).catch(() => undefined);
    this.#passwordTyped = true;
    const mark = this.#screen.mark;
    this.#line.type(`${password.reveal()}\r`);
    const until = performance.now() + this.#times.login;
    while (performance.now() < until) {
      this.#check();
      const said = this.#screen.since(mark);
      const refusal = readRefusal(said);
      if (refusal !== null) {
        throw new Stop(consoleLoginFailure(user, refusal, this.#screen.lastLines(8)));
      }
      // A shell's prompt, a question, or a greeting; the probe decides.
      if (said.trim() !== '' && performance.now() - this.#lastByte > this.#times.settle * 2) {
        return;
      }
      await this.#wait(100);
    }
  }

  async #secret(prompt: string): Promise<Secret | null> {
    this.#password ??= this.#login.password ?? (await this.#login.askPassword(prompt));
    if (this.#password !== null) {
      this.#login.onSecret(this.#password);
    }
    return this.#password;
  }

  async #until(wanted: (waiting: Waiting) => boolean, timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs;
    while (!wanted(this.#waiting) && performance.now() < until) {
      this.#check();
      await this.#wait(Math.max(0, Math.min(500, until - performance.now())));
    }
  }

  /** Ctrl-C once; what is still open after it belongs to somebody. */
  async #leaveProgram(): Promise<void> {
    if (this.#interrupted) {
      throw new Stop(consoleBusyFailure(this.#login, this.#screen.lastLines(12)));
    }
    this.#interrupted = true;
    await this.#typeAndWait('\u0003', 1000);
    await this.#typeAndWait('\r', this.#times.settle);
    await this.#listen(this.#times.settle);
    if (this.#screen.isDrawn && this.#waiting !== 'shell') {
      throw new Stop(consoleBusyFailure(this.#login, this.#screen.lastLines(12)));
    }
  }

  /** Nothing known is shown: Enter, then Ctrl-C and Enter, each with a probe where a shell may be. */
  async #poke(before: number): Promise<ReachedShell | null> {
    if (before >= 3) {
      throw new Stop(consoleSilentFailure(this.#login, this.#screen.lastLines(12)));
    }
    const came =
      before === 0
        ? await this.#typeAndWait('\r', this.#times.answer)
        : // Somebody may have stopped the line (Ctrl-S). Not sooner: a getty takes XON for a letter of a name.
          await this.#typeAndWait('\u0011\u0003', 500).then(() =>
            this.#typeAndWait('\r', this.#times.answer / 2),
          );
    const waiting = await this.#listen(this.#times.settle * 2);
    if (waiting !== 'nothing' || (before === 0 && !came)) {
      return null;
    }
    return this.#tryShell();
  }

  /** Asks for an answer that only a shell gives; null where none came. */
  async #tryShell(): Promise<ReachedShell | null> {
    const adopted = !this.#passwordTyped;
    const who = await this.#ask('id -un; id -u');
    if (who === null) {
      if (this.#passwordTyped && this.#waiting === 'nothing') {
        throw new Stop(noConsoleShellFailure(this.#login.user, this.#screen.lastLines(8)));
      }
      if (this.#waiting === 'shell') {
        await this.#leaveProgram();
      }
      return null;
    }
    // A message of the kernel may stand between the two.
    const name = who.find((one) => /^[a-z_][a-z0-9_.-]*\$?$/i.test(one)) ?? '';
    const uid = who.find((one) => /^\d{1,10}$/.test(one)) ?? '';
    if (adopted && name !== this.#login.user && uid !== '0') {
      // Somebody else's login, left open.
      this.#line.type('exit\r');
      await this.#listen(this.#times.quiet);
      return null;
    }
    if ((await this.#ask(' unset HISTFILE; exec /bin/sh', 'exec')) === null) {
      throw new Stop(noConsoleShellFailure(this.#login.user, this.#screen.lastLines(8)));
    }
    await this.#makePlain();
    const elevation = uid === '0' ? 'root' : await this.#becomeRoot();
    return { elevation, adopted, maintenance: this.#maintenance };
  }

  /** The lines of an answer between two words; null where none came. Works in sh, csh and fish alike. */
  async #ask(command: string, kind: 'run' | 'exec' = 'run'): Promise<string[] | null> {
    const [start, end] = [randomWord(), randomWord()];
    const mark = this.#screen.mark;
    const say = (word: string): string => `echo ${word.slice(0, 6)}""${word.slice(6)}`;
    this.#line.type(kind === 'run' ? ` ${say(start)}; ${command}; ${say(end)}\r` : `${command}\r`);
    if (kind === 'exec') {
      // Typed ahead it might be read by the shell that goes.
      await pause(this.#times.settle, undefined, { signal: this.#signal }).catch(() => undefined);
      this.#line.type(` ${say(start)}; ${say(end)}\r`);
    }
    const pattern = new RegExp(`${start}\\s*\\n([\\s\\S]*?)\\n?${end}`);
    const until = performance.now() + this.#times.answer;
    for (;;) {
      this.#check();
      const found = pattern.exec(this.#screen.since(mark));
      if (found !== null) {
        return (found[1] ?? '').split('\n').map((line) => line.trim());
      }
      if (this.#waiting === 'login' || performance.now() > until) {
        return null;
      }
      await this.#wait(Math.max(0, until - performance.now()));
    }
  }

  /** No line editor, no prompt, no echo, no history: nothing of ours is repeated or kept. */
  async #makePlain(): Promise<void> {
    this.#line.type(' set +o emacs +o vi\r');
    this.#line.type(
      ' set +m; unset HISTFILE PROMPT_COMMAND; PS1= PS2= PS4= TERM=dumb LC_ALL=C; export TERM LC_ALL\r',
    );
    this.#line.type(' mesg n 2>/dev/null; stty -echo 2>/dev/null\r');
    await this.#ask(':');
  }

  async #becomeRoot(): Promise<'sudo' | 'sudo-password'> {
    const word = randomWord();
    const mark = this.#screen.mark;
    // What comes after sudo ends the login, so that no shell stays open where sudo says no.
    this.#line.type(` exec sudo -k -p ${word.slice(0, 6)}""${word.slice(6)}: /bin/sh\r`);
    const prompt = new RegExp(`${word}:\\s*$|\\[sudo[^\\]\\n]*\\][^\\n]*:\\s*$`);
    const until = performance.now() + this.#times.login;
    while (performance.now() < until) {
      this.#check();
      const said = this.#screen.since(mark);
      if (prompt.test(said)) {
        await this.#typeSudoPassword();
        await this.#makeRootPlain('sudo-password');
        return 'sudo-password';
      }
      if (
        /sudoers|not allowed to|may not run|command not found|: not found|I'm afraid/i.test(said)
      ) {
        throw new Stop(consoleSudoFailure('It was refused.', this.#screen.lastLines(6)));
      }
      if (performance.now() - this.#lastByte > this.#times.quiet) {
        break;
      }
      await this.#wait(100);
    }
    await this.#makeRootPlain('sudo');
    return 'sudo';
  }

  async #typeSudoPassword(): Promise<void> {
    const { sudoPassword } = this.#login;
    const password = sudoPassword ?? (await this.#secret('sudo password at the console'));
    if (password === null || !isTypable(password)) {
      this.#line.type('\u0003');
      throw new Stop(consoleSudoFailure('It wants a password, and none was given.', ''));
    }
    this.#login.onSecret(password);
    await pause(200, undefined, { signal: this.#signal }).catch(() => undefined);
    this.#line.type(`${password.reveal()}\r`);
    await this.#listen(this.#times.quiet);
  }

  async #makeRootPlain(how: 'sudo' | 'sudo-password'): Promise<void> {
    const who = await this.#ask('id -u');
    if (who?.includes('0') !== true) {
      this.#line.type('\u0003');
      await this.#wait(this.#times.settle);
      throw new Stop(
        consoleSudoFailure(
          how === 'sudo'
            ? 'It gave no root shell.'
            : 'The password was refused; it was typed once.',
          this.#screen.lastLines(6),
        ),
      );
    }
    await this.#makePlain();
  }
}

// Anything else might be taken for a key of the console's own.
function isTypable(secret: Secret): boolean {
  return /^[ -~]+$/.test(secret.reveal());
}

function randomWord(): string {
  return randomBytes(6).toString('hex');
}
