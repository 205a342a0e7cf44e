import { spawn } from 'node:child_process';
import type { Wire } from '../../../src/route/console/wire.ts';

/** What a line does to the bytes on it, in one direction. */
export interface Damage {
  /** Chance that a byte is lost, or comes twice. */
  readonly loss?: number;
  readonly duplication?: number;
  /** Loses so many bytes in a row, once in `burstEvery` bytes. */
  readonly burst?: number;
  readonly burstEvery?: number;
}

/** A line between a test and a shell on a terminal. */
export interface Weather {
  readonly down?: Damage;
  readonly up?: Damage;
  /** Bits a second, ten for a byte. */
  readonly baud?: number;
  /** Milliseconds in each direction. */
  readonly latencyMs?: number;
  /** Text that the host writes in between, once in so many bytes of output. */
  readonly noise?: { readonly text: string; readonly everyBytes: number };
  readonly oneByteAtATime?: boolean;
}

const mostWaiting = 8192;

/** A random source that gives the same numbers in each run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One direction of a line: damages, delays and delivers bytes. */
export class Direction {
  readonly #damage: Damage;
  readonly #weather: Weather;
  readonly #deliver: (bytes: Buffer) => void;
  readonly #random: () => number;
  readonly #queue: number[] = [];
  #sinceBurst = 0;
  #sinceNoise = 0;
  #timer: NodeJS.Timeout | null = null;
  #busyUntil = 0;
  #held = 0;
  #lose = 0;
  cut = false;

  constructor(damage: Damage, weather: Weather, seed: number, deliver: (bytes: Buffer) => void) {
    this.#damage = damage;
    this.#weather = weather;
    this.#deliver = deliver;
    this.#random = dice(seed);
  }

  /** The next bytes are lost. */
  lose(bytes: number): void {
    this.#lose = bytes;
  }

  /** Bytes that are not delivered yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Nothing is delivered for so long. */
  hold(ms: number): void {
    this.#held = performance.now() + ms;
  }

  push(bytes: Buffer, noise?: Weather['noise']): void {
    for (const byte of bytes) {
      this.#sinceNoise += 1;
      if (noise !== undefined && this.#sinceNoise >= noise.everyBytes) {
        this.#sinceNoise = 0;
        this.#queue.push(...Buffer.from(noise.text));
      }
      this.#one(byte);
    }
    this.#pump();
  }

  #one(byte: number): void {
    const { loss = 0, duplication = 0, burst = 0, burstEvery = 0 } = this.#damage;
    if (this.#lose > 0) {
      this.#lose -= 1;
      return;
    }
    this.#sinceBurst += 1;
    if (burstEvery > 0 && this.#sinceBurst > burstEvery) {
      if (this.#sinceBurst > burstEvery + burst) this.#sinceBurst = 0;
      return;
    }
    if (this.#random() < loss) return;
    this.#queue.push(byte);
    if (this.#random() < duplication) this.#queue.push(byte);
  }

  #pump(): void {
    if (this.#timer !== null || this.#queue.length === 0) return;
    const { baud, latencyMs = 0, oneByteAtATime } = this.#weather;
    const now = performance.now();
    const most = oneByteAtATime === true ? 1 : baud === undefined ? 65_536 : 64;
    const bytes = Buffer.from(this.#queue.splice(0, most));
    const lineMs = baud === undefined ? 0 : (bytes.length * 10_000) / baud;
    this.#busyUntil = Math.max(this.#busyUntil, this.#held, now) + lineMs;
    setTimeout(
      () => {
        if (!this.cut) this.#deliver(bytes);
      },
      this.#busyUntil - now + latencyMs,
    );
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#pump();
    }, this.#busyUntil - now);
  }
}

/** A command on a terminal of its own, behind a line with weather. Cut the line, and lay another one. */
export class SimulatedHost {
  readonly #child: ReturnType<typeof spawn>;
  readonly #watches: { pattern: RegExp; where: 'typed' | 'shown'; act: () => void }[] = [];
  #down: Direction | null = null;
  #up: Direction | null = null;
  #listener: ((bytes: Buffer) => void) | null = null;
  #hangUp: ((why: string) => void) | null = null;
  /** All that was typed, as it reached the terminal. */
  typed = '';
  /** All that the terminal showed, whether anybody saw it or not. */
  shown = '';

  constructor(command: string, environment: Readonly<Record<string, string>> = {}) {
    this.#child = spawn('script', ['-qfec', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'], TERM: 'vt220', ...environment },
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.stdout?.on('data', (bytes: Buffer) => this.#onOutput(bytes));
    this.#child.once('exit', () => {
      for (const closed of this.#closers) closed('the terminal is gone');
    });
  }

  /** Lays a line to the host; the one before it is gone. */
  wire(weather: Weather = {}, seed = 1): Wire {
    this.#hangUp?.('another line was laid');
    let closed: (why: string) => void = () => {};
    const ended = new Promise<string>((resolve) => {
      closed = resolve;
    });
    this.#closers.add(closed);
    const down = new Direction(weather.down ?? {}, weather, seed, (bytes) => {
      this.typed += bytes.toString('latin1');
      this.#child.stdin?.write(bytes);
      this.#look('typed');
    });
    const up = new Direction(weather.up ?? {}, weather, seed + 7, (bytes) =>
      this.#listener?.(bytes),
    );
    this.#up = up;
    this.#down = down;
    this.#noise = weather.noise;
    this.#hangUp = (why) => {
      down.cut = true;
      up.cut = true;
      closed(why);
    };
    return {
      write: (bytes) => down.push(bytes),
      onData: (listener) => {
        this.#listener = listener;
      },
      closed: ended,
      close: async () => this.cut(),
    };
  }

  #noise: Weather['noise'];
  readonly #closers = new Set<(why: string) => void>();

  /** Does something once, when a text was typed or shown that fits. */
  when(where: 'typed' | 'shown', pattern: RegExp, act: () => void): void {
    this.#watches.push({ where, pattern, act });
  }

  /** Nothing comes or goes for so long. */
  stall(ms: number): void {
    this.#up?.hold(ms);
    this.#down?.hold(ms);
  }

  /** The next bytes that are typed are lost. */
  lose(bytes: number): void {
    this.#down?.lose(bytes);
  }

  /** Nothing that is typed arrives for so long. */
  hold(ms: number): void {
    this.#down?.hold(ms);
  }

  /** The host stops the line (XOFF), and lets it go on (XON) after so long. */
  stop(ms: number): void {
    this.#up?.push(Buffer.from([0x13]));
    this.#down?.hold(ms);
    setTimeout(() => this.#up?.push(Buffer.from([0x11])), ms).unref();
  }

  #look(where: 'typed' | 'shown'): void {
    const at = this.#watches.findIndex(
      (watch) => watch.where === where && watch.pattern.test(this[where]),
    );
    for (const { act } of at < 0 ? [] : this.#watches.splice(at, 1)) act();
  }

  /** The line breaks; the host stays. */
  cut(): void {
    this.#hangUp?.('the line was cut');
    this.#up = null;
  }

  get isGone(): boolean {
    return this.#child.exitCode !== null;
  }

  end(): void {
    this.cut();
    // script(1) blocks SIGHUP. Without it the terminal is gone, and what runs there is hung up.
    this.#child.kill('SIGKILL');
    this.#child.stdin?.destroy();
  }

  /** A line has little room: what writes to it waits. */
  #hold(): void {
    const { stdout } = this.#child;
    if ((this.#up?.waiting ?? 0) < mostWaiting) {
      stdout?.resume();
    } else {
      stdout?.pause();
      setTimeout(() => this.#hold(), 10);
    }
  }

  #onOutput(bytes: Buffer): void {
    this.shown += bytes.toString('latin1');
    this.#up?.push(bytes, this.#noise);
    this.#look('shown');
    this.#hold();
  }
}
