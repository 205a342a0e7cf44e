import { LinkLost } from './answers.ts';
import { mostSilent, type Talk } from './talk.ts';

const linesWithAnswer = 8;
const linesAtOnce = 32;
const endMs = 300;

/** What is fetched: the words that name it, how many lines it has, and the question that was answered. */
export interface Pack {
  readonly what: readonly string[];
  readonly count: number;
  readonly sequence: string;
}

interface Request {
  readonly sequence: string;
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
  let request: Request = { sequence, last: Math.min(linesWithAnswer, count) };
  let barren = 0;
  let clean = true;
  while (lines.size < count) {
    const before = lines.size;
    const answered = await collect(talk, lines, request, talk.patience(barren));
    barren = lines.size > before ? 0 : barren + 1;
    if (barren >= mostSilent) {
      throw new LinkLost('the host does not answer any more', false);
    }
    if (barren >= 2 && answered && mayGiveUp) {
      return null;
    }
    const missing = missingOf(lines, count);
    const [first] = missing;
    if (first !== undefined) {
      clean &&= first > request.last;
      const most = barren > 0 ? linesWithAnswer : linesAtOnce;
      request = { sequence: talk.next(), last: lastOfRun(missing, most) };
      talk.say(['l', request.sequence, ...what, String(first), String(request.last)], !answered);
    }
  }
  const text = Array.from({ length: count }, (_, at) => lines.get(at + 1) ?? '').join('');
  return { text, clean };
}

/** Collects the lines of one request until its end is told; false where nothing came at all. */
async function collect(
  talk: Talk,
  lines: Map<number, string>,
  { sequence, last }: Request,
  patienceMs: number,
): Promise<boolean> {
  let waitMs = patienceMs;
  let came = false;
  for (;;) {
    const answer = await talk.answers.next(
      ({ verb, words }) => verb === 'D' || (verb === 'Z' && words[0] === sequence),
      waitMs,
    );
    if (answer?.verb !== 'D') {
      return came || answer !== null;
    }
    came = true;
    lines.set(Number(answer.words[0]), answer.words[1] ?? '');
    // The word that ends them may be lost.
    waitMs = Number(answer.words[0]) === last ? Math.min(patienceMs, endMs) : patienceMs;
  }
}

function missingOf(lines: ReadonlyMap<number, string>, count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1).filter((at) => !lines.has(at));
}

/** The last of the numbers that follow the first one without a gap, at most so many. */
function lastOfRun(numbers: readonly number[], most: number): number {
  const first = numbers[0] ?? 0;
  const gap = numbers.findIndex((number, at) => number !== first + at);
  const length = gap < 0 ? numbers.length : gap;
  return first + Math.min(length, most) - 1;
}
