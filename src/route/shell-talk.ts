import type { Channel } from './channel.ts';
import { joinNonce, parseReport, readSudoRefusal, type Nonce, type Report } from './elevate.ts';
import type { Exit } from './route.ts';

/** What can happen while a root shell is being reached. */
export type TalkEvent =
  | { readonly type: 'report'; readonly report: Report }
  /** sudo prompts for a password. */
  | { readonly type: 'prompt' }
  /** sudo says that the password was wrong. */
  | { readonly type: 'wrong' }
  | { readonly type: 'ended'; readonly exit: Exit }
  | { readonly type: 'timeout' };

const maxLineBytes = 16 * 1024;
const maxKeptBytes = 8 * 1024;

/**
 * Reads both outputs of a channel for as long as it lives. First it looks for our own words in
 * whatever noise comes along, in bounded memory; after `handOver` it only passes bytes on.
 */
export class ShellTalk {
  readonly channel: Channel;
  readonly #marker: string;
  readonly #prompt: string;
  readonly #events: TalkEvent[] = [];
  #wake: (() => void) | null = null;
  #line = '';
  #promptTails = { stdout: '', stderr: '' };
  #said = '';
  #saidSincePassword: string | null = null;
  #errors = '';
  #onOutput: ((chunk: Buffer) => void) | null = null;
  #onErrors: (() => void) | null = null;
  #exit: Exit | null = null;

  constructor(channel: Channel, words: { readonly marker: Nonce; readonly prompt: Nonce }) {
    this.channel = channel;
    this.#marker = joinNonce(words.marker);
    this.#prompt = joinNonce(words.prompt);
    channel.stdout.on('data', (chunk: Buffer) => this.#onStdout(chunk));
    channel.stderr.on('data', (chunk: Buffer) => this.#onStderr(chunk));
    for (const stream of [channel.stdin, channel.stdout, channel.stderr]) {
      // What broke is told by `ended`.
      stream.on('error', () => {});
    }
    void channel.ended.then((exit) => {
      this.#exit = exit;
      this.#push({ type: 'ended', exit });
    });
  }

  /** How the channel ended, or null while it lives. */
  get exit(): Exit | null {
    return this.#exit;
  }

  /** The last text that was printed and is none of ours; not cleaned. */
  get said(): string {
    return this.#said + (this.#onOutput === null ? this.#line : '');
  }

  /** The last standard error output, capped; not cleaned. */
  get errors(): string {
    return this.#errors;
  }

  /** Writes to the standard input of the other side. */
  send(text: string): void {
    this.channel.stdin.write(text);
  }

  /** From now on, a word of sudo about a wrong password is an event. */
  passwordTyped(): void {
    this.#saidSincePassword = '';
  }

  /** Waits for the next event, at most `timeoutMs` milliseconds. */
  async next(timeoutMs: number): Promise<TalkEvent> {
    if (this.#events.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = null;
    }
    return this.#events.shift() ?? { type: 'timeout' };
  }

  /** Passes standard output on from now on; `onErrors` is told that standard error said something. */
  handOver(onOutput: (chunk: Buffer) => void, onErrors: () => void): void {
    this.#errors = '';
    this.#onOutput = onOutput;
    this.#onErrors = onErrors;
  }

  #push(event: TalkEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  #onStdout(chunk: Buffer): void {
    if (this.#onOutput !== null) {
      this.#onOutput(chunk);
      return;
    }
    this.#findPrompt('stdout', chunk);
    this.#line += chunk.toString('latin1');
    for (
      let at = this.#line.indexOf(this.#marker);
      at >= 0;
      at = this.#line.indexOf(this.#marker)
    ) {
      const rest = this.#line.slice(at + this.#marker.length);
      const end = rest.indexOf('\n');
      if (end < 0 && rest.length < maxLineBytes) {
        this.#line = this.#line.slice(at);
        return;
      }
      this.#keepSaid(this.#line.slice(0, at));
      this.#line = end < 0 ? '' : rest.slice(end + 1);
      this.#report(end < 0 ? '' : rest.slice(0, end));
    }
    const keep = this.#marker.length - 1;
    this.#keepSaid(this.#line.slice(0, -keep));
    this.#line = this.#line.slice(-keep);
  }

  #report(text: string): void {
    const report = parseReport(Buffer.from(text, 'latin1').toString('utf8'));
    if (report !== null) {
      this.#push({ type: 'report', report });
    }
  }

  #onStderr(chunk: Buffer): void {
    this.#errors = (this.#errors + chunk.toString('utf8')).slice(-maxKeptBytes);
    if (this.#onOutput !== null) {
      this.#onErrors?.();
      return;
    }
    this.#findPrompt('stderr', chunk);
    this.#keepSaid(chunk.toString('latin1'));
  }

  #findPrompt(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const text = this.#promptTails[stream] + chunk.toString('latin1');
    const parts = text.split(this.#prompt);
    this.#promptTails[stream] = (parts.at(-1) ?? '').slice(-(this.#prompt.length - 1));
    for (let count = 1; count < parts.length; count += 1) {
      this.#push({ type: 'prompt' });
    }
    this.#findWrong(chunk);
  }

  #findWrong(chunk: Buffer): void {
    if (this.#saidSincePassword === null) {
      return;
    }
    this.#saidSincePassword = (this.#saidSincePassword + chunk.toString('latin1')).slice(
      -maxKeptBytes,
    );
    if (readSudoRefusal(this.#saidSincePassword) === 'wrong-password') {
      this.#saidSincePassword = null;
      this.#push({ type: 'wrong' });
    }
  }

  #keepSaid(text: string): void {
    // A prompt of ours is nothing a person should read.
    this.#said = (this.#said + text).replaceAll(this.#prompt, '').slice(-maxKeptBytes);
  }
}
