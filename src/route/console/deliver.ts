import { LinkLost, type Answers } from './answers.ts';
import type { Line } from './line.ts';
import { mostSilent, type Pace } from './pace.ts';

/** Characters on their way that nobody has answered for: a terminal's buffer takes 4095. */
const maxInFlight = 2300;
const [shortest, longest] = [40, 512];
/** The two hold the balance where about one line in four is damaged. */
const [shorter, longer] = [0.75, 1.1];
/** So often in a row a piece comes damaged by chance only on lines that nothing can be done with. */
const mostRefused = 16;

/** How much is sent at once: less where lines are damaged, more where they are not. */
export class Portion {
  #data = longest;
  #room = longest;

  /** Characters of one line. */
  get data(): number {
    return Math.floor(this.#data);
  }

  /** Characters on their way. */
  get room(): number {
    return this.#room;
  }

  wentWell(): void {
    this.#data = Math.min(longest, this.#data * longer);
    this.#room = Math.min(maxInFlight, this.#room + this.#data);
  }

  wasDamaged(): void {
    this.#data = Math.max(shortest, this.#data * shorter);
    this.#room = Math.max(this.#data, this.#room / 2);
  }
}

/** A text on its way to the host, which says after each piece how much of it has come. */
export interface Delivery {
  readonly length: number;
  /** Types the piece that begins at `from`, of about so many characters; gives where the next one begins. */
  type(from: number, characters: number): number;
  /** What the host says next; null at the end of the time. */
  heard(timeoutMs: number): Promise<Arrival | null>;
}

/** What a host says to a piece. */
export interface Arrival {
  /** How much of the text has come. */
  readonly has: number;
  /** Where the piece begins that it says it to; null of one that was damaged. */
  readonly of: number | null;
}

/** The line that a text is delivered over, and what is known of it. */
export interface DeliveryWay {
  readonly line: Line;
  readonly answers: Answers;
  readonly pace: Pace;
  readonly portion: Portion;
}

/**
 * Delivers a text in order: goes back to what has arrived where a piece was refused or nothing is said.
 *
 * @throws LinkLost where the host has been silent, or has refused the same piece, for too long.
 */
export async function deliver(way: DeliveryWay, delivery: Delivery, from: number): Promise<void> {
  await new Deliverer(way, delivery, from).run();
}

interface Piece {
  readonly from: number;
  readonly end: number;
  readonly typed: number;
}

class Deliverer {
  readonly #way: DeliveryWay;
  readonly #delivery: Delivery;
  #arrived: number;
  #next: number;
  /** After going back, an answer may still come to what was sent before. */
  #highest: number;
  #flight: Piece[] = [];
  /** How often in a row nothing came, or a piece was refused. */
  #silent = 0;
  #barren = 0;
  /** Pieces on their way that were refused. */
  #refused = 0;

  constructor(way: DeliveryWay, delivery: Delivery, from: number) {
    this.#way = way;
    this.#delivery = delivery;
    this.#arrived = from;
    this.#next = from;
    this.#highest = from;
  }

  async run(): Promise<void> {
    const { pace } = this.#way;
    while (this.#arrived < this.#delivery.length) {
      this.#send();
      const patience = this.#refused > 0 ? pace.quietMs : pace.patience(this.#silent);
      const said = await this.#delivery.heard(patience);
      if (said === null || this.#isRefusal(said)) {
        await this.#goBack(said === null);
      }
    }
  }

  /** Sends as much as may be on its way. */
  #send(): void {
    const { length } = this.#delivery;
    const { portion } = this.#way;
    const hasRoom = (): boolean =>
      this.#next === this.#arrived || this.#next - this.#arrived < portion.room;
    while (this.#next < length && hasRoom()) {
      const from = this.#next;
      this.#next = this.#delivery.type(from, portion.data);
      this.#flight.push({ from, end: this.#next, typed: performance.now() });
    }
    this.#highest = Math.max(this.#highest, this.#next);
  }

  /** Takes an answer; true where with it all that is on its way has been refused. */
  #isRefusal({ has, of }: Arrival): boolean {
    if (has > this.#arrived && has <= this.#highest) {
      this.#advance(has);
      return false;
    }
    // After a stall answers come to what was sent before: those are no refusals of what is on its way.
    const isOurs = of === null || this.#flight.some(({ from }) => from === of);
    // What is on its way behind a damaged piece is refused, too.
    this.#refused += has === this.#arrived && isOurs ? 1 : 0;
    return this.#refused >= this.#flight.length;
  }

  #advance(to: number): void {
    const { pace, portion } = this.#way;
    const typed = this.#flight.find(({ end }) => end === to)?.typed;
    if (typed !== undefined) {
      pace.learn(performance.now() - typed);
    }
    portion.wentWell();
    this.#flight = this.#flight.filter(({ end }) => end > to);
    this.#arrived = to;
    this.#next = Math.max(this.#next, to);
    this.#silent = 0;
    this.#barren = 0;
    this.#refused = 0;
  }

  async #goBack(timedOut: boolean): Promise<void> {
    const { line, answers, pace, portion } = this.#way;
    const isSilent = timedOut && this.#refused === 0;
    this.#silent = isSilent ? this.#silent + 1 : 0;
    this.#barren += isSilent ? 0 : 1;
    if (this.#silent >= mostSilent || this.#barren >= mostRefused) {
      throw new LinkLost('the host does not answer any more, or takes nothing', false);
    }
    portion.wasDamaged();
    line.drop();
    if (timedOut) {
      // What is left of a damaged line ends here.
      line.type('\r');
      await answers.quiet(pace.quietMs);
      await this.#takeLate();
    }
    this.#next = this.#arrived;
    this.#flight = [];
    this.#refused = 0;
  }

  async #takeLate(): Promise<void> {
    for (;;) {
      const late = await this.#delivery.heard(0);
      if (late === null) {
        return;
      }
      const isNews = late.has > this.#arrived && late.has <= this.#highest;
      this.#arrived = isNews ? late.has : this.#arrived;
    }
  }
}
