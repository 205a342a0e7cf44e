import { setTimeout as pause } from 'node:timers/promises';
import { cleanText } from '../../core/clean.ts';
import type { Failure } from '../../core/failure.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import { nothingDone } from '../nothing-done.ts';
import { stoppedHere, type Exit, type RunOptions, type Session } from '../route.ts';
import { exitOfStatus } from '../shell-status.ts';
import { interruptedFailure } from '../ssh-failure.ts';
import { linkFailure, noRoomFailure, type ConsolePlace } from './failure.ts';
import { Forgotten, Interrupted, LinkLost, NoRoom } from './answers.ts';
import type { Progress } from './link.ts';
import type { Unopened } from './login.ts';
import type { OpenConsole } from './open.ts';

/** Opens the console anew: the same session's folder on the host, whatever shell reads the line now. */
export type ReopenConsole = (signal: AbortSignal) => Promise<Result<OpenConsole, Unopened>>;

// EC2 frees its one session 30 s after it was left.
const backOffMs = [0, 5000, 30_000, 60_000];
const [shortestPollMs, longestPollMs] = [150, 1000];
const mostLosses = 6;
const [littleBytes, longestWaitMs] = [4096, 5000];

/** Runs programs over the agent behind a console, one after the other, and each once only. */
export class ConsoleSession implements Session {
  readonly kind = 'console';
  readonly connection = null;
  readonly description: string;
  readonly elevation: Session['elevation'];
  readonly #place: ConsolePlace;
  readonly #reopen: ReopenConsole;
  readonly #onNotice: (sentence: string) => void;
  #open: OpenConsole;
  #errors = '';
  #closed: Promise<string | null> | null = null;
  #told = false;
  #programs = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    place: ConsolePlace,
    open: OpenConsole,
    reopen: ReopenConsole,
    onNotice: (sentence: string) => void,
  ) {
    this.#place = place;
    this.description = place.description;
    this.elevation = open.shell.elevation;
    this.#open = open;
    this.#reopen = reopen;
    this.#onNotice = onNotice;
  }

  async run(program: string, options: RunOptions): Promise<Result<Exit, Failure>> {
    const mine = this.#turn.then(async () => this.#run(program, options));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  errorOutput(): string {
    return cleanText(this.#errors);
  }

  async close(): Promise<void> {
    this.#closed ??= this.#open.close();
    const left = await this.#closed;
    if (left !== null && !this.#told) {
      this.#told = true;
      this.#onNotice(left);
    }
  }

  async #run(program: string, options: RunOptions): Promise<Result<Exit, Failure>> {
    const { signal } = options;
    if (signal.aborted) {
      return fail(interruptedFailure());
    }
    // The folder on the host is of this session alone. Short, since it stands in each line.
    const key = `k${(this.#programs += 1)}`;
    const bytes = Buffer.from(`${program}\n`, 'utf8');
    const follower = new Follower(options);
    let begun = false;
    const whole = await this.#insist(options, follower, async () => {
      if (!begun) {
        await this.#bring(key, bytes, signal);
        begun = true;
      }
      return this.#follow(key, follower, signal);
    });
    if (!whole.ok) {
      return begun
        ? ok({ type: 'lost', because: `${whole.error.what} ${whole.error.why}` })
        : fail(whole.error);
    }
    await this.#open.link.clear(key).catch(() => undefined);
    return ok(whole.value);
  }

  async #bring(key: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const { link } = this.#open;
    try {
      await link.heed(signal, async () => link.upload(key, bytes));
      stopIf(signal.aborted, stoppedHere);
    } catch (error) {
      if (error instanceof Interrupted) {
        await link.clear(key).catch(() => undefined);
      }
      throw error;
    }
  }

  /** Starts a program and passes on what it says until it has ended, or is not waited for any longer. */
  async #follow(key: string, follower: Follower, signal: AbortSignal): Promise<Exit> {
    const { link } = this.#open;
    try {
      return await link.heed(signal, async () => {
        // Asked for again after a loss: the host starts it only once.
        await link.begin(key);
        return this.#exitOf(key, follower, signal);
      });
    } catch (error) {
      if (!(error instanceof Interrupted)) {
        throw error;
      }
      const isEnded = await link.kill(key);
      return { type: 'lost', because: isEnded ? error.message : `${error.message}; ${mayRun}` };
    }
  }

  async #exitOf(key: string, follower: Follower, signal: AbortSignal): Promise<Exit> {
    const { link } = this.#open;
    let waitMs = shortestPollMs;
    for (;;) {
      stopIf(signal.aborted, stoppedHere);
      stopIf(follower.isIdle, follower.whyIdle);
      const asked = performance.now();
      const progress = await link.progress(key, 'out', follower.read);
      const answerMs = performance.now() - asked;
      follower.take(progress);
      if (progress.state === 'none') {
        return { type: 'lost', because: 'the host does not know the program any more' };
      }
      if (progress.state !== 'running' && follower.read >= progress.size) {
        const errors = await link.progress(key, 'err', 0);
        this.#errors = errors.bytes.toString('utf8').slice(-8192);
        return exitOfStatus(progress.state);
      }
      if (progress.state === 'running') {
        const got = progress.bytes.length;
        const usual = got > 0 ? shortestPollMs : Math.min(longestPollMs, waitMs * 1.5);
        // A host that is slow over little is left to its work as long as it was kept from it.
        waitMs = got < littleBytes ? Math.max(usual, Math.min(longestWaitMs, answerMs)) : usual;
        await pause(waitMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Does something over the link; where that is lost it is found again, or the console is opened anew. */
  async #insist<T>(
    { idleMs, signal }: RunOptions,
    follower: Follower,
    work: () => Promise<T>,
  ): Promise<Result<T, Failure>> {
    let why = '';
    let read = 0;
    let lastLoss = performance.now();
    for (let losses = 0; losses < mostLosses; losses += 1) {
      try {
        return ok(await work());
      } catch (error) {
        if (error instanceof Interrupted) {
          return fail(interruptedFailure());
        }
        if (!(error instanceof LinkLost)) {
          throw error;
        }
        if (error instanceof NoRoom) {
          return fail(noRoomFailure(error.message));
        }
        if (error instanceof Forgotten) {
          return fail({ ...linkFailure(this.#place, error.message), what: forgotten });
        }
        why = error.message;
        if (follower.read > read) {
          // It went on since the last loss: a program of an hour may lose its line every ten minutes.
          losses = 0;
        } else if (losses > 0 && performance.now() - lastLoss > idleMs) {
          break;
        }
        ({ read } = follower);
        lastLoss = losses === 0 ? performance.now() : lastLoss;
        const again = await this.#recover(error, signal, performance.now() + idleMs);
        if (!again.ok) {
          return again;
        }
        follower.listenAnew();
      }
    }
    return fail(linkFailure(this.#place, why));
  }

  async #recover(
    lost: LinkLost,
    signal: AbortSignal,
    until: number,
  ): Promise<Result<null, Failure>> {
    if (!lost.session) {
      const { link } = this.#open;
      try {
        await link.heed(signal, async () => link.resync());
        return ok(null);
      } catch (error) {
        if (error instanceof Interrupted) {
          this.#closed = this.#open.abandon(error);
          await this.#closed;
          return fail(interruptedFailure());
        }
        if (!(error instanceof LinkLost)) {
          throw error;
        }
      }
    }
    await this.#open.hangUp();
    let failure = linkFailure(this.#place, lost.message);
    for (const ms of backOffMs) {
      if (signal.aborted || performance.now() + ms > until) {
        break;
      }
      await pause(ms, undefined, { signal }).catch(() => undefined);
      const opened = await this.#reopen(signal);
      if (opened.ok) {
        this.#open = opened.value;
        this.#closed = null;
        return ok(null);
      }
      ({ failure } = opened.error);
      if (opened.error.left !== null) {
        this.#onNotice(opened.error.left);
      }
      // A refused password is not tried again.
      if (failure.code === 'auth-failed' || failure.code === 'interrupted') {
        break;
      }
    }
    return fail({ ...failure, access: failure.access === '' ? nothingDone : failure.access });
  }
}

const mayRun = 'nobody says that it has ended';
const forgotten = 'The host was started anew, or what was stored on it was removed:';

function stopIf(isWanted: boolean, why: string): void {
  if (isWanted) {
    throw new Interrupted(why);
  }
}

/** Passes output on, and watches for silence. */
class Follower {
  readonly #options: RunOptions;
  #last = performance.now();
  read = 0;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  /** What a program says while the line is gone cannot be heard: its silence begins anew. */
  listenAnew(): void {
    this.#last = performance.now();
  }

  get isIdle(): boolean {
    return performance.now() - this.#last > this.#options.idleMs;
  }

  take({ bytes }: Progress): void {
    if (bytes.length > 0) {
      this.#last = performance.now();
      this.read += bytes.length;
      this.#options.onOutput(bytes);
    }
  }

  get whyIdle(): string {
    return `no output for ${this.#options.idleMs / 1000} s`;
  }
}
