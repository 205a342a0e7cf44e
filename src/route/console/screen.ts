import { withoutEscapes } from '../../core/clean.ts';
import { Mask } from './mask.ts';

const keptCharacters = 64 * 1024;
const maxUnfinished = 4096;
/** CUP, ECMA-48 8.3.21. */
const cursorPlace = /\u001b\[[0-9;]*[Hf]/;

/**
 * What a console shows, as text: escape sequences are taken out, line ends are made one kind, and the
 * last 64 Ki characters are kept. Nothing is ever answered: an answer would be typed input.
 */
export class Screen {
  readonly #mask: Mask;
  #text = '';
  /** The start of an escape sequence whose end has not come yet. */
  #unfinished = '';
  /** Characters that are not kept any more. */
  #dropped = 0;
  /** Where the cursor was last sent to a place of the screen, as a mark; -1: never. */
  #placedAt = -1;

  constructor(mask = new Mask()) {
    this.#mask = mask;
  }

  push(bytes: Buffer): void {
    const raw = this.#unfinished + bytes.toString('latin1');
    const open = openSequence(raw);
    const cut = open >= 0 && raw.length - open < maxUnfinished ? open : raw.length;
    this.#unfinished = raw.slice(cut);
    const whole = raw.slice(0, cut);
    if (cursorPlace.test(whole)) {
      this.#placedAt = this.mark;
    }
    const plain = withoutEscapes(whole);
    const lines = plain.replace(/\r+\n|\n\r/g, '\n').replace(/\r/g, '\n');
    const all = this.#text + lines.replace(/[^\n\t -~]/g, '');
    this.#text = all.slice(-keptCharacters);
    this.#dropped += all.length - this.#text.length;
  }

  /** A place in the text, for `since`. */
  get mark(): number {
    return this.#dropped + this.#text.length;
  }

  /** What came after a mark. */
  since(mark: number): string {
    return this.#text.slice(Math.max(0, mark - this.#dropped));
  }

  /** The last line that shows anything, where nothing but blanks came after it. */
  get lastLine(): string {
    return this.#text.trimEnd().split('\n').at(-1) ?? '';
  }

  /** The last lines, to be read by us: secrets may be in them. */
  lastLines(count: number): string {
    return lastLines(this.#text, count);
  }

  /** The last lines, for a message: no secret is in them. */
  shown(count: number): string {
    return lastLines(this.#mask.of(this.#text), count);
  }

  /** True where something was drawn after a mark: a shell answers Enter by lines alone. */
  drewSince(mark: number): boolean {
    return this.#placedAt >= mark;
  }

  /** True where a full-screen program draws: an editor or a pager. */
  get isDrawn(): boolean {
    const lines = this.#text.split('\n').slice(-40);
    return lines.filter((line) => /^~\s*$/.test(line)).length >= 5;
  }
}

function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n');
}

/** Where an escape sequence begins that is not finished; -1 where there is none. */
function openSequence(text: string): number {
  const at = text.lastIndexOf('\u001b');
  if (at < 0) {
    return -1;
  }
  const rest = text.slice(at);
  const ended =
    /^\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007]*\u0007|\\|[ -/]*[0-OQ-WYZ`-~])/.test(rest);
  const begun = text.slice(0, at).match(/\u001b[\]PX^_][^\u0007\u001b]*$/);
  if (rest === '\u001b' && begun !== null && begun.index !== undefined) {
    return begun.index;
  }
  return ended ? -1 : at;
}
