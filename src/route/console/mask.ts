import type { Secret } from '../../core/secret.ts';

const masked = '[redacted]';
/** Fewer letters at an end are more likely a word of their own. */
const leastBeginning = 3;

/** The secrets of a console, taken out of text from the other side before it gets into a failure. */
export class Mask {
  readonly #secrets = new Set<string>();

  /** From now on this one is masked. */
  hide(secret: Secret): void {
    const word = secret.reveal();
    if (word !== '') {
      this.#secrets.add(word);
    }
  }

  /** The text without secrets; nor with the beginning of one at its end, whose rest has not come yet. */
  of(text: string): string {
    // The longest first: one may be part of another.
    const words = [...this.#secrets].toSorted((one, other) => other.length - one.length);
    return words.reduce((all, word) => {
      const whole = all.replaceAll(word, masked);
      const length = beginningAtEnd(whole, word);
      return length === 0 ? whole : `${whole.slice(0, -length)}${masked}`;
    }, text);
  }
}

function beginningAtEnd(text: string, word: string): number {
  for (let length = word.length - 1; length >= leastBeginning; length -= 1) {
    if (text.endsWith(word.slice(0, length))) {
      return length;
    }
  }
  return 0;
}

/** True where a secret that was typed came back: `said` is all that came after it. */
export function isEchoed(said: string, secret: Secret): boolean {
  const word = secret.reveal();
  // No more than that: a weak one may be the name of the user in the prompt of a shell.
  return (
    said.startsWith(word) || said.split('\n').some((line) => line.trimEnd() === word.trimEnd())
  );
}
