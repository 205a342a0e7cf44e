import { randomBytes } from 'node:crypto';
import { cleanText } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Secret } from '../core/secret.ts';
import type { Channel } from './channel.ts';
import { goAhead, makeNonce, prologue, readSudoRefusal, type Report } from './elevate.ts';
import { stoppedHere, type Exit, type RouteKind, type RunOptions, type Session } from './route.ts';
import {
  noPasswordFailure,
  silentShellFailure,
  sudoHangsFailure,
  sudoMissingFailure,
  sudoPasswordFailure,
  sudoRefusedFailure,
} from './shell-failure.ts';
import { interruptedFailure } from './ssh-failure.ts';
import { ShellTalk } from './shell-talk.ts';

/** Where shells come from: one SSH connection, a command, this machine. */
export interface ShellSource {
  readonly kind: RouteKind;
  readonly description: string;
  /** For failure texts: `web1 (port 22)`. */
  readonly name: string;
  /** Starts one plain `sh`, or whatever becomes one. */
  open(signal: AbortSignal): Promise<Result<Channel, Failure>>;
  /** The failure for a shell that ended before it answered. `said` is not cleaned. */
  endedEarly(exit: Exit, said: string): Failure;
  close(): Promise<void>;
}

/** How root is reached where the login is not root. */
export interface SudoOptions {
  /** The sudo password, where it is known beforehand. */
  readonly sudoPassword: Secret | null;
  /** Asks a person for it; called once for a session at most. */
  readonly askSudoPassword: (prompt: string) => Promise<Secret | null>;
  /** Time for each answer of the host, in milliseconds; 30 s unless given. */
  readonly replyMs?: number;
}

const replyMs = 30_000;

interface RootShell {
  readonly talk: ShellTalk;
  readonly elevation: Session['elevation'];
  readonly connection: Session['connection'];
}

/** Opens the first root shell, which proves that the way works, and keeps it for the first run. */
export async function openShellSession(
  source: ShellSource,
  options: SudoOptions,
  signal: AbortSignal,
): Promise<Result<Session, Failure>> {
  const opener = new ShellOpener(source, options);
  const first = await opener.open(signal);
  if (!first.ok) {
    await source.close();
    return first;
  }
  return ok(new ShellSession(source, opener, first.value));
}

/** Opens root shells over channels of one source; remembers the sudo password between them. */
class ShellOpener {
  readonly #source: ShellSource;
  readonly #options: SudoOptions;
  readonly #replyMs: number;
  #password: Secret | null;
  #wasAsked = false;

  constructor(source: ShellSource, options: SudoOptions) {
    this.#source = source;
    this.#options = options;
    this.#replyMs = options.replyMs ?? replyMs;
    this.#password = options.sudoPassword;
  }

  async open(signal: AbortSignal): Promise<Result<RootShell, Failure>> {
    const channel = await this.#source.open(signal);
    if (!channel.ok) {
      return channel;
    }
    const marker = makeNonce(randomBytes(16).toString('hex'));
    const prompt = makeNonce(randomBytes(16).toString('hex'));
    const talk = new ShellTalk(channel.value, { marker, prompt });
    const onAbort = (): void => channel.value.close();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
    }
    talk.send(prologue(marker, prompt));
    const shell = await this.#elevate(talk);
    signal.removeEventListener('abort', onAbort);
    if (!shell.ok) {
      channel.value.close();
      return signal.aborted ? fail(interruptedFailure()) : shell;
    }
    return shell;
  }

  async #elevate(talk: ShellTalk): Promise<Result<RootShell, Failure>> {
    const { name } = this.#source;
    const first = await talk.next(this.#replyMs);
    if (first.type === 'ended') {
      return fail(this.#source.endedEarly(first.exit, talk.said + talk.errors));
    }
    if (first.type !== 'report' || first.report.type !== 'hello') {
      return fail(silentShellFailure(name, this.#replyMs / 1000, talk.said));
    }
    const hello = first.report;
    for (;;) {
      const event = await talk.next(this.#replyMs);
      if (event.type !== 'report') {
        return fail(this.#noAnswer(talk, event.type));
      }
      const { report } = event;
      if (report.type === 'ready') {
        return ok({ talk, elevation: report.elevation, connection: hello.connection });
      }
      if (report.type === 'missing') {
        return fail(sudoMissingFailure(name, hello.uid));
      }
      if (report.type === 'need') {
        const failure = await this.#usePassword(talk, report);
        if (failure !== null) {
          return fail(failure);
        }
      }
    }
  }

  /** Types the password once, after sudo has asked for it by our own prompt. */
  async #usePassword(
    talk: ShellTalk,
    need: Extract<Report, { type: 'need' }>,
  ): Promise<Failure | null> {
    const { name } = this.#source;
    const refusal = readSudoRefusal(need.why);
    if (refusal === 'needs-tty' || refusal === 'not-allowed') {
      return sudoRefusedFailure(name, refusal, need.why);
    }
    const password = await this.#askPassword();
    // A newline would be a second answer to a second prompt.
    if (password === null || /[\r\n\0]/.test(password.reveal())) {
      return noPasswordFailure(name, need.why);
    }
    talk.send(goAhead);
    const prompted = await talk.next(this.#replyMs);
    if (prompted.type !== 'prompt') {
      return this.#noAnswer(talk, prompted.type);
    }
    talk.passwordTyped();
    talk.send(`${password.reveal()}\n`);
    return null;
  }

  #noAnswer(talk: ShellTalk, type: 'prompt' | 'wrong' | 'ended' | 'timeout' | 'report'): Failure {
    const { name } = this.#source;
    const said = talk.said;
    const refusal = readSudoRefusal(said);
    switch (type) {
      case 'prompt':
      case 'wrong':
        return sudoPasswordFailure(name, said);
      case 'timeout':
        return sudoHangsFailure(name, this.#replyMs / 1000, said);
      case 'ended':
      case 'report':
        return sudoRefusedFailure(name, refusal, said);
    }
  }

  async #askPassword(): Promise<Secret | null> {
    if (this.#password === null && !this.#wasAsked) {
      this.#wasAsked = true;
      this.#password = await this.#options.askSudoPassword(`sudo password on ${this.#source.name}`);
    }
    return this.#password;
  }
}

/** Runs programs, each in a root shell of its own, over one source. */
class ShellSession implements Session {
  readonly kind: RouteKind;
  readonly description: string;
  readonly connection: Session['connection'];
  readonly elevation: Session['elevation'];
  readonly #source: ShellSource;
  readonly #opener: ShellOpener;
  readonly #running = new Set<ShellTalk>();
  #spare: ShellTalk | null;
  #errors = '';

  constructor(source: ShellSource, opener: ShellOpener, first: RootShell) {
    this.kind = source.kind;
    this.description = source.description;
    this.connection = first.connection;
    this.elevation = first.elevation;
    this.#source = source;
    this.#opener = opener;
    this.#spare = first.talk;
  }

  async run(program: string, options: RunOptions): Promise<Result<Exit, Failure>> {
    const talk = await this.#shell(options.signal);
    if (!talk.ok) {
      return talk;
    }
    this.#running.add(talk.value);
    const exit = await follow(talk.value, program, options);
    this.#running.delete(talk.value);
    this.#errors = talk.value.errors;
    return ok(exit);
  }

  errorOutput(): string {
    return cleanText(this.#errors);
  }

  async close(): Promise<void> {
    this.#spare?.channel.close();
    this.#spare = null;
    for (const talk of this.#running) {
      talk.channel.close();
    }
    await this.#source.close();
  }

  async #shell(signal: AbortSignal): Promise<Result<ShellTalk, Failure>> {
    const spare = this.#spare;
    this.#spare = null;
    if (signal.aborted) {
      return fail(interruptedFailure());
    }
    if (spare !== null && spare.exit === null) {
      return ok(spare);
    }
    const opened = await this.#opener.open(signal);
    return opened.ok ? ok(opened.value.talk) : opened;
  }
}

/** Sends a program and follows it to its end, an abort, or silence. */
async function follow(talk: ShellTalk, program: string, options: RunOptions): Promise<Exit> {
  const { channel } = talk;
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    let settled = false;
    const settle = (exit: Exit): void => {
      settled = true;
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      resolve(exit);
    };
    const give = (because: string): void => {
      settle({ type: 'lost', because });
      channel.close();
    };
    const onAbort = (): void => give(stoppedHere);
    const alive = (): void => {
      clearTimeout(timer);
      if (!settled) {
        timer = setTimeout(() => give(`no output for ${options.idleMs / 1000} s`), options.idleMs);
      }
    };
    talk.handOver((chunk) => {
      alive();
      if (!settled) {
        options.onOutput(chunk);
      }
    }, alive);
    options.signal.addEventListener('abort', onAbort, { once: true });
    void channel.ended.then(settle);
    alive();
    channel.stdin.end(`${program}\n`);
  });
}
