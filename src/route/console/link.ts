import { randomBytes } from 'node:crypto';
import type { AgentOptions } from './agent.ts';
import { Answers, LinkLost } from './answers.ts';
import type { CheckKind } from './check.ts';
import { downFrame, type UpFrame } from './frame.ts';
import type { Line } from './line.ts';
import { loadAgent } from './loader.ts';
import { digestBy, pack, unpack, type AgentTools } from './pack.ts';

/** What has become of a program, and what it has said since. */
export interface Progress {
  readonly state: 'none' | 'running' | number;
  /** Bytes that the stream has in all, as far as it is now. */
  readonly size: number;
  /** The bytes from where was asked; maybe not all that are there. */
  readonly bytes: Buffer;
}

interface AgentFacts extends AgentTools {
  readonly check: CheckKind;
  readonly uid: number;
}

/** Characters on their way that nobody has answered for: a terminal's buffer takes 4095. */
const maxInFlight = 2300;
const [shortestData, longestData] = [64, 512];
const [shortestLine, longestLine] = [55, 440];
const firstAnswerMs = 5000;
const longestAnswerMs = 30_000;
const leastPatienceMs = 300;
const tries = 10;
const starts = 60;

/** Talks to the agent behind a console, in checked lines that are sent again until they are answered. */
export class AgentLink {
  readonly #line: Line;
  readonly #options: Omit<AgentOptions, 'nonce'>;
  readonly #answers: Answers;
  #facts: AgentFacts | null = null;
  #rttMs: number | null = null;
  #sequence = 0;
  #data = longestData;
  #window = 1;
  #width = longestLine;

  constructor(line: Line, options: Omit<AgentOptions, 'nonce'>) {
    this.#line = line;
    this.#options = options;
    this.#answers = new Answers(line);
  }

  /** Stops to listen. */
  end(): void {
    this.#answers.end();
  }

  /**
   * Starts an agent in the shell that reads the line now.
   *
   * @throws LinkLost where none could be started.
   */
  async start(): Promise<void> {
    for (let attempt = 0; attempt < starts; attempt += 1) {
      if (attempt > 0) {
        await this.#interrupt();
      }
      const nonce = randomBytes(6).toString('hex');
      this.#answers.hear(nonce, null);
      const hello = await loadAgent(
        {
          line: this.#line,
          answers: this.#answers,
          // A loader that was damaged says nothing; now and then a slow line is waited for.
          firstMs: attempt % 8 === 0 ? firstAnswerMs : firstAnswerMs / 5,
        },
        { nonce, ...this.#options },
      );
      if (hello !== null && (await this.#prove(nonce, hello))) {
        return;
      }
      this.#answers.check();
    }
    throw new LinkLost('no agent could be started in the shell', false);
  }

  /**
   * Finds the agent again after silence: a question to it, then a new one in its place.
   *
   * @throws LinkLost
   */
  async resync(): Promise<void> {
    this.#answers.check();
    this.#line.drop();
    this.#line.type('\r');
    if ((await this.#ask('p', [], 'P', 2)) === null) {
      this.#answers.check();
      await this.start();
    }
  }

  /**
   * Brings a program to the host and checks that it is whole. Nothing is sent twice that is there.
   *
   * @throws LinkLost; also where the host has no room.
   */
  async upload(key: string, bytes: Buffer): Promise<void> {
    const facts = this.#known();
    const { format, text } = pack(bytes, facts);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const begun = await this.#sure('n', [key], 'A');
      if (begun.words[1] !== 'whole') {
        await this.#send(key, text, Number(begun.words[1] ?? 0));
      }
      const whole = await this.#sure('w', [key, format, digestBy(facts.digests, bytes)], 'W');
      if (whole.words[1] === 'ok') {
        return;
      }
    }
    throw new LinkLost('the program did not arrive whole', false);
  }

  /** Starts a program that was brought; once only, however often it is asked. */
  async begin(key: string): Promise<void> {
    const begun = await this.#sure('r', [key], 'R');
    if (begun.words[1] !== 'ok') {
      throw new LinkLost('the program is not on the host any more', true);
    }
  }

  /** How far a program is, with what it has said from the byte `from` on. */
  async progress(key: string, stream: 'out' | 'err', from: number): Promise<Progress> {
    for (;;) {
      const what = [key, stream, String(from)];
      const answer = await this.#sure('g', [...what, String(this.#width)], 'G');
      const [begun = '', state = '', size = '', count = '', lines = '', digest = ''] = answer.words;
      const text = await this.#fetch([...what, count, String(this.#width)], Number(lines), begun);
      if (text === null) {
        this.#width = Math.max(shortestLine, Math.floor(this.#width / 2));
        continue;
      }
      return {
        state: state === 'running' || state === 'none' ? state : Number(state),
        size: Number(size),
        bytes: this.#unpacked(text, digest),
      };
    }
  }

  /** Ends a program, where it still runs. */
  async kill(key: string): Promise<void> {
    await this.#sure('k', [key], 'K');
  }

  /** Says that nobody wants a program and its output any more. */
  async clear(key: string): Promise<void> {
    await this.#sure('c', [key], 'C');
  }

  /** Ends the agent; the shell that it ran in reads the line again. */
  async finish(): Promise<void> {
    await this.#ask('e', [], 'E', 3);
  }

  // A good line must be answered, and a bad one refused: else what looks like an agent is none.
  async #prove(nonce: string, hello: UpFrame): Promise<boolean> {
    this.#facts = toFacts(hello);
    if (this.#facts === null) {
      return false;
    }
    this.#answers.hear(nonce, this.#facts.check);
    if ((await this.#ask('p', [], 'P', 4)) === null) {
      return false;
    }
    for (let silent = 0; silent < 4; silent += 1) {
      const bad = downFrame(this.#facts.check, ['p', '0']).replace('p 0', 'p 1');
      this.#line.type(`${bad}\r`);
      const answer = await this.#answers.next(
        ({ verb, words }) => verb === 'N' || (verb === 'P' && words[0] === '1'),
        this.#patience(silent),
      );
      if (answer !== null) {
        return answer.verb === 'N';
      }
    }
    return false;
  }

  /** Brings the shell back to its prompt, whatever reads the line. */
  async #interrupt(): Promise<void> {
    this.#line.drop();
    this.#line.type('\u0003');
    await this.#answers.quiet(200);
    this.#line.type('\r');
    await this.#answers.quiet(200);
    this.#answers.drop();
    this.#answers.check();
  }

  // Goes back to what was answered; smaller and fewer where lines are lost, more where they are not.
  async #send(key: string, text: string, from: number): Promise<void> {
    const { check } = this.#known();
    let acknowledged = from;
    let sent = from;
    // After going back, an answer may still come to what was sent before.
    let highest = from;
    let silent = 0;
    let clean = 0;
    this.#answers.drop();
    while (acknowledged < text.length) {
      const room = Math.min(this.#window * this.#data, maxInFlight);
      while (sent < text.length && sent - acknowledged < room) {
        const data = text.slice(sent, sent + this.#data);
        this.#line.type(`${downFrame(check, ['u', key, String(sent), data])}\r`);
        sent += data.length;
      }
      highest = Math.max(highest, sent);
      const asked = performance.now();
      const answer = await this.#answers.next(
        ({ verb }) => verb === 'A' || verb === 'N' || verb === 'F',
        this.#patience(silent),
      );
      if (answer?.verb === 'F') {
        throw new LinkLost('there is no room on the host for the program', true);
      }
      const offset = acknowledgement(answer, key, acknowledged, highest);
      if (offset !== null && offset > acknowledged) {
        acknowledged = offset;
        sent = Math.max(sent, offset);
        silent = 0;
        clean += 1;
        this.#learn(performance.now() - asked);
        this.#window = Math.min(4, this.#window + 1);
        this.#data = clean % 32 === 0 ? Math.min(longestData, this.#data * 2) : this.#data;
        continue;
      }
      if (offset !== null) {
        continue;
      }
      silent = answer === null ? silent + 1 : 0;
      if (silent >= tries) {
        throw new LinkLost('the host does not answer any more', false);
      }
      // What is on its way behind a damaged line is refused, too: it is let go by first.
      await this.#answers.quiet(answer === null ? 0 : Math.min(150, this.#rttMs ?? 150));
      this.#answers.drop();
      this.#line.type('\r');
      clean = 0;
      this.#data = Math.max(shortestData, Math.floor(this.#data / 2));
      this.#window = 1;
      sent = acknowledged;
    }
  }

  /**
   * The text of a pack: the lines that came with the answer, then those that are missing, asked for
   * again. Null where most are lost: shorter ones may get through.
   */
  async #fetch(what: readonly string[], count: number, begun: string): Promise<string | null> {
    const { check } = this.#known();
    const lines = new Map<number, string>();
    let request = { sequence: begun, last: Math.min(8, count) };
    let barren = 0;
    while (lines.size < count) {
      const before = lines.size;
      const answered = await this.#collect(lines, request, this.#patience(barren));
      barren = lines.size > before ? 0 : barren + 1;
      if (barren >= tries) {
        throw new LinkLost('the host does not answer any more', false);
      }
      if (barren >= 2 && answered && this.#width > shortestLine) {
        return null;
      }
      const missing = missingOf(lines, count);
      const [first] = missing;
      if (first !== undefined) {
        request = { sequence: this.#next(), last: lastOfRun(missing, barren > 0 ? 8 : 32) };
        const words = ['l', request.sequence, ...what, String(first), String(request.last)];
        this.#line.type(`${answered ? '' : '\r'}${downFrame(check, words)}\r`);
      }
    }
    if (barren === 0) {
      this.#width = Math.min(longestLine, this.#width + shortestLine);
    }
    return Array.from({ length: count }, (_, at) => lines.get(at + 1) ?? '').join('');
  }

  /** Collects the lines of one request until its end is told; false where nothing came at all. */
  async #collect(
    lines: Map<number, string>,
    { sequence, last }: { readonly sequence: string; readonly last: number },
    patienceMs: number,
  ): Promise<boolean> {
    let waitMs = patienceMs;
    let came = false;
    for (;;) {
      const answer = await this.#answers.next(
        ({ verb, words }) => verb === 'D' || (verb === 'Z' && words[0] === sequence),
        waitMs,
      );
      if (answer?.verb !== 'D') {
        return came || answer !== null;
      }
      came = true;
      lines.set(Number(answer.words[0]), answer.words[1] ?? '');
      // The word that ends them may be lost.
      waitMs = Number(answer.words[0]) === last ? Math.min(patienceMs, 300) : patienceMs;
    }
  }

  #unpacked(text: string, digest: string): Buffer {
    const facts = this.#known();
    const bytes = text === '' ? Buffer.alloc(0) : unpack(text, facts);
    if (bytes === null || (text !== '' && digestBy(facts.digests, bytes) !== digest)) {
      throw new LinkLost('what the host sent is not what it meant to send', false);
    }
    return bytes;
  }

  /** Asks until there is an answer. @throws LinkLost */
  async #sure(verb: string, words: readonly string[], answerVerb: string): Promise<UpFrame> {
    const answer = await this.#ask(verb, words, answerVerb, tries);
    if (answer === null) {
      throw new LinkLost('the host does not answer any more', false);
    }
    return answer;
  }

  async #ask(
    verb: string,
    words: readonly string[],
    answerVerb: string,
    times: number,
  ): Promise<UpFrame | null> {
    const { check } = this.#known();
    const sequence = this.#next();
    const id = answerVerb === 'A' ? words[0] : sequence;
    this.#answers.drop();
    let silent = 0;
    for (let attempt = 0; silent < times && attempt < 8 * times; attempt += 1) {
      const asked = performance.now();
      const again = attempt > 0 ? '\r' : '';
      this.#line.type(`${again}${downFrame(check, [verb, sequence, ...words])}\r`);
      const answer = await this.#answers.next(
        (frame) => frame.verb === 'N' || (frame.verb === answerVerb && frame.words[0] === id),
        this.#patience(silent),
      );
      if (answer !== null && answer.verb !== 'N') {
        this.#learn(performance.now() - asked);
        return answer;
      }
      silent += answer === null ? 1 : 0;
    }
    return null;
  }

  #next(): string {
    this.#sequence += 1;
    return String(this.#sequence);
  }

  /** How long an answer is waited for, in milliseconds: longer each time that none came. */
  #patience(silent: number): number {
    const usual = this.#rttMs === null ? firstAnswerMs : Math.max(leastPatienceMs, 4 * this.#rttMs);
    return Math.min(longestAnswerMs, usual * 1.7 ** silent);
  }

  #learn(ms: number): void {
    this.#rttMs = Math.min(5000, this.#rttMs === null ? ms : 0.8 * this.#rttMs + 0.2 * ms);
  }

  #known(): AgentFacts {
    if (this.#facts === null) {
      throw new LinkLost('no agent was started', false);
    }
    return this.#facts;
  }
}

function toFacts({ words }: UpFrame): AgentFacts | null {
  const [, check, encodes, decodes, gzip, digests, uid = ''] = words;
  return (check === 'cksum' || check === 'sum') &&
    (encodes === 'b64' || encodes === 'hex') &&
    (decodes === 'b64' || decodes === 'oct') &&
    (digests === 'sha256' || digests === 'cksum' || digests === 'length') &&
    /^\d{1,10}$/.test(uid)
    ? { check, encodes, decodes, gzip: gzip === 'gz', digests, uid: Number(uid) }
    : null;
}

/** The offset of an acknowledgement, where its two numbers agree and can be true; null of anything else. */
function acknowledgement(
  answer: UpFrame | null,
  key: string,
  from: number,
  to: number,
): number | null {
  const [of, one = '', two = ''] = answer?.words ?? [];
  const offset = Number(one);
  const fits = answer?.verb === 'A' && of === key && one === two && /^\d+$/.test(one);
  return fits && offset >= from && offset <= to ? offset : null;
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
