/** How often something is said again before the host counts as silent: a bit more than a minute. */
export const mostSilent = 14;

const [firstAnswerMs, mostFirstMs] = [1000, 4000];
const longestAnswerMs = 30_000;
const growth = 1.7;
const mostRttMs = 5000;
const [leastMs, leastQuietMs, mostQuietMs] = [120, 40, 500];
/** So often it is said again without more patience: on a bad line most of it is lost, and nobody slow. */
const eagerTries = 3;

/** How patient one must be with a line, learnt from its answers as TCP does (RFC 6298). */
export class Pace {
  #rttMs: number | null = null;
  #spreadMs = 0;

  /** An answer took so long, in milliseconds. A stall must not make us wait for ever. */
  learn(ms: number): void {
    const rtt = Math.min(mostRttMs, ms);
    if (this.#rttMs === null) {
      this.#rttMs = rtt;
      this.#spreadMs = rtt / 2;
    } else {
      this.#spreadMs += (Math.abs(rtt - this.#rttMs) - this.#spreadMs) / 4;
      this.#rttMs += (rtt - this.#rttMs) / 8;
    }
  }

  /** How long an answer is waited for, in milliseconds: longer where none came several times. */
  patience(silent: number, least = leastMs): number {
    if (this.#rttMs === null) {
      return Math.min(mostFirstMs, firstAnswerMs * growth ** silent);
    }
    const usual = Math.max(least, 1.5 * this.#rttMs + 4 * this.#spreadMs);
    return Math.min(longestAnswerMs, usual * growth ** Math.max(0, silent - eagerTries));
  }

  /** Silence after which nothing more comes of what was sent, in milliseconds. */
  get quietMs(): number {
    return Math.min(mostQuietMs, Math.max(leastQuietMs, this.#rttMs ?? 200));
  }
}
