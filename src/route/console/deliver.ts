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
  /** How much has come, as the host says next; null at the end of the time. */
  arrived(timeoutMs: number): Promise<number | null>;
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
 * @throws LinkLost where the host has been silent for too long.
 */
export async function deliver(
  { line, answers, pace, portion }: DeliveryWay,
  delivery: Delivery,
  from: number,
): Promise<void> {
  let arrived = from;
  let next = from;
  let highest = from;
  let silent = 0;
  let refused = 0;
  let barren = 0;
  /** What was sent again in silence may be there twice, and be refused the second time. */
  let isTwice = false;
  let flight: { readonly end: number; readonly typed: number }[] = [];
  while (arrived < delivery.length) {
    while (next < delivery.length && (next === arrived || next - arrived < portion.room)) {
      next = delivery.type(next, portion.data);
      flight.push({ end: next, typed: performance.now() });
    }
    highest = Math.max(highest, next);
    const said = await delivery.arrived(refused > 0 ? pace.quietMs : pace.patience(silent));
    if (said !== null && said > arrived && said <= highest) {
      const typed = flight.find(({ end }) => end === said)?.typed;
      if (typed !== undefined) {
        pace.learn(performance.now() - typed);
      }
      flight = flight.filter(({ end }) => end > said);
      portion.wentWell();
      arrived = said;
      next = Math.max(next, arrived);
      silent = 0;
      barren = 0;
      refused = 0;
      continue;
    }
    refused += said === arrived ? 1 : 0;
    if (said !== null && refused < flight.length) {
      // All that is on its way behind a damaged piece is refused, too.
      continue;
    }
    silent = said === null && refused === 0 ? silent + 1 : 0;
    barren += 1;
    if (silent >= mostSilent || barren - silent >= mostRefused) {
      throw new LinkLost('the host does not answer any more, or takes nothing', false);
    }
    portion.wasDamaged();
    line.drop();
    if (said === null) {
      // What is left of a damaged line ends here.
      line.type('\r');
    }
    if (said === null || isTwice) {
      await answers.quiet(pace.quietMs);
    }
    isTwice = said === null;
    for (let late = await delivery.arrived(0); late !== null; late = await delivery.arrived(0)) {
      arrived = late > arrived && late <= highest ? late : arrived;
    }
    next = arrived;
    flight = [];
    refused = 0;
  }
}
