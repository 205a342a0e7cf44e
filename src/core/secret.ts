import { inspect } from 'node:util';

const redacted = '[redacted]';

/**
 * A password or passphrase. It prints as `[redacted]` wherever it is turned into text; only
 * `reveal()`, called at the edge that types it, gives the value away.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself. Never log, store or interpolate what this returns. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
