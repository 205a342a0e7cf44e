import { globMatches, includePattern } from './sshd-glob.ts';
import { parseDirective, type Directive } from './sshd-words.ts';
import type { SshdConfig } from './sshd-config.ts';

/** A `Match` line that lines stand under. */
export interface MatchBlock {
  readonly file: string;
  readonly line: number;
  /** The words behind `Match`. */
  readonly criteria: readonly string[];
  /** The block in which the file of this one is included; both must match. */
  readonly outer: MatchBlock | null;
}

/** One line of the configuration that says something, as sshd reads it. */
export interface ConfigLine {
  readonly file: string;
  /** 1-based, counted as people do: by newlines. */
  readonly line: number;
  /** Lower case, as it is written: see `canonicalKeyword`. */
  readonly keyword: string;
  readonly args: readonly string[];
  /** All behind the keyword. */
  readonly rest: string;
  /** The whole line without its newline. */
  readonly raw: string;
  /** The block that it stands in; a `Match` line itself is in the block it opens. */
  readonly match: MatchBlock | null;
  /** Why sshd refuses the form of the line. */
  readonly fault: Directive['fault'] | 'depth';
  /** For an `Include` line: a pattern of which nobody looked up the files. */
  readonly unfollowed?: string;
}

/** How deep Includes may nest (SERVCONF_MAX_DEPTH of servconf.c). */
const maxDepth = 16;

/** A bound for trees that include a file over and over. */
const maxLines = 50_000;

/**
 * Every line in the order sshd reads it, each Include followed by what it finds. A Match in an included
 * file ends with that file.
 */
export function configLines(config: SshdConfig): readonly ConfigLine[] {
  const lines: ConfigLine[] = [];
  readInto(lines, config, config.main, null, 0);
  return lines;
}

function readInto(
  lines: ConfigLine[],
  config: SshdConfig,
  path: string,
  outer: MatchBlock | null,
  depth: number,
): void {
  const file = config.files.find((one) => one.path === path);
  let match = outer;
  for (const { line, text } of physicalLines(file?.text ?? '')) {
    const directive = parseDirective(text, config.version);
    if (directive === null || lines.length >= maxLines) {
      continue;
    }
    if (directive.keyword === 'match') {
      match = { file: path, line, criteria: directive.args, outer };
    }
    const entry = { file: path, line, raw: text, match, ...directive };
    if (directive.keyword !== 'include' || directive.fault !== null) {
      lines.push(entry);
      continue;
    }
    const patterns = directive.args.map(includePattern);
    const strange = patterns.find((one) => !config.includes.some(({ pattern }) => pattern === one));
    lines.push({
      ...entry,
      ...(depth >= maxDepth ? { fault: 'depth' as const } : {}),
      ...(strange === undefined ? {} : { unfollowed: strange }),
    });
    if (depth < maxDepth) {
      patterns
        .flatMap((pattern) => foundBy(config, pattern))
        .forEach((found) => readInto(lines, config, found, match, depth + 1));
    }
  }
}

/** The files that an Include pattern finds. */
export function foundBy(config: SshdConfig, pattern: string): readonly string[] {
  const looked = config.includes.find((one) => one.pattern === pattern);
  return looked === undefined
    ? config.files.map(({ path }) => path).filter((path) => globMatches(pattern, path))
    : looked.files.filter((path) => globMatches(pattern, path));
}

/**
 * Lines by number. sshd reads them as C strings: what stands behind a NUL byte is lost, its newline
 * too, so that the next line continues this one.
 */
export function physicalLines(text: string): { readonly line: number; readonly text: string }[] {
  const found: { line: number; text: string }[] = [];
  let carried: { line: number; text: string } | null = null;
  for (const [index, raw] of text.split('\n').entries()) {
    const end = raw.indexOf('\0');
    const part: string = (carried?.text ?? '') + (end < 0 ? raw : raw.slice(0, end));
    const line: number = carried?.line ?? index + 1;
    carried = end < 0 ? null : { line, text: part };
    if (end < 0) {
      found.push({ line, text: part });
    }
  }
  return carried === null ? found : [...found, carried];
}
