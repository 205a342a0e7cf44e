import { inspect } from 'node:util';
import { sha256Of } from './digest.ts';

/** All that may be said of a text that nobody may see. */
export interface TextDigest {
  /** SHA-256 of the bytes, in hex. */
  readonly sha256: string;
}

/** Text of a host, one character for each byte (latin1); of a secret one its digest. */
export type Text = string | TextDigest;

/**
 * Text of a file that nobody may see. It prints, and is written into receipts, as its digest; only
 * `reveal()`, called where it goes to the host, gives it away.
 */
export class SecretText implements TextDigest {
  readonly sha256: string;
  readonly #latin1: string;

  constructor(latin1: string) {
    this.sha256 = sha256Of(latin1);
    this.#latin1 = latin1;
  }

  /** The text itself. Never log, store or interpolate what this returns. */
  reveal(): string {
    return this.#latin1;
  }

  toString(): string {
    return `sha256:${this.sha256}`;
  }

  toJSON(): TextDigest {
    return { sha256: this.sha256 };
  }

  [inspect.custom](): string {
    return `[sha256:${this.sha256}]`;
  }
}

/** The digest of a text, secret or not. */
export function digestOf(text: Text): string {
  return typeof text === 'string' ? sha256Of(text) : text.sha256;
}
