import { Answers, LinkLost } from './answers.ts';
import type { CheckKind } from './check.ts';
import { downFrame, type UpFrame } from './frame.ts';
import type { Line } from './line.ts';
import { mostSilent, Pace } from './pace.ts';
import type { AgentTools } from './pack.ts';

/** What an agent says of itself. */
export interface AgentFacts extends AgentTools {
  readonly check: CheckKind;
  readonly uid: number;
  /** Where it keeps what it was brought; null where it can write nowhere. */
  readonly folder: string | null;
}

const leastAnswerMs = 300;

/** Questions to an agent and its answers, with the patience that the line needs. */
export class Talk {
  readonly line: Line;
  readonly answers: Answers;
  readonly pace = new Pace();
  #facts: AgentFacts | null = null;
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
    if (again) {
      this.line.drop();
    }
    this.line.type(`${again ? '\r' : ''}${downFrame(this.facts.check, words)}\r`);
  }

  /** How long the answer to a question is waited for, in milliseconds: the host has work with it. */
  patience(silent: number): number {
    return this.pace.patience(silent, leastAnswerMs);
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
        if (attempt === 0) {
          this.pace.learn(performance.now() - asked);
        }
        return answer;
      }
      silent += answer === null ? 1 : 0;
    }
    return null;
  }
}
