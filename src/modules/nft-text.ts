import type { ChainRef } from '../facts/ruleset.ts';

/**
 * Puts a rule into the text of an nftables file: before the rule that reads like `before`, else, for
 * the end of the chain, before its closing brace. A rule that cannot be found in the text by its
 * words is taken to be anywhere: the new rule then goes first, where it surely takes effect.
 *
 * Null where the text does not write out the chain as a block (nft(8), "Input file formats").
 *
 * @param before the rule as nft lists it, or null for the end of the chain.
 */
export function insertNftRule(
  text: string,
  ref: Pick<ChainRef, 'family' | 'table' | 'chain'>,
  before: string | null,
  rule: string,
): string | null {
  const family = ref.family === 'ip' ? '(?:ip\\s+)?' : `${ref.family}\\s+`;
  const tables = findBlocks(
    text,
    { start: 0, end: text.length },
    new RegExp(`\\btable\\s+${family}${escape(ref.table)}\\s*$`),
  );
  const head = new RegExp(`\\bchain\\s+${escape(ref.chain)}\\s*$`);
  const chain = tables.flatMap((table) => findBlocks(text, table, head)).at(-1) ?? null;
  if (chain === null) {
    return null;
  }
  const statements = splitStatements(text, chain.start, chain.end);
  const target =
    before === null
      ? null
      : (statements.find((one) => normal(one.text) === normal(before)) ??
        statements.find((one) => !isHeader(one.text)) ??
        null);
  return target === null
    ? appendTo(text, chain, statements, rule)
    : insertBefore(text, target, rule);
}

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Statement extends Span {
  readonly text: string;
}

/** The insides of the braces that follow a head, at the outermost level of a span. */
function findBlocks(text: string, within: Span, head: RegExp): Span[] {
  const found: Span[] = [];
  let depth = 0;
  let headStart = within.start;
  let start = -1;
  for (const { at, character } of codeCharacters(text, within.start, within.end)) {
    if (character === '{') {
      if (depth === 0) {
        start = head.test(blankComments(text.slice(headStart, at))) ? at + 1 : -1;
      }
      depth += 1;
    } else if (character === '}') {
      depth -= 1;
      if (depth === 0 && start >= 0) {
        found.push({ start, end: at });
      }
      headStart = depth === 0 ? at + 1 : headStart;
    } else if ((character === ';' || character === '\n') && depth === 0) {
      headStart = at + 1;
    }
  }
  return found;
}

function splitStatements(text: string, from: number, to: number): Statement[] {
  const statements: Statement[] = [];
  let depth = 0;
  let start = from;
  const close = (end: number): void => {
    const piece = blankComments(text.slice(start, end));
    if (piece.trim() !== '') {
      const lead = piece.length - piece.trimStart().length;
      statements.push({
        start: start + lead,
        end: start + piece.trimEnd().length,
        text: piece.trim(),
      });
    }
    start = end + 1;
  };
  for (const { at, character } of codeCharacters(text, from, to)) {
    depth += character === '{' ? 1 : character === '}' ? -1 : 0;
    if (depth === 0 && (character === ';' || character === '\n')) {
      close(at);
    }
  }
  close(to);
  return statements;
}

/** Walks over the characters that are neither in a comment nor in a string. */
function* codeCharacters(
  text: string,
  from: number,
  to: number,
): Generator<{ at: number; character: string }> {
  let inString = false;
  let inComment = false;
  for (let at = from; at < to; at += 1) {
    const character = text.charAt(at);
    if (character === '\n') {
      inComment = false;
      // A backslash at the end of a line joins it with the next.
      if (text.charAt(at - 1) === '\\') {
        continue;
      }
    }
    if (inComment) {
      continue;
    }
    if (character === '"') {
      inString = !inString;
    } else if (!inString && character === '#') {
      inComment = true;
    } else if (!inString) {
      yield { at, character };
    }
  }
}

// Comments are blanked, not cut, so that positions stay.
function blankComments(text: string): string {
  return text.replace(
    /("[^"]*")|#[^\n]*/g,
    (match, string: string | undefined) => string ?? ' '.repeat(match.length),
  );
}

function isHeader(statement: string): boolean {
  return /^(?:type|policy|devices?|flags|comment|counter packets)\b/.test(statement);
}

function normal(statement: string): string {
  return statement
    .replace(/\bcounter(?: packets \d+ bytes \d+)?\b/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function insertBefore(text: string, target: Statement, rule: string): string {
  const lineStart = text.lastIndexOf('\n', target.start - 1) + 1;
  const indent = text.slice(lineStart, target.start);
  // Behind another statement on the same line, the rule joins that line.
  return indent.trim() === ''
    ? `${text.slice(0, lineStart)}${indent}${rule}${newline(text)}${text.slice(lineStart)}`
    : `${text.slice(0, target.start)}${rule}; ${text.slice(target.start)}`;
}

function appendTo(
  text: string,
  chain: Span,
  statements: readonly Statement[],
  rule: string,
): string {
  const last = statements.at(-1);
  const braceLine = text.lastIndexOf('\n', chain.end - 1) + 1;
  const alone = text.slice(braceLine, chain.end).trim() === '' && braceLine > chain.start;
  if (!alone) {
    const separator =
      last === undefined || text.slice(last.end, chain.end).includes(';') ? ' ' : '; ';
    return `${text.slice(0, chain.end).trimEnd()}${separator}${rule}; ${text.slice(chain.end)}`;
  }
  const lastLine = last === undefined ? braceLine : text.lastIndexOf('\n', last.start) + 1;
  const indent = /^[ \t]*/.exec(text.slice(lastLine))?.[0] ?? '\t\t';
  return `${text.slice(0, braceLine)}${indent}${rule}${newline(text)}${text.slice(braceLine)}`;
}

function newline(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
