import { randomBytes } from 'node:crypto';

/** A word that nothing else says: twelve hexadecimal digits. */
export function randomWord(): string {
  return randomBytes(6).toString('hex');
}

/** A word as it is typed, so that its echo is not the word. */
export function split(word: string): string {
  return `${word.slice(0, 6)}""${word.slice(6)}`;
}
