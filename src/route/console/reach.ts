import type { Failure } from '../../core/failure.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import type { Secret } from '../../core/secret.ts';
import { becomeRoot, isTypable, makePlain } from './become-root.ts';
import { Dialogue, Stop, usualTimes, type ConsoleTimes } from './dialogue.ts';
import {
  consoleAsksFailure,
  consoleBusyFailure,
  consoleLoginFailure,
  consoleSilentFailure,
  noConsolePasswordFailure,
  noConsoleShellFailure,
  notBootedFailure,
  strayPasswordFailure,
  type ConsolePlace,
} from './failure.ts';
import type { Line } from './line.ts';
import { readRefusal, type Waiting } from './prompts.ts';

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

/** How the root shell was reached. */
export interface ReachedShell {
  readonly elevation: 'root' | 'sudo' | 'sudo-password';
  /** True where somebody had left a shell open, which was taken over. */
  readonly adopted: boolean;
  /** True in the shell of sulogin(8): to end it goes on with the boot. */
  readonly maintenance: boolean;
}

const maxSteps = 12;
const maxPokes = 3;

/** Brings a console to a quiet POSIX shell of root that reads the line, whatever it showed at first. */
export async function reachShell(
  line: Line,
  login: ConsoleLogin,
  signal: AbortSignal,
): Promise<Result<ReachedShell, Failure>> {
  const times = { ...usualTimes, ...login.times };
  const dialogue = new Dialogue(line, { place: login, times, signal });
  try {
    return ok(await new Reach(dialogue, login).shell());
  } catch (error) {
    if (error instanceof Stop) {
      return fail(error.failure);
    }
    throw error;
  } finally {
    dialogue.end();
  }
}

class Reach {
  readonly #dialogue: Dialogue;
  readonly #login: ConsoleLogin;
  #password: Secret | null | undefined;
  #userTyped = false;
  #passwordTyped = false;
  #maintenance = false;
  #interrupted = false;
  #pokes = 0;

  constructor(dialogue: Dialogue, login: ConsoleLogin) {
    this.#dialogue = dialogue;
    this.#login = login;
  }

  async shell(): Promise<ReachedShell> {
    const { times } = this.#dialogue;
    let waiting = await this.#dialogue.listen(times.quiet);
    for (let step = 0; step < maxSteps; step += 1) {
      const reached = await this.#step(waiting);
      if (reached !== null) {
        return reached;
      }
      waiting = await this.#dialogue.listen(times.settle);
    }
    throw new Stop(consoleSilentFailure(this.#login, this.#shown(12)));
  }

  /** Does what the console waits for; the shell where it was reached, else null. */
  async #step(waiting: Waiting): Promise<ReachedShell | null> {
    switch (waiting) {
      case 'login':
        return this.#typeUser();
      case 'password':
        return this.#typePassword();
      case 'maintenance-password':
        this.#maintenance = true;
        return this.#typePassword();
      case 'maintenance-enter':
        this.#maintenance = true;
        await this.#dialogue.typeAndWait('\r', this.#dialogue.times.answer);
        return null;
      case 'bootloader':
      case 'disk':
        throw new Stop(notBootedFailure(waiting, this.#shown(12)));
      case 'code':
      case 'new-password':
        throw new Stop(consoleAsksFailure(this.#login.user, this.#shown(8)));
      case 'pager':
        return this.#leaveProgram();
      case 'shell':
        return this.#tryShell();
      case 'nothing':
        return this.#dialogue.screen.isDrawn ? this.#leaveProgram() : this.#poke();
    }
  }

  async #typeUser(): Promise<null> {
    const { times } = this.#dialogue;
    if (this.#passwordTyped) {
      throw this.#refused();
    }
    if (this.#userTyped) {
      // The name was lost, or login gave up.
      await this.#dialogue.pause(times.settle);
    }
    this.#userTyped = true;
    this.#dialogue.isOurs = true;
    await this.#dialogue.typeAndWait(`${this.#login.user}\r`, times.answer);
    await this.#dialogue.until((one) => one !== 'nothing' && one !== 'login', times.answer);
    return null;
  }

  async #typePassword(): Promise<null> {
    const { line, screen, times } = this.#dialogue;
    if (this.#passwordTyped) {
      throw this.#refused();
    }
    if (!this.#userTyped && !this.#maintenance) {
      // It was there before us: whose it is nobody knows. login(1) gives up after a minute.
      await this.#dialogue.until((waiting) => waiting === 'login', times.stray);
      if (this.#dialogue.waiting !== 'login') {
        throw new Stop(strayPasswordFailure(this.#shown(6)));
      }
      return null;
    }
    const password = await this.#secret(`Password of ${this.#login.user} at the console`);
    if (password === null || !isTypable(password)) {
      throw new Stop(noConsolePasswordFailure(this.#login.user));
    }
    // Type-ahead is thrown away when the echo goes off.
    await this.#dialogue.pause(200);
    this.#passwordTyped = true;
    const mark = screen.mark;
    line.type(`${password.reveal()}\r`);
    await this.#answerToPassword(mark);
    return null;
  }

  /** Waits for a shell's prompt, a question or a greeting; what it is is seen later. */
  async #answerToPassword(mark: number): Promise<void> {
    const { screen, times } = this.#dialogue;
    const until = performance.now() + times.login;
    // A slow host thinks between its greeting and its prompt; whoever interrupts it then, ends the login.
    const longQuiet = times.quiet * 2;
    this.#pokes = 0;
    while (performance.now() < until) {
      this.#dialogue.check();
      const said = screen.since(mark);
      if (readRefusal(said) !== null) {
        throw this.#refused();
      }
      const isKnown = this.#dialogue.waiting !== 'nothing';
      if (said.trim() !== '' && this.#dialogue.silenceMs > (isKnown ? times.settle : longQuiet)) {
        return;
      }
      await this.#dialogue.wait(100);
    }
  }

  async #secret(prompt: string): Promise<Secret | null> {
    this.#password ??= this.#login.password ?? (await this.#login.askPassword(prompt));
    if (this.#password !== null) {
      this.#login.onSecret(this.#password);
    }
    return this.#password;
  }

  /** Ctrl-C once; what is still open after it belongs to somebody. */
  async #leaveProgram(): Promise<null> {
    const { screen, times } = this.#dialogue;
    if (this.#interrupted) {
      throw new Stop(consoleBusyFailure(this.#login, this.#shown(12)));
    }
    this.#interrupted = true;
    await this.#dialogue.typeAndWait('\u0003', 1000);
    await this.#dialogue.typeAndWait('\r', times.settle);
    await this.#dialogue.listen(times.settle);
    if (screen.isDrawn && this.#dialogue.waiting !== 'shell') {
      throw new Stop(consoleBusyFailure(this.#login, this.#shown(12)));
    }
    return null;
  }

  /** Nothing known is shown: Enter, then Ctrl-C and Enter, each with a probe where a shell may be. */
  async #poke(): Promise<ReachedShell | null> {
    const { times } = this.#dialogue;
    if (this.#pokes >= maxPokes) {
      throw new Stop(consoleSilentFailure(this.#login, this.#shown(12)));
    }
    this.#pokes += 1;
    const isFirst = this.#pokes === 1;
    if (!isFirst) {
      // Somebody may have stopped the line (Ctrl-S). Not sooner: a getty takes XON for a letter of a name.
      await this.#dialogue.typeAndWait('\u0011\u0003', 500);
    }
    const came = await this.#dialogue.typeAndWait('\r', isFirst ? times.answer : times.answer / 2);
    const waiting = await this.#dialogue.listen(times.settle * 2);
    return waiting === 'nothing' && (came || !isFirst) ? this.#tryShell() : null;
  }

  /** Asks for an answer that only a shell gives; null where none came. */
  async #tryShell(): Promise<ReachedShell | null> {
    const { line, times } = this.#dialogue;
    const adopted = !this.#passwordTyped;
    const who = await this.#dialogue.ask('id -un; id -u');
    if (who === null) {
      if (this.#passwordTyped && this.#dialogue.waiting === 'nothing') {
        throw new Stop(noConsoleShellFailure(this.#login.user, this.#shown(8)));
      }
      return this.#dialogue.waiting === 'shell' ? this.#leaveProgram() : null;
    }
    this.#dialogue.isOurs = true;
    // A message of the kernel may stand between the two.
    const name = who.find((one) => /^[a-z_][a-z0-9_.-]*\$?$/i.test(one)) ?? '';
    const uid = who.find((one) => /^\d{1,10}$/.test(one)) ?? '';
    if (adopted && name !== this.#login.user && uid !== '0') {
      // Somebody else's login, left open.
      line.type('exit\r');
      await this.#dialogue.listen(times.quiet);
      return null;
    }
    line.type(' unset HISTFILE; exec /bin/sh\r');
    // Typed ahead it might be read by the shell that goes.
    await this.#dialogue.pause(times.settle);
    if ((await this.#dialogue.ask('')) === null) {
      throw new Stop(noConsoleShellFailure(this.#login.user, this.#shown(8)));
    }
    await makePlain(this.#dialogue);
    const elevation =
      uid === '0' ? 'root' : await becomeRoot(this.#dialogue, async () => this.#sudoPassword());
    return { elevation, adopted, maintenance: this.#maintenance };
  }

  async #sudoPassword(): Promise<Secret | null> {
    const { sudoPassword, onSecret } = this.#login;
    if (sudoPassword === null) {
      return this.#secret('sudo password at the console');
    }
    onSecret(sudoPassword);
    return sudoPassword;
  }

  #refused(): Stop {
    const screen = this.#shown(8);
    const refusal = readRefusal(screen) ?? 'incorrect';
    return new Stop(consoleLoginFailure(this.#login.user, refusal, screen));
  }

  #shown(lines: number): string {
    return this.#dialogue.screen.lastLines(lines);
  }
}
