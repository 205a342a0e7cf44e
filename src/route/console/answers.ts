import { withoutEscapes } from '../../core/clean.ts';
import type { CheckKind } from './check.ts';
import { upFrame, type UpFrame } from './frame.ts';
import type { Line } from './line.ts';
import type { Mask } from './mask.ts';
import { stoppedHere } from '../route.ts';

/** The agent does not answer any more. `session`: the login is over; a new one is needed. */
export class LinkLost extends Error {
  readonly session: boolean;
  /** The host asks for a login again, or has no shell any more: none was left open. */
  readonly isOut: boolean;

  constructor(why: string, session: boolean, isOut = false) {
    super(why);
    this.session = session;
    this.isOut = isOut;
  }
}

/** The host has no room for what was brought to it. */
export class NoRoom extends LinkLost {
  constructor(why: string) {
    super(why, false);
  }
}

/** The host was started anew, or cleaned: what was brought to it is gone. */
export class Forgotten extends LinkLost {
  constructor(why: string) {
    super(why, false);
  }
}

/** What was waited for is not waited for any longer; the link is as good as before. */
export class Interrupted extends Error {}

const maxPendingLine = 8192;
const keptLines = 400;
const promptMs = 250;
const loginOver = 'the login is over: the host asks for another';
const panicked = 'the kernel of the host has stopped (panic)';
const startedAnew = 'the host was started anew';
/** After these no shell of ours is left. */
const shellsGone: readonly string[] = [loginOver, panicked, startedAnew];
/** A prompt of getty, or one with a word of ours behind it, which only a getty repeats: no doubt. */
const surePrompt = /^[\w.-]{1,64} login: ?(?::[a-z] .*)?$/;
/** What may also be a part of a text. */
const maybePrompt = /(?:(?:^|[\s.])login|^Password): ?$/;
const bootBanner = /^(?:\[ +0\.0+\] )?Linux version \d|^GNU GRUB|^U-Boot |^SeaBIOS/;

// conserver, and what BMCs say when they give the console to another.
const taken = /^\[(?:forced to|bumped)[^\]]*\]|^SOL session (?:closed|deactivated)/i;
const panic = /Kernel panic - not syncing/;

/** Why the login is over, where a line says so; else null. */
function overBy(line: string): string | null {
  if (taken.test(line)) {
    return `somebody took the console: ${line.slice(0, 120)}`;
  }
  if (panic.test(line)) {
    return panicked;
  }
  if (surePrompt.test(line) || /^Login incorrect$/.test(line)) {
    return loginOver;
  }
  return bootBanner.test(line) ? startedAnew : null;
}

/** What comes from the host, by lines: answers of the agent, and all else. */
export class Answers {
  readonly #unlisten: () => void;
  readonly #mask: Mask;
  #nonce = '';
  #check: CheckKind | null = null;
  #pending = '';
  #frames: UpFrame[] = [];
  #others: string[] = [];
  #over: string | null = null;
  #wake: (() => void) | null = null;
  #signal: AbortSignal | null = null;

  constructor(line: Line) {
    this.#mask = line.mask;
    this.#unlisten = line.listen((bytes) => this.#onData(bytes));
    void line.closed.then((why) => {
      this.#over ??= why === '' ? 'the line was closed' : why;
      this.#wake?.();
    });
  }

  /** Stops to listen. */
  end(): void {
    this.#unlisten();
  }

  /** From now on only this agent is heard. `check` null: it has not said yet how it checks. */
  hear(nonce: string, check: CheckKind | null): void {
    this.#nonce = nonce;
    this.#check = check;
  }

  /** Does something that ends with `Interrupted` where it waits after the signal. */
  async heed<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const wake = (): void => this.#wake?.();
    this.#signal = signal;
    signal.addEventListener('abort', wake);
    try {
      return await work();
    } finally {
      this.#signal = null;
      signal.removeEventListener('abort', wake);
    }
  }

  /** Forgets answers that nobody waits for. */
  drop(): void {
    this.#frames = [];
    this.#others = [];
  }

  /** The next answer that is wanted; others before it are dropped. Null at the end of the time. */
  async next(wanted: (frame: UpFrame) => boolean, timeoutMs: number): Promise<UpFrame | null> {
    return this.#waitFor(timeoutMs, () => {
      const at = this.#frames.findIndex(wanted);
      const [found] = at < 0 ? [] : this.#frames.splice(0, at + 1).slice(-1);
      return found ?? null;
    });
  }

  /** What the groups of a pattern find in the next line that is no answer of an agent; null at the end of the time. */
  async nextWords(pattern: RegExp, timeoutMs: number): Promise<readonly string[] | null> {
    return this.#waitFor(timeoutMs, () => {
      while (this.#others.length > 0) {
        const found = pattern.exec(this.#others.shift()?.trimEnd() ?? '');
        if (found !== null) {
          return found.slice(1).map((word: string | undefined) => word ?? '');
        }
      }
      return null;
    });
  }

  /** Waits until nothing has come for so long, in milliseconds; at most ten times as long. */
  async quiet(ms: number): Promise<void> {
    const until = performance.now() + 10 * ms;
    let last = performance.now() + ms;
    while (performance.now() < Math.min(until, last)) {
      if (await this.#wait(Math.min(until, last))) {
        last = performance.now() + ms;
      }
    }
  }

  /** @throws LinkLost where the login or the line is gone; Interrupted where it is not wanted any more. */
  check(): void {
    if (this.#over !== null) {
      throw new LinkLost(this.#over, true, shellsGone.includes(this.#over));
    }
    if (this.#signal?.aborted === true) {
      throw new Interrupted(stoppedHere);
    }
  }

  async #waitFor<T>(timeoutMs: number, look: () => T | null): Promise<T | null> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const found = look();
      if (found !== null) {
        return found;
      }
      this.check();
      if (!(await this.#wait(until))) {
        return null;
      }
    }
  }

  /** Waits for the next bytes; false at the end of the time. */
  async #wait(until: number): Promise<boolean> {
    const left = until - performance.now();
    if (left <= 0) {
      return false;
    }
    const came = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), left);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
    this.#wake = null;
    return came;
  }

  #onData(bytes: Buffer): void {
    const parts = (this.#pending + bytes.toString('latin1')).split(/[\r\n]+/);
    this.#pending = (parts.pop() ?? '').slice(-maxPendingLine);
    for (const line of parts.map(withoutEscapes)) {
      const frame = this.#frameOf(line);
      if (frame !== null) {
        this.#frames.push(frame);
      } else {
        this.#others = [...this.#others.slice(-keptLines), line];
        this.#over ??= overBy(this.#mask.of(line));
      }
    }
    const pending = withoutEscapes(this.#pending);
    if (surePrompt.test(pending)) {
      this.#over ??= loginOver;
    } else if (maybePrompt.test(pending)) {
      this.#beOverUnlessMoreComes(this.#pending);
    }
    this.#wake?.();
  }

  /** A prompt is the last that comes; a word of a text is not. */
  #beOverUnlessMoreComes(prompt: string): void {
    setTimeout(() => {
      if (this.#pending === prompt) {
        this.#over ??= loginOver;
        this.#wake?.();
      }
    }, promptMs).unref();
  }

  #frameOf(line: string): UpFrame | null {
    if (this.#nonce === '') {
      return null;
    }
    return this.#check === null
      ? (upFrame('cksum', this.#nonce, line) ?? upFrame('sum', this.#nonce, line))
      : upFrame(this.#check, this.#nonce, line);
  }
}
