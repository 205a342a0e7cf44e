import type { Secret } from '../../core/secret.ts';
import { isTypable } from './become-root.ts';
import { Stop, type Dialogue } from './dialogue.ts';
import {
  consoleLoginFailure,
  maintenanceFailure,
  noConsolePasswordFailure,
  noConsoleShellFailure,
  strayPasswordFailure,
} from './failure.ts';
import type { ConsoleLogin } from './login.ts';
import { readRefusal } from './prompts.ts';

/** Answers the questions of a login: the name, and the password once. */
export class LoginAnswers {
  readonly #dialogue: Dialogue;
  readonly #login: ConsoleLogin;
  #password: Secret | null | undefined;
  #userTyped = false;
  /** Something other than another prompt of the login came. */
  #greeted = false;
  #isPasswordTyped = false;
  #isRefused = false;

  constructor(dialogue: Dialogue, login: ConsoleLogin) {
    this.#dialogue = dialogue;
    this.#login = login;
  }

  get isPasswordTyped(): boolean {
    return this.#isPasswordTyped;
  }

  /** The host has said no. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Types the name of the user. @throws Stop where the host has refused us. */
  async typeUser(): Promise<void> {
    const { times } = this.#dialogue;
    if (this.#isPasswordTyped) {
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
  }

  /** Types the password, once. @throws Stop where it is refused, or must not be typed. */
  async typePassword(maintenance: boolean): Promise<void> {
    const { times } = this.#dialogue;
    if (this.#isPasswordTyped) {
      throw this.#refused();
    }
    if (maintenance && this.#login.user !== 'root') {
      throw new Stop(maintenanceFailure(this.#login.user, this.#dialogue.screen.shown(6)));
    }
    if (!this.#userTyped && !maintenance) {
      // It was there before us: whose it is nobody knows. login(1) gives up after a minute.
      await this.#dialogue.until((waiting) => waiting === 'login', times.stray);
      if (this.#dialogue.waiting !== 'login') {
        throw new Stop(strayPasswordFailure(this.#dialogue.screen.shown(6)));
      }
      return;
    }
    const password = await this.password(`Password of ${this.#login.user} at the console`);
    if (password === null || !isTypable(password)) {
      throw new Stop(noConsolePasswordFailure(this.#login.user));
    }
    this.#isPasswordTyped = true;
    await this.#dialogue.typeSecret(password, 'console', async (mark) =>
      this.#answerToPassword(mark),
    );
  }

  /** Waits for a shell's prompt, a question or a greeting; what it is is seen later. */
  async #answerToPassword(mark: number): Promise<void> {
    const { screen, times } = this.#dialogue;
    const until = performance.now() + times.login;
    // A slow host thinks between its greeting and its prompt; whoever interrupts it then, ends the login.
    const longQuiet = times.quiet * 2;
    while (performance.now() < until) {
      this.#dialogue.check();
      const said = screen.since(mark);
      const isSettled = this.#dialogue.silenceMs > times.settle;
      // Behind a greeting with such words stands the prompt of a shell.
      if (readRefusal(said) !== null && isSettled && this.#dialogue.waiting !== 'shell') {
        throw this.#refused();
      }
      const isKnown = this.#dialogue.waiting !== 'nothing';
      if (said.trim() !== '' && this.#dialogue.silenceMs > (isKnown ? times.settle : longQuiet)) {
        this.#greeted = !['login', 'password'].includes(this.#dialogue.waiting);
        return;
      }
      await this.#dialogue.wait(100);
    }
  }

  /** The password: as given, or as somebody answers; null where there is none. */
  async password(prompt: string): Promise<Secret | null> {
    this.#password ??= this.#login.password ?? (await this.#login.askPassword(prompt));
    if (this.#password !== null) {
      this.#login.onSecret(this.#password);
    }
    return this.#password;
  }

  #refused(): Stop {
    const screen = this.#dialogue.screen.shown(8);
    const refusal = readRefusal(screen) ?? (this.#greeted ? null : 'incorrect');
    this.#isRefused = true;
    if (refusal === null) {
      return new Stop(noConsoleShellFailure(this.#login.user, screen));
    }
    return new Stop(consoleLoginFailure(this.#login.user, refusal, screen));
  }
}
