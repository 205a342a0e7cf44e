import type { ConfigLine } from '../facts/sshd-config-lines.ts';
import { isSince, type SshVersion } from '../facts/sshd-words.ts';

/** What becomes of one line of a file: a new text, or null where it goes. */
export interface LineChange {
  /** 1-based. */
  readonly line: number;
  readonly becomes: string | null;
}

/**
 * A text with some lines replaced, by number. All other bytes stay: ends of lines, blanks, comments, a
 * missing last newline.
 */
export function replaceLines(text: string, changes: readonly LineChange[]): string {
  const lines = text.split('\n');
  for (const { line, becomes } of changes) {
    const old = lines[line - 1] ?? '';
    lines[line - 1] = becomes === null ? '\0' : becomes + (old.endsWith('\r') ? '\r' : '');
  }
  // A NUL stands for a line that goes; where the last one does, the newline before it is the last.
  const kept = lines.filter((line) => line !== '\0');
  return kept.join('\n') + (lines.at(-1) === '\0' && kept.length > 0 ? '\n' : '');
}

/** A text with a line put in front of another; with `line` behind the last, it comes at the end. */
export function insertLine(text: string, line: number, added: string): string {
  const end = /\r\n/.test(text) ? '\r\n' : '\n';
  const lines = text.split('\n');
  if (line <= lines.length && !(line === lines.length && lines.at(-1) === '')) {
    const head = lines.slice(0, line - 1).join('\n');
    const tail = lines.slice(line - 1).join('\n');
    return `${line > 1 ? `${head}\n` : ''}${added}${end}${tail}`;
  }
  return text === '' || text.endsWith('\n') ? text + added + end : text + end + added;
}

/** The text of a line with other arguments: indentation, spelling of the keyword and comment stay. */
export function withArguments(
  line: ConfigLine,
  value: string,
  version: SshVersion | null,
  keyword?: string,
): string {
  const raw = line.raw.replace(/\r$/, '');
  const [, indent = '', written = '', gap = ' '] =
    /^([ \t]*)("?[A-Za-z0-9]+"?)([ \t]*=?[ \t]*)/.exec(raw) ?? [];
  const rest = raw.slice(indent.length + written.length + gap.length);
  const comment = isSince(version, 8, 7) ? commentOf(rest) : (/[ \t]*#.*$/.exec(rest)?.[0] ?? '');
  return `${indent}${keyword ?? written}${gap === '' ? ' ' : gap}${value}${comment}`;
}

// A comment begins with # where a word could begin (argv_split() of misc.c), quotes minded.
function commentOf(rest: string): string {
  let quote = '';
  for (let at = 0; at < rest.length; at += 1) {
    const char = rest[at] ?? '';
    if (char === '\\') {
      at += 1;
    } else if (quote !== '') {
      quote = char === quote ? '' : quote;
    } else if (char === '"' || char === "'") {
      quote = char;
    } else if (char === '#' && /^[ \t]?$/.test(rest[at - 1] ?? '')) {
      return (/[ \t]*$/.exec(rest.slice(0, at))?.[0] ?? '') + rest.slice(at);
    }
  }
  return '';
}

/** A word as it can stand on a line: in quotes where it holds blanks or what sshd would take apart. */
export function quoteWord(word: string): string {
  return /[\s#"'\\]/.test(word) || word === '' ? `"${word.replace(/(["\\])/g, '\\$1')}"` : word;
}

/** Who seems to own a file, by a header such as «managed by Puppet»; null where nobody says so. */
export function managedBy(text: string): string | null {
  const head = text.split('\n').slice(0, 15).join('\n');
  const found =
    /^\s*#.*?\b(?:(ansible|puppet|chef|salt|cloud-init|cfengine|terraform)\b|(managed by [^\r\n]{1,60}|do not edit[^\r\n]{0,60}))/im.exec(
      head,
    );
  return found === null ? null : (found[1] ?? found[2] ?? '').trim();
}
