import { StringDecoder } from 'node:string_decoder';
import { cleanText } from '../core/clean.ts';
import type { Part } from '../facts/fact.ts';
import { partCap } from './observe.ts';

/** Most that is kept of one stream, in bytes. A host that sends more is not listened to. */
export const streamCap = 64 * 1024 * 1024;

/** As of a tool that could not write all it had to say. */
const sigpipeStatus = 141;

/** Says why a stream cannot be used. */
export type StreamProblem = 'too-much' | 'cut-off' | 'forged';

/**
 * Collects the parts of an observation from the host's output. Noise outside the records is dropped
 * as it comes, so that it costs no memory; a record that breaks the order of the frames is forged.
 */
export class RecordReader {
  readonly #token: Buffer;
  readonly #count: number;
  readonly #chunks: Buffer[] = [];
  #kept = 0;
  #started = false;
  #tail = Buffer.alloc(0);
  #tooMuch = false;

  /**
   * @param token the run's token.
   * @param count how many parts the observation has.
   */
  constructor(token: string, count: number) {
    this.#token = Buffer.from(`${token} B 0`);
    this.#count = count;
  }

  /** True once the host has sent more than is listened to: the run can be ended. */
  get isFull(): boolean {
    return this.#tooMuch;
  }

  /** Takes a chunk of output. */
  push(chunk: Buffer): void {
    if (this.#started) {
      this.#keep(chunk);
      return;
    }
    const joined = Buffer.concat([this.#tail, chunk]);
    const at = joined.indexOf(this.#token);
    if (at >= 0) {
      this.#started = true;
      this.#tail = Buffer.alloc(0);
      this.#keep(joined.subarray(at));
    } else {
      this.#tail = Buffer.from(joined.subarray(Math.max(0, joined.length - this.#token.length)));
    }
  }

  #keep(chunk: Buffer): void {
    this.#kept += chunk.length;
    if (this.#kept > streamCap) {
      this.#tooMuch = true;
      this.#chunks.length = 0;
    } else if (!this.#tooMuch) {
      this.#chunks.push(chunk);
    }
  }

  /** The parts by number, or what is wrong with the stream. */
  finish(): ReadonlyMap<number, Part> | StreamProblem {
    if (this.#tooMuch) {
      return 'too-much';
    }
    return this.#started
      ? parseFrames(Buffer.concat(this.#chunks), this.#token, this.#count)
      : 'cut-off';
  }
}

function parseFrames(
  stream: Buffer,
  first: Buffer,
  count: number,
): ReadonlyMap<number, Part> | StreamProblem {
  const token = first.toString('latin1').split(' ')[0] ?? '';
  const parts = new Map<number, Part>();
  let at = 0;
  for (let number = 0; number < count; number += 1) {
    const begin = frame(stream, `${token} B ${number}`, at);
    const status = begin === null ? null : frame(stream, `${token} X ${number} `, begin.after);
    const end = status === null ? null : frame(stream, `${token} Z ${number}`, status.after);
    if (begin === null || status === null || end === null) {
      return 'cut-off';
    }
    const output = stream.subarray(begin.after, status.start);
    const errors = stream.subarray(status.after, end.start);
    if ([stream.subarray(at, begin.start), output, errors].some((piece) => piece.includes(token))) {
      return 'forged';
    }
    parts.set(
      number,
      toPart(begin.crlf ? withoutCarriageReturns(output) : output, status.rest, errors),
    );
    at = end.after;
  }
  const done = frame(stream, `${token} done`, at);
  return done === null
    ? 'cut-off'
    : stream.subarray(at, done.start).includes(token)
      ? 'forged'
      : parts;
}

interface Frame {
  readonly start: number;
  readonly after: number;
  readonly rest: string;
  /** True where a terminal ended the line with CR LF. */
  readonly crlf: boolean;
}

// A frame is a whole line; the newline before it belongs to the frame, not to the output. A terminal
// on the way may have turned the newlines into CR LF.
function frame(stream: Buffer, line: string, from: number): Frame | null {
  for (
    let at = stream.indexOf(line, from, 'latin1');
    at >= 0;
    at = stream.indexOf(line, at + 1, 'latin1')
  ) {
    const end = stream.indexOf(10, at);
    const crlf = end > at && stream[end - 1] === 13;
    const rest = stream
      .subarray(at + line.length, Math.max(end - (crlf ? 1 : 0), at))
      .toString('latin1');
    if (end >= 0 && (line.endsWith(' ') || rest === '')) {
      const newline = at > from && stream[at - 1] === 10 ? 1 : 0;
      const carriage = crlf && newline === 1 && at - 1 > from && stream[at - 2] === 13 ? 1 : 0;
      return { start: at - newline - carriage, after: end + 1, rest, crlf };
    }
  }
  return null;
}

function withoutCarriageReturns(output: Buffer): Buffer {
  return Buffer.from(output.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}

function toPart(output: Buffer, statusText: string, errors: Buffer): Part {
  const said = /^\d{1,3}$/.test(statusText) ? Number(statusText) : 255;
  const cut = output.length >= partCap;
  const kept = output.subarray(0, partCap);
  const errorText = new StringDecoder('utf8').write(errors);
  return {
    text: new StringDecoder('utf8').end(kept),
    latin1: kept.toString('latin1'),
    errors: cleanText(errorText).trim(),
    // Nobody may take it for the whole.
    status: cut && said === 0 ? sigpipeStatus : said,
    cut,
  };
}
