import { setTimeout as pause } from 'node:timers/promises';
import type { Failure } from '../../core/failure.ts';
import type { Secret } from '../../core/secret.ts';
import { interruptedFailure } from '../ssh-failure.ts';
import {
  consoleBusyFailure,
  consoleClosedFailure,
  consoleNoisyFailure,
  passwordShownFailure,
  type ConsolePlace,
} from './failure.ts';
import type { Line } from './line.ts';
import { isEchoed } from './mask.ts';
import { saysBusy, waitingFor, type Waiting } from './prompts.ts';
import { Screen } from './screen.ts';
import { randomWord, split } from './word.ts';

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

/** The times that are waited for unless others are given. */
export const usualTimes: ConsoleTimes = {
  quiet: 2000,
  settle: 300,
  answer: 10_000,
  noise: 120_000,
  login: 30_000,
  stray: 65_000,
};

/** Ends a dialogue with the failure that a person is shown. */
export class Stop extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.what);
    this.failure = failure;
  }
}

/** What a dialogue is about. */
export interface DialogueOptions {
  readonly place: ConsolePlace;
  readonly times: ConsoleTimes;
  readonly signal: AbortSignal;
}

/** Types at a console and looks at what it shows. All that waits throws `Stop` when the console is gone. */
export class Dialogue {
  readonly line: Line;
  readonly screen: Screen;
  readonly times: ConsoleTimes;
  /** True once a login or a shell has answered: nobody else has the console then, whatever a text says. */
  isOurs = false;
  readonly #place: ConsolePlace;
  #signal: AbortSignal;
  readonly #unlisten: () => void;
  #lastByte = performance.now();
  #wake: (() => void) | null = null;
  readonly #onAbort = (): void => this.#wake?.();

  constructor(line: Line, { place, times, signal }: DialogueOptions) {
    this.line = line;
    this.screen = new Screen(line.mask);
    this.times = times;
    this.#place = place;
    this.#signal = signal;
    this.#unlisten = line.listen((bytes) => {
      this.screen.push(bytes);
      this.#lastByte = performance.now();
      this.#wake?.();
    });
    void line.closed.then(() => this.#wake?.());
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Stops to look. */
  end(): void {
    this.#unlisten();
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  /** Goes on for so long, also where it was to be stopped: for what must be put right before the end. */
  goOn(ms: number): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#signal = AbortSignal.timeout(ms);
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** What the console waits for, by what it shows now. */
  get waiting(): Waiting {
    return waitingFor(this.screen.lastLine, this.screen.lastLines(25));
  }

  /** Milliseconds since something came. */
  get silenceMs(): number {
    return performance.now() - this.#lastByte;
  }

  /** Waits until nothing comes any more, or a prompt stands at the end. */
  async listen(quietMs: number): Promise<Waiting> {
    const until = performance.now() + this.times.noise;
    for (;;) {
      this.check();
      const { waiting, silenceMs } = this;
      const enough = waiting === 'nothing' || waiting === 'shell' ? quietMs : this.times.settle;
      if (silenceMs >= enough) {
        return waiting;
      }
      if (performance.now() > until) {
        throw new Stop(consoleNoisyFailure(this.#place, this.screen.shown(12)));
      }
      await this.wait(Math.min(enough - silenceMs, quietMs) + 5);
    }
  }

  /** Waits for the next bytes, at most so long. */
  async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  /** Waits for so long, whatever comes. */
  async pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#signal }).catch(() => undefined);
  }

  /**
   * Types a secret, once, and waits for its answer.
   *
   * @throws Stop, also where the secret was shown.
   */
  async typeSecret<T>(
    secret: Secret,
    name: 'console' | 'sudo',
    answered: (mark: number) => Promise<T>,
  ): Promise<T> {
    // Type-ahead is thrown away when the echo goes off.
    await this.pause(200);
    this.check();
    const { mark } = this.screen;
    const isShown = (): boolean => isEchoed(this.screen.since(mark), secret);
    this.line.mask.hide(secret);
    this.line.type(`${secret.reveal()}\r`);
    try {
      const answer = await answered(mark);
      if (!isShown()) {
        return answer;
      }
    } catch (error) {
      if (!isShown()) {
        throw error;
      }
    }
    throw new Stop(passwordShownFailure(this.#place, name));
  }

  /** Waits until the console waits for what is wanted, at most so long. */
  async until(wanted: (waiting: Waiting) => boolean, timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs;
    while (!wanted(this.waiting) && performance.now() < until) {
      this.check();
      await this.wait(Math.max(0, Math.min(500, until - performance.now())));
    }
  }

  /** Types, and waits until something comes; false where nothing does. */
  async typeAndWait(text: string, timeoutMs: number): Promise<boolean> {
    const mark = this.screen.mark;
    this.line.type(text);
    const until = performance.now() + timeoutMs;
    while (this.screen.since(mark).trim() === '') {
      this.check();
      if (performance.now() >= until) {
        return false;
      }
      await this.wait(until - performance.now());
    }
    return true;
  }

  /**
   * The lines that a command prints; null where no shell answered. The words are those of any shell. Where
   * the console is ours it is asked again: a lost letter must not look like a login without a shell.
   */
  async ask(command: string): Promise<string[] | null> {
    for (const share of this.isOurs ? [0.4, 0.6, 1] : [1]) {
      const said = await this.#askOnce(command, share * this.times.answer);
      if (said !== null || this.waiting === 'login') {
        return said;
      }
      // What is left of a damaged line, or of a quote that was not closed.
      this.line.type('\u0003');
      await this.wait(this.times.settle);
    }
    return null;
  }

  async #askOnce(command: string, timeoutMs: number): Promise<string[] | null> {
    const [start, end] = [randomWord(), randomWord()];
    const mark = this.screen.mark;
    const first = command === '' ? '' : `${command}; `;
    this.line.type(` echo ${split(start)}; ${first}echo ${split(end)}\r`);
    const pattern = new RegExp(`${start}\\s*\\n([\\s\\S]*?)\\n?${end}`);
    const until = performance.now() + timeoutMs;
    for (;;) {
      this.check();
      const found = pattern.exec(this.screen.since(mark));
      if (found !== null) {
        return (found[1] ?? '').split('\n').map((line) => line.trim());
      }
      if (this.waiting === 'login' || performance.now() > until) {
        return null;
      }
      await this.wait(Math.max(0, until - performance.now()));
    }
  }

  /** @throws Stop where the console is gone, somebody else's, or not wanted any more. */
  check(): void {
    if (this.#signal.aborted) {
      throw new Stop(interruptedFailure());
    }
    const { ended } = this.line;
    const said = this.screen.shown(8);
    if (
      !this.isOurs &&
      (saysBusy(this.screen.lastLines(8)) || (ended !== null && saysBusy(ended)))
    ) {
      throw new Stop(consoleBusyFailure(this.#place, ended === null ? said : `${said}\n${ended}`));
    }
    if (ended !== null) {
      throw new Stop(consoleClosedFailure(this.#place, [ended, said].join('\n')));
    }
  }
}
