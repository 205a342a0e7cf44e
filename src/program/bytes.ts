import { quote } from '../core/quote.ts';

// Where printf is no command of the shell's own, one argument may hold 128 KiB: a byte may need five
// characters.
const pieceLength = 25_000;

/**
 * Shell text that prints bytes exactly, without base64 or here-documents, by `put` of the shell
 * runtime: octal escapes as of `printf %b` (POSIX.1-2017, XCU printf) for what is not plain ASCII text.
 *
 * @param latin1 the bytes, one character each.
 */
export function printBytes(latin1: string): string {
  const pieces: string[] = [];
  for (let at = 0; at < latin1.length; at += pieceLength) {
    pieces.push(`put ${quote(escapeBytes(latin1.slice(at, at + pieceLength)))}`);
  }
  return pieces.length === 0 ? ':' : pieces.join('\n');
}

function escapeBytes(latin1: string): string {
  return latin1.replace(/[^\n\t\x20-\x5b\x5d-\x7e]/g, (character) =>
    character === '\\' ? '\\\\' : `\\0${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}
