import type { AgentOptions } from './agent.ts';
import { Forgotten, LinkLost } from './answers.ts';
import { Portion, type DeliveryWay } from './deliver.ts';
import { fetchText } from './download.ts';
import { downFrame, type UpFrame } from './frame.ts';
import type { Line } from './line.ts';
import { interrupt, loadAgent } from './loader.ts';
import { digestBy, pack, unpack } from './pack.ts';
import { Talk, type AgentFacts } from './talk.ts';
import { sendText } from './upload.ts';
import { randomWord } from './word.ts';

/** What has become of a program, and what it has said since. */
export interface Progress {
  readonly state: 'none' | 'running' | number;
  /** Bytes that the stream has in all, as far as it is now. */
  readonly size: number;
  /** The bytes from where was asked; maybe not all that are there. */
  readonly bytes: Buffer;
}

/** Characters of one line of output. */
const [shortestLine, longestLine] = [55, 440];
const starts = 6;
const uploads = 3;
/** So often something is said that nobody can wait long for. */
const lastAsks = 5;

/** Works with the agent behind a console: starts it, brings it programs, and fetches what they say. */
export class AgentLink {
  readonly #options: Omit<AgentOptions, 'nonce'>;
  readonly #talk: Talk;
  readonly #portion = new Portion();
  #width = longestLine;

  constructor(line: Line, options: Omit<AgentOptions, 'nonce'>) {
    this.#options = options;
    this.#talk = new Talk(line);
  }

  /** What the agent has to work with. @throws LinkLost before `start`. */
  get tools(): AgentFacts {
    return this.#talk.facts;
  }

  /** Stops to listen. */
  end(): void {
    this.#talk.answers.end();
  }

  /** Does something with the agent that ends with `Interrupted` as soon as the signal says so. */
  async heed<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return this.#talk.answers.heed(signal, work);
  }

  /**
   * Starts an agent in the shell that reads the line now.
   *
   * @throws LinkLost where none could be started.
   */
  async start(): Promise<void> {
    for (let attempt = 0; attempt < starts; attempt += 1) {
      if (attempt > 0) {
        await interrupt(this.#way);
      }
      const nonce = randomWord();
      this.#talk.meet(nonce, null);
      const hello = await loadAgent(this.#way, { nonce, ...this.#options });
      if (hello === null) {
        break;
      }
      if (await this.#prove(nonce, hello)) {
        this.#width = Math.min(this.#width, Math.max(shortestLine, this.#portion.data));
        return;
      }
    }
    this.#talk.answers.check();
    throw new LinkLost('no agent could be started in the shell', false);
  }

  /**
   * Finds the agent again after silence: a question to it, then a new one in its place.
   *
   * @throws LinkLost
   */
  async resync(): Promise<void> {
    const { line, answers } = this.#talk;
    answers.check();
    line.drop();
    line.type('\r');
    if ((await this.#talk.ask('p', [], 'P', 5)) === null) {
      await interrupt(this.#way);
      await this.start();
    }
  }

  /**
   * Brings a program to the host and checks that it is whole. Nothing is sent twice that is there.
   *
   * @throws LinkLost; also where the host has no room.
   */
  async upload(key: string, bytes: Buffer): Promise<void> {
    const { facts } = this.#talk;
    const { format, text } = pack(bytes, facts);
    for (let attempt = 0; attempt < uploads; attempt += 1) {
      const begun = await this.#talk.sure('n', [key], 'A');
      if (begun.words[1] !== 'whole') {
        const from = Number(begun.words[1] ?? 0);
        await sendText(this.#talk, this.#portion, key, { text, from });
      }
      const digest = digestBy(facts.digests, bytes);
      const whole = await this.#talk.sure('w', [key, format, digest], 'W');
      if (whole.words[1] === 'ok') {
        return;
      }
    }
    throw new LinkLost('the program did not arrive whole', false);
  }

  /** Starts a program that was brought; once only, however often it is asked. */
  async begin(key: string): Promise<void> {
    const begun = await this.#talk.sure('r', [key], 'R');
    if (begun.words[1] !== 'ok') {
      throw new Forgotten('the host does not know the program any more');
    }
  }

  /** How far a program is, with what it has said from the byte `from` on. */
  async progress(key: string, stream: 'out' | 'err', from: number): Promise<Progress> {
    for (;;) {
      const width = this.#width;
      const asked = [key, stream, String(from)];
      const answer = await this.#talk.sure('g', [...asked, String(width)], 'G');
      const [sequence = '', state = '', size = '', bytes = '', lines = '', digest = ''] =
        answer.words;
      const what = [...asked, bytes, String(width)];
      const wanted = { what, count: Number(lines), sequence };
      const fetched = await fetchText(this.#talk, wanted, width > shortestLine);
      if (fetched === null) {
        this.#width = Math.max(shortestLine, Math.floor(width / 2));
        continue;
      }
      this.#width = fetched.clean ? Math.min(longestLine, width + shortestLine) : width;
      return {
        // Empty where the host had no room to write it.
        state: state === 'running' ? state : /^\d+$/.test(state) ? Number(state) : 'none',
        size: Number(size),
        bytes: this.#unpacked(fetched.text, digest),
      };
    }
  }

  /** Ends a program, where it still runs; false where nobody says that it has. @throws LinkLost */
  async kill(key: string): Promise<boolean> {
    return (await this.#talk.ask('k', [key], 'K', lastAsks)) !== null;
  }

  /** Says that nobody wants a program and its output any more. @throws LinkLost */
  async clear(key: string): Promise<void> {
    await this.#talk.ask('c', [key], 'C', lastAsks);
  }

  /**
   * Ends the agent, and with `bye` the shell that it ran in, so that there is no moment without a guard.
   * Else that shell reads the line again.
   */
  async finish(bye: 'bye' | 'stay'): Promise<void> {
    await this.#talk.ask('e', [bye], 'E', 3);
  }

  // A good line must be answered, and a bad one refused: else what looks like an agent is none.
  async #prove(nonce: string, hello: UpFrame): Promise<boolean> {
    const talk = this.#talk;
    const facts = toFacts(hello);
    if (facts === null) {
      return false;
    }
    talk.meet(nonce, facts);
    if ((await talk.ask('p', [], 'P', 8)) === null) {
      return false;
    }
    for (let silent = 0; silent < 8; silent += 1) {
      talk.line.type(`${downFrame(facts.check, ['p', '0']).replace('p 0', 'p 1')}\r`);
      const answer = await talk.answers.next(
        ({ verb, words }) => verb === 'N' || (verb === 'P' && words[0] === '1'),
        talk.patience(silent),
      );
      if (answer !== null) {
        return answer.verb === 'N';
      }
    }
    return false;
  }

  get #way(): DeliveryWay {
    const { line, answers, pace } = this.#talk;
    return { line, answers, pace, portion: this.#portion };
  }

  #unpacked(text: string, digest: string): Buffer {
    const { facts } = this.#talk;
    const bytes = text === '' ? Buffer.alloc(0) : unpack(text, facts);
    if (bytes === null || (text !== '' && digestBy(facts.digests, bytes) !== digest)) {
      throw new LinkLost('what the host sent is not what it meant to send', false);
    }
    return bytes;
  }
}

function toFacts({ words }: UpFrame): AgentFacts | null {
  const [, check, encodes, decodes, gzip, digests, uid = '', folder = ''] = words;
  return (check === 'cksum' || check === 'sum') &&
    (encodes === 'b64' || encodes === 'hex') &&
    (decodes === 'b64' || decodes === 'oct') &&
    (digests === 'sha256' || digests === 'cksum' || digests === 'length') &&
    /^\d{1,10}$/.test(uid)
    ? {
        check,
        encodes,
        decodes,
        gzip: gzip === 'gz',
        digests,
        uid: Number(uid),
        folder: folder.startsWith('/') ? folder : null,
      }
    : null;
}
