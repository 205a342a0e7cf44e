import { checkValue, type CheckKind } from './check.ts';

/** Longest line that is ever sent: a terminal's line buffer takes 4095 bytes, and loses what is more. */
export const maxLineBytes = 600;

/** One line to the host, without its CR: a colon, words, their check value, and a dot that shows its end. */
export function downFrame(kind: CheckKind, words: readonly string[]): string {
  const text = words.join(' ');
  const line = `:${text} ${checkValue(kind, text)} .`;
  if (line.length > maxLineBytes || !/^[ -~]*$/.test(line)) {
    throw new Error(`a line of ${line.length} bytes must not be sent over a console`);
  }
  return line;
}

/** A line of the host's agent whose check value is right. */
export interface UpFrame {
  readonly verb: string;
  readonly words: readonly string[];
}

/**
 * Reads a line that came from the host. Null: it is none of the agent's, or was damaged on its way.
 *
 * @param line without its end; something else may stand before the nonce.
 */
export function upFrame(kind: CheckKind, nonce: string, line: string): UpFrame | null {
  const at = line.lastIndexOf(`${nonce} `);
  if (at < 0) {
    return null;
  }
  const body = line.slice(at + nonce.length + 1).trimEnd();
  const split = body.lastIndexOf(' ');
  const text = body.slice(0, Math.max(split, 0));
  if (checkValue(kind, text) !== body.slice(split + 1)) {
    return null;
  }
  const [verb = '', ...words] = text.split(' ');
  return { verb, words };
}
