import { Mask } from './mask.ts';
import type { Wire } from './wire.ts';

const xon = 0x11;
const xoff = 0x13;
const resumeMs = 5000;

/** All that is ever typed at a console: printable ASCII, CR, Ctrl-C, and XON once. */
const typed = /^[ -~\r\u0003\u0011]*$/;

/**
 * A wire with the manners of a serial line: it stops writing while the host says so (XOFF), takes the
 * two flow characters out of what comes, and never types a byte that a console server or getty might
 * take for a command (NUL, BREAK, Ctrl-A, Ctrl-E, Ctrl-], escape).
 */
export class Line {
  /** The secrets that are typed here. */
  readonly mask: Mask;
  readonly #wire: Wire;
  readonly #listeners = new Set<(bytes: Buffer) => void>();
  #queue: Buffer[] = [];
  #paused: NodeJS.Timeout | null = null;
  #ended: string | null = null;

  constructor(wire: Wire, mask = new Mask()) {
    this.#wire = wire;
    this.mask = mask;
    wire.onData((bytes) => this.#onData(bytes));
    void wire.closed.then((why) => {
      this.#ended = mask.of(why);
      this.#resume();
    });
  }

  /** Settles when the other side is gone; says why, not cleaned. */
  get closed(): Promise<string> {
    return this.#wire.closed.then((why) => this.mask.of(why));
  }

  /** Why the other side is gone, or null while it is there. */
  get ended(): string | null {
    return this.#ended;
  }

  /** Adds a listener for what comes; returns what takes it away. */
  listen(listener: (bytes: Buffer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Types something. @throws Error on a byte that must not be typed: an error of ours. */
  type(text: string): void {
    if (!typed.test(text)) {
      throw new Error('a byte that must not be typed at a console');
    }
    const bytes = Buffer.from(text, 'latin1');
    if (this.#paused === null) {
      this.#wire.write(bytes);
    } else {
      this.#queue.push(bytes);
    }
  }

  /** Forgets what was not typed yet. */
  drop(): void {
    this.#queue = [];
  }

  async close(): Promise<void> {
    this.#resume();
    await this.#wire.close();
  }

  #onData(bytes: Buffer): void {
    if (bytes.includes(xoff) || bytes.includes(xon)) {
      const last = bytes.findLast((byte) => byte === xoff || byte === xon);
      if (last === xoff) {
        this.#pause();
      } else {
        this.#resume();
      }
    }
    const data = bytes.filter((byte) => byte !== xoff && byte !== xon);
    for (const listener of this.#listeners) {
      listener(Buffer.from(data));
    }
  }

  #pause(): void {
    if (this.#paused !== null) {
      clearTimeout(this.#paused);
    }
    // A lost XON must not stop us for ever.
    this.#paused = setTimeout(() => this.#resume(), resumeMs);
  }

  #resume(): void {
    if (this.#paused !== null) {
      clearTimeout(this.#paused);
      this.#paused = null;
    }
    const queue = this.#queue;
    this.#queue = [];
    for (const bytes of queue) {
      this.#wire.write(bytes);
    }
  }
}
