import { appendFileSync } from 'node:fs';
import type { Secret } from '../../core/secret.ts';

const mask = '[redacted]';

/**
 * Writes what goes over a console into a file, for the person who must find out what went wrong. No
 * secret gets there, also where it comes in pieces, or back as an echo.
 */
export class Recorder {
  readonly #write: (text: string) => void;
  readonly #secrets: string[] = [];
  readonly #held = { '<': '', '>': '' };

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** From now on these words are masked. */
  hide(secret: Secret): void {
    const word = secret.reveal();
    if (word !== '') {
      this.#secrets.push(word);
      // The longest first: one may be part of another.
      this.#secrets.sort((one, other) => other.length - one.length);
    }
  }

  /** Records bytes: `>` typed by us, `<` said by the console. */
  record(direction: '<' | '>', bytes: Buffer): void {
    const text = this.#held[direction] + bytes.toString('latin1');
    const masked = this.#secrets.reduce((all, word) => all.replaceAll(word, mask), text);
    const keep = this.#openEnd(masked);
    this.#held[direction] = masked.slice(masked.length - keep);
    this.#put(direction, masked.slice(0, masked.length - keep));
  }

  /** What was held back may be the beginning of a secret, so it is masked. */
  end(): void {
    for (const direction of ['<', '>'] as const) {
      this.#put(direction, this.#held[direction] === '' ? '' : mask);
      this.#held[direction] = '';
    }
  }

  /** How many characters at the end may be the beginning of a secret. */
  #openEnd(text: string): number {
    const most = Math.max(0, ...this.#secrets.map((word) => word.length - 1));
    for (let length = Math.min(most, text.length); length > 0; length -= 1) {
      const end = text.slice(-length);
      if (this.#secrets.some((word) => word.startsWith(end))) {
        return length;
      }
    }
    return 0;
  }

  #put(direction: '<' | '>', text: string): void {
    if (text !== '') {
      this.#write(`${direction} ${JSON.stringify(text)}\n`);
    }
  }
}

/** A recorder into a file that only its owner can read; each record is there at once. */
export function fileRecorder(path: string): Recorder {
  // Synchronous and small: what was said last is what matters where we are killed.
  return new Recorder((text) => appendFileSync(path, text, { mode: 0o600 }));
}
