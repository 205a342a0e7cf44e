/** The version of an OpenSSH server. */
export interface SshVersion {
  readonly major: number;
  readonly minor: number;
}

/** One line of sshd_config(5) taken apart as sshd does it. */
export interface Directive {
  /** In lower case. */
  readonly keyword: string;
  readonly args: readonly string[];
  /** What stands behind the keyword, for the options that take the rest of the line as it is. */
  readonly rest: string;
  /** What sshd would say of the line's form: `invalid quotes`, `no argument`; null where it is fine. */
  readonly fault: 'quotes' | 'no-argument' | null;
}

/** Whether a version is at least `major.minor`; a version that is not known counts as a new one. */
export function isSince(version: SshVersion | null, major: number, minor: number): boolean {
  return (
    version === null || version.major > major || (version.major === major && version.minor >= minor)
  );
}

/** Reads `OpenSSH_9.2p1` out of any text. */
export function parseSshVersion(text: string): SshVersion | null {
  const found = /OpenSSH_(\d{1,3})\.(\d{1,3})/.exec(text);
  return found === null ? null : { major: Number(found[1]), minor: Number(found[2]) };
}

/**
 * Takes one line apart; null for blank lines and comments. The line is given without its newline.
 *
 * servconf.c: trailing white space is cut, a form feed too; the keyword ends at white space, a quote
 * or one `=`; since 8.7 the rest is split as argv_split() of misc.c does it, before that by strdelim().
 */
export function parseDirective(line: string, version: SshVersion | null): Directive | null {
  const modern = isSince(version, 8, 7);
  const bare = modern ? line : line.replace(/#.*$/s, '');
  const text = bare.replace(/^[ \t\r]+/, '').replace(/[ \t\r\n\f]+$/, '');
  if (text === '' || text.startsWith('#')) {
    return null;
  }
  let first = delimit(text);
  if (first !== null && first.word === '') {
    first = first.rest === null ? null : delimit(first.rest);
  }
  if (first === null || first.word === '' || first.word.startsWith('#')) {
    return null;
  }
  const keyword = first.word.toLowerCase();
  const rest = first.rest ?? '';
  if (rest === '') {
    return { keyword, args: [], rest, fault: 'no-argument' };
  }
  // Until 9.9 Match was split the old way (release notes of 9.9).
  const args =
    modern && (keyword !== 'match' || isSince(version, 9, 9)) ? splitWords(rest) : splitOld(rest);
  return args === null
    ? { keyword, args: [], rest, fault: 'quotes' }
    : { keyword, args, rest, fault: null };
}

/**
 * argv_split() of OpenSSH's misc.c: words parted by spaces and tabs, `"` and `'` quote, a backslash
 * escapes quotes, itself and, outside quotes, a space; `#` at the start of a word ends the line. Null
 * where a quote is not closed.
 */
export function splitWords(text: string): string[] | null {
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === ' ' || text[at] === '\t') {
      at += 1;
      continue;
    }
    if (text[at] === '#') {
      break;
    }
    const word = readWord(text, at);
    if (word === null) {
      return null;
    }
    words.push(word.text);
    at = word.end;
  }
  return words;
}

function readWord(text: string, start: number): { text: string; end: number } | null {
  let word = '';
  let quote = '';
  let at = start;
  for (; at < text.length; at += 1) {
    const char = text[at] ?? '';
    const next = text[at + 1] ?? '';
    if (char === '\\') {
      const escapes = next !== '' && (`'"\\`.includes(next) || (quote === '' && next === ' '));
      at += escapes ? 1 : 0;
      word += escapes ? next : char;
    } else if (quote === '' && (char === ' ' || char === '\t')) {
      break;
    } else if (quote === '' && (char === '"' || char === "'")) {
      quote = char;
    } else if (quote !== '' && char === quote) {
      quote = '';
    } else {
      word += char;
    }
  }
  return quote === '' ? { text: word, end: at } : null;
}

// strdelim() for all words; an empty word ends the list, as the loops of servconf.c have it.
function splitOld(text: string): string[] | null {
  const words: string[] = [];
  let rest: string | null = text;
  while (rest !== null) {
    const next = delimit(rest);
    if (next === null) {
      return null;
    }
    if (next.word === '' && words.length > 0) {
      break;
    }
    if (next.word.startsWith('#')) {
      break;
    }
    if (next.word !== '') {
      words.push(next.word);
    }
    rest = next.rest;
  }
  return words;
}

/** strdelim() of misc.c: the next word and what follows it; null for a quote that is not closed. */
function delimit(text: string): { word: string; rest: string | null } | null {
  const at = text.search(/[ \t\r\n"=]/);
  if (at < 0) {
    return { word: text, rest: null };
  }
  if (text[at] === '"') {
    const joined = text.slice(0, at) + text.slice(at + 1);
    const close = joined.indexOf('"', at);
    return close < 0
      ? null
      : { word: joined.slice(0, close), rest: joined.slice(close + 1).replace(/^[ \t\r\n]+/, '') };
  }
  let rest = text.slice(at + 1).replace(/^[ \t\r\n]+/, '');
  if (text[at] !== '=' && rest.startsWith('=')) {
    rest = rest.slice(1).replace(/^[ \t\r\n]+/, '');
  }
  return { word: text.slice(0, at), rest };
}
