import { cleanLine, cleanText } from './clean.ts';
import { displayWidth } from './diagnostic-width.ts';
import type { Diagnostic, Location } from './diagnostic.ts';

/** How much of a line is shown on either side of what is wrong. */
const contextBefore = 60;
const longestMark = 80;
const contextAfter = 40;

/**
 * Prints one problem as people read it:
 *
 * ```
 * error[unknown-module]: Unknown module
 *   open-port.yaml:7:11  uses: ufw-rul
 *                              ~~~~~~~
 *   There is no module «ufw-rul». Did you mean «ufw-rule»?
 *   To list the modules, run:
 *       remedy docs
 * ```
 *
 * The text ends without a newline. Whatever came from a file is cleaned of control characters.
 */
export function printDiagnostic(diagnostic: Diagnostic): string {
  const head = `${diagnostic.severity}[${diagnostic.code}]: ${cleanLine(diagnostic.summary)}`;
  const place = diagnostic.location === null ? [] : printLocation(diagnostic.location);
  return [head, ...place, ...indent(diagnostic.detail), ...indent(diagnostic.hint)].join('\n');
}

/** Prints several problems, an empty line between two. */
export function printDiagnostics(diagnostics: readonly Diagnostic[]): string {
  return diagnostics.map(printDiagnostic).join('\n\n');
}

function printLocation(location: Location): readonly string[] {
  const file = cleanLine(location.file);
  if (location.lineText === null) {
    return [`  ${file}`];
  }
  const { before, marked, after } = cut(location, location.lineText);
  const lead = `  ${file}:${location.line}:${location.column}  `;
  const shift = ' '.repeat(displayWidth(lead) + displayWidth(before));
  const underline = '~'.repeat(Math.max(1, displayWidth(marked)));
  return [`${lead}${before}${marked}${after}`.trimEnd(), `${shift}${underline}`];
}

/** The line in three pieces, cleaned apart so that the underline stays under what is wrong. */
function cut(location: Location, line: string): Record<'before' | 'marked' | 'after', string> {
  const start = Math.min(location.column - 1, line.length);
  const end = Math.min(start + location.length, line.length);
  const from = Math.max(0, start - contextBefore);
  const markEnd = Math.min(end, start + longestMark);
  const to = Math.min(line.length, markEnd + contextAfter);
  const before = show(line.slice(from, start));
  return {
    before: from > 0 ? `…${before}` : before.trimStart(),
    marked: show(line.slice(start, markEnd)),
    after: `${show(line.slice(markEnd, to))}${to < line.length ? '…' : ''}`,
  };
}

function show(piece: string): string {
  return cleanText(piece.replaceAll('\t', '  '), Number.POSITIVE_INFINITY).replaceAll('\n', ' ');
}

function indent(text: string): readonly string[] {
  return text === ''
    ? []
    : cleanText(text)
        .split('\n')
        .map((line) => `  ${line}`.trimEnd());
}
