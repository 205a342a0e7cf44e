import { agentLines, type AgentOptions } from './agent.ts';
import type { UpFrame } from './frame.ts';
import { posixCrc } from './check.ts';
import { deliver, type Arrival, type Delivery, type DeliveryWay } from './deliver.ts';
import { LinkLost } from './answers.ts';
import { mostSilent } from './pace.ts';
import { split } from './word.ts';

/**
 * How the agent gets into a shell over a line that loses bytes. Nothing checks what a shell is typed, so
 * it is typed in lines that are short enough to come whole now and then, each of which proves itself by
 * its answer, and can be said again:
 *
 * 1. a name for our answers, and how much of the text is there already;
 * 2. a loop that takes the text as lines `#OFFSET LENGTH TEXT`, and says how much it has. A line that
 *    a bare shell gets is a comment to it;
 * 3. how the text is checked, once the loop was ended by `#x`;
 * 4. the text is run.
 *
 * A letter lost from the loop's condition ends it; it must not make it run wild.
 *
 * What has come stays in the shell's variable `a`, whatever is damaged afterwards.
 */
const loop =
  ' while echo $N ${#a} ${#a} $n&&read -r n k l;do case .$n.$k in .#x*)break;;.#${#a}.${#l})a="$a$l\r";;esac;done\r';
const check = '#x\r set -- $(printf %s "$a"|cksum);echo $N $1.${#a}.\r';
const run = ' eval "$a"\r';

const mostRounds = 60;
const tries = 4;
/** Begins nowhere: what is said before the first piece is no answer to one. */
const noPiece = -1;

/**
 * Brings the agent into the shell that reads the line now, and starts it. Gives its first words; null
 * where it did not come so far.
 *
 * @throws LinkLost where the login is over.
 */
export async function loadAgent(way: DeliveryWay, options: AgentOptions): Promise<UpFrame | null> {
  return new Loader(way, options).load();
}

class Loader {
  readonly #way: DeliveryWay;
  readonly #nonce: string;
  readonly #lines: readonly string[];
  /** Where each line begins in the text, by its number; the last one is the length of the whole. */
  readonly #starts: readonly number[];
  #silentRounds = 0;

  constructor(way: DeliveryWay, options: AgentOptions) {
    this.#way = way;
    this.#nonce = options.nonce;
    this.#lines = agentLines(options);
    let length = 0;
    this.#starts = [0, ...this.#lines.map((line) => (length += line.length + 1))];
  }

  async load(): Promise<UpFrame | null> {
    for (let round = 0; round < mostRounds && this.#silentRounds < mostSilent; round += 1) {
      if (round > 0) {
        await interrupt(this.#way);
      }
      // Until something is heard in this round.
      this.#silentRounds += 1;
      if ((await this.#bring()) && (await this.#isWhole())) {
        const hello = await this.#run();
        if (hello !== null) {
          return hello;
        }
      }
    }
    return null;
  }

  /** The first two steps; true once the whole text has come. */
  async #bring(): Promise<boolean> {
    let has = await this.#say(` N=${split(this.#nonce)} n=;echo $N \${#a} \${#a}\r`);
    if (has !== null && !this.#starts.includes(has)) {
      // Something of another name, or text that came otherwise than it was sent.
      has = await this.#say(' a=;echo $N ${#a} ${#a}\r');
    }
    if (has === null || !this.#starts.includes(has)) {
      return false;
    }
    const begun = await this.#say(loop);
    if (begun !== has) {
      return false;
    }
    try {
      await deliver(this.#way, this.#delivery, has);
    } catch (error) {
      if (error instanceof LinkLost && !error.session) {
        return false;
      }
      throw error;
    }
    return true;
  }

  get #delivery(): Delivery {
    return {
      length: this.#starts.at(-1) ?? 0,
      type: (from: number): number => {
        const line = this.#lines[this.#starts.indexOf(from)] ?? '';
        this.#way.line.type(`#${from} ${line.length} ${line}\r`);
        return from + line.length + 1;
      },
      heard: async (timeoutMs: number) => this.#heard(timeoutMs),
    };
  }

  /** True where the text is what was sent; without cksum on the host its length must do. */
  async #isWhole(): Promise<boolean> {
    const text = this.#lines.map((line) => `${line}\n`).join('');
    const right = `${posixCrc(Buffer.from(text, 'latin1'))}.${text.length}`;
    const pattern = new RegExp(`${this.#nonce} (\\d*\\.\\d+)\\.$`);
    for (let silent = 0; silent < tries; silent += 1) {
      this.#way.line.type(check);
      const words = await this.#wait(pattern, this.#way.pace.patience(silent));
      const said = words?.[0] ?? null;
      if (said === right || said === `.${text.length}`) {
        return true;
      }
      if (said !== null) {
        await this.#say(' a=;echo $N ${#a} ${#a}\r');
        return false;
      }
    }
    return false;
  }

  /** Said again where nothing comes back: an agent that runs already refuses it, which is an answer, too. */
  async #run(): Promise<UpFrame | null> {
    const { line, answers, pace } = this.#way;
    for (let silent = 0; silent < tries; silent += 1) {
      line.type(run);
      const hello = await answers.next(() => true, pace.patience(silent, 1000));
      if (hello?.verb === 'P') {
        return hello;
      }
      if (hello !== null) {
        // It is there; what it said of itself was lost.
        line.type('run\r');
      }
    }
    return null;
  }

  /** Types something that is answered by how much of the text is there; null where it is not. */
  async #say(text: string): Promise<number | null> {
    const { line, answers, pace } = this.#way;
    answers.drop();
    const typed = performance.now();
    line.type(text);
    const said = await this.#heard(pace.patience(this.#silentRounds));
    if (said !== null) {
      pace.learn(performance.now() - typed);
    }
    return said?.has ?? null;
  }

  async #heard(timeoutMs: number): Promise<Arrival | null> {
    // The number that counts is said twice, so that no damaged one is believed.
    const pattern = new RegExp(`${this.#nonce} (\\d{1,5}) \\1(?: #(\\w{1,5}))?$`);
    const words = await this.#wait(pattern, timeoutMs);
    if (words === null) {
      return null;
    }
    const [has, piece = ''] = words;
    return { has: Number(has), of: piece === '' ? noPiece : Number(piece) };
  }

  async #wait(pattern: RegExp, timeoutMs: number): Promise<readonly string[] | null> {
    const said = await this.#way.answers.nextWords(pattern, timeoutMs);
    this.#silentRounds = said === null ? this.#silentRounds : 0;
    return said;
  }
}

/** Brings the shell back to its prompt, whatever reads the line. @throws LinkLost where the login is over. */
export async function interrupt({ line, answers, pace }: DeliveryWay): Promise<void> {
  line.drop();
  line.type('\u0003');
  await answers.quiet(pace.quietMs);
  line.type('\r');
  await answers.quiet(pace.quietMs);
  answers.drop();
  answers.check();
}
