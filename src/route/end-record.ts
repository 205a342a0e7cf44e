import { Transform } from 'node:stream';
import { joinNonce, type Nonce } from './elevate.ts';

const maxStatusBytes = 5;
const maxNoise = 4096;

/**
 * Tells how a shell ended where the way to it cannot: ssh(1) ends with status 255 for an error of
 * its own and for a command that ended so. A plain `sh` prints a word that it has begun, runs a
 * second `sh`, and prints the word again with that one's status. Without the last word the end is
 * unknown. A signal that ended the second shell shows as 128 and its number.
 */
export class EndRecord {
  readonly #nonce: Nonce;
  readonly #marker: Buffer;
  #held: Buffer = Buffer.alloc(0);
  #onBegun: () => void = () => {};
  #hasBegun = false;
  #noise = '';
  #status: number | null = null;
  /** Settles when the first shell has begun, and nothing that is sent is lost any more. */
  readonly begun: Promise<void>;

  constructor(nonce: Nonce) {
    this.#nonce = nonce;
    this.#marker = Buffer.from(joinNonce(nonce), 'latin1');
    this.begun = new Promise((resolve) => {
      this.#onBegun = resolve;
    });
  }

  /**
   * What the first shell is to read. It is one block, so that a text which is cut off runs nothing.
   * Nothing may follow it before `begun`: a shell reads its input in blocks.
   */
  get text(): string {
    const { first, second } = this.#nonce;
    const say = (format: string): string => `printf '%s%s ${format}\\n' ${first} ${second}`;
    return `{ ${say('begin')}; sh; ${say('%s')} "$?"; exit; }\n`;
  }

  /** The status that the second shell ended with, or null where that was not told. */
  get status(): number | null {
    return this.#status;
  }

  /** The last text that came before the first shell had begun; not cleaned. */
  get noise(): string {
    return this.#noise;
  }

  /** A stream that passes on what comes after the beginning, byte by byte, without our words. */
  filter(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => done(null, this.#pass(chunk)),
      flush: (done) => done(null, this.#split(this.#held)),
    });
  }

  #split(bytes: Buffer): Buffer {
    if (this.#hasBegun) {
      return bytes;
    }
    this.#noise = (this.#noise + bytes.toString('latin1')).slice(-maxNoise);
    return Buffer.alloc(0);
  }

  #pass(chunk: Buffer): Buffer {
    const marker = this.#marker;
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const passed: Buffer[] = [];
    for (let at = rest.indexOf(marker); at >= 0; at = rest.indexOf(marker)) {
      const end = rest.indexOf('\n', at + marker.length);
      if (end < 0 && rest.length - at - marker.length <= maxStatusBytes + 1) {
        this.#held = rest.subarray(at);
        return Buffer.concat([...passed, this.#split(rest.subarray(0, at))]);
      }
      const said = rest.toString('latin1', at + marker.length, end < 0 ? rest.length : end);
      const isOurs = /^ (?:begin|\d{1,5})$/.test(said);
      passed.push(this.#split(rest.subarray(0, isOurs ? at : at + marker.length)));
      rest = rest.subarray(isOurs ? end + 1 : at + marker.length);
      if (isOurs) {
        this.#read(said.trim());
      }
    }
    const keep = partOf(marker, rest);
    this.#held = rest.subarray(rest.length - keep);
    return Buffer.concat([...passed, this.#split(rest.subarray(0, rest.length - keep))]);
  }

  #read(word: string): void {
    if (word === 'begin') {
      this.#hasBegun = true;
      this.#onBegun();
    } else {
      this.#status = Number(word);
    }
  }
}

// How many bytes at the end of a text may be the beginning of the marker. All others go on at once.
function partOf(marker: Buffer, text: Buffer): number {
  for (let length = Math.min(marker.length - 1, text.length); length > 0; length -= 1) {
    if (text.subarray(text.length - length).equals(marker.subarray(0, length))) {
      return length;
    }
  }
  return 0;
}
