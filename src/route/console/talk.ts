import { Answers, LinkLost } from './answers.ts';
import type { CheckKind } from './check.ts';
import { downFrame, type UpFrame } from './frame.ts';
import type { Line } from './line.ts';
import type { AgentTools } from './pack.ts';

/** What an agent says of itself. */
export interface AgentFacts extends AgentTools {
  readonly check: CheckKind;
  readonly uid: number;
}

/** How often something is said again before the host counts as silent. */
export const mostSilent = 10;

const firstAnswerMs = 5000;
const longestAnswerMs = 30_000;
const leastPatienceMs = 300;
const mostRttMs = 5000;

/** Questions to an agent and its answers, with the patience that the line needs. */
export class Talk {
  readonly line: Line;
  readonly answers: Answers;
  #facts: AgentFacts | null = null;
  #rttMs: number | null = null;
  #sequence = 0;

  constructor(line: Line) {
    this.line = line;
    this.answers = new Answers(line);
  }

  /** What the agent said of itself. @throws LinkLost where there is none. */
  get facts(): AgentFacts {
    if (this.#facts === null) {
      throw new LinkLost('no agent was started', false);
    }
    return this.#facts;
  }

  /** From now on this agent is talked to; `facts` null: it has said nothing yet. */
  meet(nonce: string, facts: AgentFacts | null): void {
    this.#facts = facts;
    this.answers.hear(nonce, facts?.check ?? null);
  }

  /** The number of the next question. */
  next(): string {
    this.#sequence += 1;
    return String(this.#sequence);
  }

  /** Says a line; `again`: what is left of a damaged one before it is ended first. */
  say(words: readonly string[], again = false): void {
    this.line.type(`${again ? '\r' : ''}${downFrame(this.facts.check, words)}\r`);
  }

  /** How long an answer is waited for, in milliseconds: longer each time that none came. */
  patience(silent: number): number {
    const usual = this.#rttMs === null ? firstAnswerMs : Math.max(leastPatienceMs, 4 * this.#rttMs);
    return Math.min(longestAnswerMs, usual * 1.7 ** silent);
  }

  /** How long an answer usually takes, in milliseconds; null before the first one. */
  get rttMs(): number | null {
    return this.#rttMs;
  }

  /** An answer took so long, in milliseconds. */
  learn(ms: number): void {
    this.#rttMs = Math.min(mostRttMs, this.#rttMs === null ? ms : 0.8 * this.#rttMs + 0.2 * ms);
  }

  /** Asks until there is an answer. @throws LinkLost */
  async sure(verb: string, words: readonly string[], answerVerb: string): Promise<UpFrame> {
    const answer = await this.ask(verb, words, answerVerb, mostSilent);
    if (answer === null) {
      throw new LinkLost('the host does not answer any more', false);
    }
    return answer;
  }

  /** Asks so many times; null where no answer came. @throws LinkLost where the login is over. */
  async ask(
    verb: string,
    words: readonly string[],
    answerVerb: string,
    times: number,
  ): Promise<UpFrame | null> {
    const sequence = this.next();
    // An acknowledgement names the program.
    const id = answerVerb === 'A' ? words[0] : sequence;
    this.answers.drop();
    let silent = 0;
    for (let attempt = 0; silent < times && attempt < 8 * times; attempt += 1) {
      const asked = performance.now();
      this.say([verb, sequence, ...words], attempt > 0);
      const answer = await this.answers.next(
        (frame) => frame.verb === 'N' || (frame.verb === answerVerb && frame.words[0] === id),
        this.patience(silent),
      );
      if (answer !== null && answer.verb !== 'N') {
        this.learn(performance.now() - asked);
        return answer;
      }
      silent += answer === null ? 1 : 0;
    }
    return null;
  }
}
