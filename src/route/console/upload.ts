import { LinkLost } from './answers.ts';
import type { UpFrame } from './frame.ts';
import { mostSilent, type Talk } from './talk.ts';

/** Characters on their way that nobody has answered for: a terminal's buffer takes 4095. */
const maxInFlight = 2300;
const [shortest, longest] = [64, 512];
const mostAtOnce = 4;
const growAfter = 32;

/** How much is sent at once: less where lines are damaged, more where they are not. */
export class UploadSize {
  #data = longest;
  #window = 1;
  #clean = 0;

  /** Characters of one line. */
  get data(): number {
    return this.#data;
  }

  /** Characters on their way. */
  get room(): number {
    return Math.min(this.#window * this.#data, maxInFlight);
  }

  wentWell(): void {
    this.#clean += 1;
    this.#window = Math.min(mostAtOnce, this.#window + 1);
    this.#data = this.#clean % growAfter === 0 ? Math.min(longest, this.#data * 2) : this.#data;
  }

  wasDamaged(): void {
    this.#clean = 0;
    this.#data = Math.max(shortest, Math.floor(this.#data / 2));
    this.#window = 1;
  }
}

/**
 * Sends a text from an offset on; goes back to what was answered where lines are lost.
 *
 * @throws LinkLost; also where the host has no room.
 */
export async function sendText(
  talk: Talk,
  size: UploadSize,
  key: string,
  { text, from }: { readonly text: string; readonly from: number },
): Promise<void> {
  let acknowledged = from;
  let sent = from;
  // After going back, an answer may still come to what was sent before.
  let highest = from;
  let silent = 0;
  talk.answers.drop();
  while (acknowledged < text.length) {
    while (sent < text.length && sent - acknowledged < size.room) {
      const data = text.slice(sent, sent + size.data);
      talk.say(['u', key, String(sent), data]);
      sent += data.length;
    }
    highest = Math.max(highest, sent);
    const asked = performance.now();
    const answer = await talk.answers.next(
      ({ verb }) => verb === 'A' || verb === 'N' || verb === 'F',
      talk.patience(silent),
    );
    if (answer?.verb === 'F') {
      throw new LinkLost('there is no room on the host for the program', true);
    }
    const offset = acknowledgement(answer, key, acknowledged, highest);
    if (offset !== null && offset > acknowledged) {
      acknowledged = offset;
      sent = Math.max(sent, offset);
      silent = 0;
      talk.learn(performance.now() - asked);
      size.wentWell();
    } else if (offset === null) {
      silent = answer === null ? silent + 1 : 0;
      if (silent >= mostSilent) {
        throw new LinkLost('the host does not answer any more', false);
      }
      // What is on its way behind a damaged line is refused, too: it is let go by first.
      await talk.answers.quiet(answer === null ? 0 : Math.min(150, talk.rttMs ?? 150));
      talk.answers.drop();
      talk.line.type('\r');
      size.wasDamaged();
      sent = acknowledged;
    }
  }
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
