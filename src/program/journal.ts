import { StringDecoder } from 'node:string_decoder';
import { cleanLine } from '../core/clean.ts';

/** One record of a stage program's journal. */
export type JournalRecord =
  | { readonly type: 'start' | 'done' | 'undone'; readonly number: number }
  | { readonly type: 'failed'; readonly number: number; readonly status: number }
  | { readonly type: 'undo-failed'; readonly number: number; readonly status: number }
  | { readonly type: 'output'; readonly text: string }
  | { readonly type: 'refuse'; readonly code: string; readonly text: string }
  | { readonly type: 'end'; readonly how: 'applied' | 'reverted' | 'stuck' | 'refused' }
  | { readonly type: 'lost'; readonly text: string };

// A line that is longer than any record of ours is noise; it is dropped as it comes.
const maxLine = 64 * 1024;

/** Reads a stage program's output as it comes. Lines without the run's token are noise. */
export class JournalReader {
  readonly #token: string;
  readonly #decoder = new StringDecoder('utf8');
  #line = '';

  constructor(token: string) {
    this.#token = token;
  }

  /** The records that a chunk completes. */
  push(chunk: Buffer): JournalRecord[] {
    const lines = (this.#line + this.#decoder.write(chunk)).split('\n');
    const rest = lines.pop() ?? '';
    this.#line = rest.length > maxLine ? rest.slice(-this.#token.length) : rest;
    return lines.flatMap((line) => this.#parse(line));
  }

  #parse(line: string): JournalRecord[] {
    const at = line.indexOf(`${this.#token} `);
    if (at < 0) {
      return [];
    }
    const [type = '', ...rest] = line
      .slice(at + this.#token.length + 1)
      .trimEnd()
      .split(' ');
    const record = toRecord(type, rest);
    return record === null ? [] : [record];
  }
}

function toRecord(type: string, words: readonly string[]): JournalRecord | null {
  const number = Number(words[0]);
  switch (type) {
    case 'start':
    case 'done':
    case 'undone':
      return { type, number };
    case 'failed':
    case 'undo-failed':
      return { type, number, status: Number(words[1]) };
    case 'output':
    case 'lost':
      return { type, text: cleanLine(words.join(' '), 1500) };
    case 'refuse':
      return { type, code: words[0] ?? '', text: cleanLine(words.slice(1).join(' ')) };
    case 'end': {
      const how = (['applied', 'reverted', 'stuck', 'refused'] as const).find(
        (word) => word === words[0],
      );
      return how === undefined ? null : { type, how };
    }
    default:
      return null;
  }
}
