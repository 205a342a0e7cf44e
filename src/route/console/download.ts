import { LinkLost } from './answers.ts';
import { mostSilent } from './pace.ts';
import type { Talk } from './talk.ts';

const linesWithAnswer = 8;
const linesAtOnce = 32;
const rangesAtOnce = 6;
const leastGapMs = 300;

/** What is fetched: the words that name it, how many lines it has, and the question that was answered. */
export interface Pack {
  readonly what: readonly string[];
  readonly count: number;
  readonly sequence: string;
}

/** Lines by their numbers, without a gap. */
interface Range {
  readonly first: number;
  readonly last: number;
}

/**
 * The text of a pack: the lines that came with the answer, then those that are missing, asked for again.
 *
 * @param mayGiveUp true where shorter lines could still be asked for: null then where most are lost.
 * @throws LinkLost
 */
export async function fetchText(
  talk: Talk,
  { what, count, sequence }: Pack,
  mayGiveUp: boolean,
): Promise<{ readonly text: string; readonly clean: boolean } | null> {
  const lines = new Map<number, string>();
  let request = { sequence, last: Math.min(linesWithAnswer, count) };
  let barren = 0;
  let clean = true;
  while (lines.size < count) {
    const before = lines.size;
    const answered = await collect(talk, lines, request.sequence, talk.patience(barren));
    barren = lines.size > before ? 0 : barren + 1;
    if (barren >= mostSilent) {
      throw new LinkLost('the host does not answer any more', false);
    }
    if (barren >= 2 && answered && mayGiveUp) {
      return null;
    }
    const missing = missingOf(lines, count, barren > 0 ? linesWithAnswer : linesAtOnce);
    const [first] = missing;
    if (first !== undefined) {
      clean &&= first.first > request.last;
      request = { sequence: talk.next(), last: missing.at(-1)?.last ?? 0 };
      const ranges = missing.map((range) => `${range.first}-${range.last}`);
      talk.say(['l', request.sequence, ...what, ...ranges], !answered);
    }
  }
  const text = Array.from({ length: count }, (_, at) => lines.get(at + 1) ?? '').join('');
  return { text, clean };
}

/** Collects the lines of one request until its end is told; false where nothing came at all. */
async function collect(
  talk: Talk,
  lines: Map<number, string>,
  sequence: string,
  patienceMs: number,
): Promise<boolean> {
  let waitMs = patienceMs;
  let last: number | null = null;
  let longestGap = 0;
  for (;;) {
    const answer = await talk.answers.next(
      ({ verb, words }) => 'DN'.includes(verb) || (verb === 'Z' && words[0] === sequence),
      waitMs,
    );
    if (answer?.verb !== 'D') {
      return last !== null || answer !== null;
    }
    lines.set(Number(answer.words[0]), answer.words[1] ?? '');
    // The word that ends them may be lost: what comes no more is not waited for.
    const now = performance.now();
    longestGap = Math.max(longestGap, last === null ? 0 : now - last);
    waitMs = Math.max(leastGapMs, last === null ? 2 * patienceMs : 3 * longestGap);
    last = now;
  }
}

/** The lines that are missing, from the first one on: at most so many, in as many ranges as a request takes. */
function missingOf(lines: ReadonlyMap<number, string>, count: number, most: number): Range[] {
  const ranges: Range[] = [];
  let left = most;
  for (let at = 1; at <= count && left > 0; at += 1) {
    const before = ranges.at(-1);
    if (lines.has(at)) {
      continue;
    }
    if (before?.last === at - 1) {
      ranges[ranges.length - 1] = { first: before.first, last: at };
    } else if (ranges.push({ first: at, last: at }) === rangesAtOnce) {
      break;
    }
    left -= 1;
  }
  return ranges;
}
