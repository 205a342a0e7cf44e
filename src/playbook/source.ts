import {
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Document,
  type LineCounter,
  type Node,
  type Pair,
} from 'yaml';
import type { Location } from '../core/diagnostic.ts';

/** The way to a value: keys and indexes from the root. */
export type Path = readonly PropertyKey[];

/** Finds places in the text of a playbook. */
export interface Source {
  readonly file: string;
  /** The place of a value, or of its key; of the nearest thing above where there is none. */
  at(path: Path, part?: 'key' | 'value'): Location;
  /** The place of a part of a text value, by offsets in that value. */
  within(path: Path, start: number, end: number): Location;
}

interface Text {
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
}

/** Where walking a path ended. */
interface Found {
  readonly complete: boolean;
  readonly key: Node | null;
  readonly value: Node | null;
}

/** Makes a `Source` of a parsed document. */
export function openSource(source: Text, document: Document): Source {
  const root = document.contents;
  return {
    file: source.file,
    at(path, part = 'value') {
      const found = find(root, path);
      const node = choose(found, part) ?? firstKey(root) ?? root;
      return node?.range
        ? rangeLocation(source, node.range[0], node.range[1])
        : rangeLocation(source, 0, 1);
    },
    within(path, start, end) {
      const { value } = find(root, path);
      const [from, to] =
        isScalar(value) && value.range ? inScalar(source.text, value, start, end) : [0, 1];
      return rangeLocation(source, from, to);
    },
  };
}

/** The place of a range of offsets; a range over several lines is cut at the first line's end. */
export function rangeLocation({ file, text, lines }: Text, start: number, end: number): Location {
  const { line, col } = lines.linePos(start);
  const lineStart = lines.lineStarts[Math.max(0, line - 1)] ?? 0;
  const newline = text.indexOf('\n', lineStart);
  const lineText = text.slice(lineStart, newline === -1 ? text.length : newline).replace(/\r$/, '');
  const column = Math.max(1, col);
  const length = Math.max(1, Math.min(end - start, lineText.length - column + 1));
  return { file, line: Math.max(1, line), column, length, lineText };
}

function find(root: Node | null, path: Path): Found {
  let key: Node | null = null;
  let value = root;
  for (const segment of path) {
    if (isMap(value)) {
      const pair: Pair | undefined = value.items.find((item) => keyText(item) === String(segment));
      if (pair === undefined) {
        return { complete: false, key, value };
      }
      key = pair.key as Node;
      value = pair.value as Node | null;
    } else if (isSeq(value) && typeof segment === 'number' && segment < value.items.length) {
      key = null;
      value = value.items[segment] as Node | null;
    } else {
      return { complete: false, key, value };
    }
  }
  return { complete: true, key, value };
}

/** The text of a pair's key, or null where it is not a scalar. */
export function keyText(pair: Pair): string | null {
  return isScalar(pair.key) ? String(pair.key.value) : null;
}

function choose({ complete, key, value }: Found, part: 'key' | 'value'): Node | null {
  if (!complete || part === 'key') {
    return key ?? firstKey(value) ?? value;
  }
  // Pointing at a block of many lines says less than pointing at its key; an empty value has no text.
  const empty = isScalar(value) && value.range?.[0] === value.range?.[1];
  const block = isCollection(value) && !value.flow;
  return value === null || empty || block ? (key ?? firstKey(value) ?? value) : value;
}

function firstKey(node: Node | null): Node | null {
  const pair = isMap(node) ? node.items[0] : undefined;
  return (pair?.key as Node | undefined) ?? null;
}

/** Offsets in the file for offsets in a scalar's value, which differ by quotes, escapes and folding. */
function inScalar(
  text: string,
  scalar: Node,
  start: number,
  end: number,
): readonly [number, number] {
  const [from, to] = scalar.range ?? [0, 1];
  const value = isScalar(scalar) && typeof scalar.value === 'string' ? scalar.value : '';
  const raw = text.slice(from, to);
  const verbatim = value === '' ? -1 : raw.indexOf(value);
  if (verbatim !== -1) {
    return [from + verbatim + start, from + verbatim + end];
  }
  const snippet = value.slice(start, end).split('\n', 1)[0] ?? '';
  const at = snippet === '' ? -1 : nthIndex(raw, snippet, countBefore(value, snippet, start));
  return at === -1 ? [from, to] : [from + at, from + at + snippet.length];
}

function countBefore(text: string, snippet: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf(snippet); at !== -1 && at < end; at = text.indexOf(snippet, at + 1)) {
    count += 1;
  }
  return count;
}

function nthIndex(text: string, snippet: string, n: number): number {
  let at = text.indexOf(snippet);
  for (let i = 0; i < n && at !== -1; i += 1) {
    at = text.indexOf(snippet, at + 1);
  }
  return at;
}
