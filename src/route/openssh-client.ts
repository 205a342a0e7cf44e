import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { fail, ok, type Result } from '../core/result.ts';
import type { Failure } from '../core/failure.ts';
import { childEnvironment, spawnChannel, type ChildChannel } from './child-channel.ts';
import type { HostKey } from './known-hosts.ts';
import { Answers, type Remembered } from './openssh-answers.ts';
import { Askpass } from './openssh-askpass.ts';
import { noClientFailure, opensshFailure, unusableValueFailure } from './openssh-failure.ts';
import {
  opensshArgv,
  opensshConfig,
  trustedLines,
  type OpensshManner,
  type OpensshTarget,
} from './openssh-options.ts';
import { Stopwatch } from './stopwatch.ts';
import { sshTimeouts, type SshTimeouts } from './ssh-handshake.ts';

/** What every login by the OpenSSH client may use. */
export interface OpensshOptions {
  readonly acceptNewHostKey: boolean;
  /** True where a person can be asked. */
  readonly interactive: boolean;
  /** True where a passphrase for key files is known beforehand. */
  readonly passphraseKnown: boolean;
  /** The environment of this process; secrets of ours are taken out before the client gets it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Public keys the host showed over a verified way in this run; trusted and never stored. */
  readonly trustedKeys?: readonly HostKey[];
  readonly timeouts?: SshTimeouts;
  readonly onNotice?: (text: string) => void;
  /** The client, normally `ssh`. */
  readonly client?: string;
  /** Read in place of the user's and the system's configuration. */
  readonly configFile?: string | null;
}

const maxSaid = 8 * 1024;

/** Keeps the last of a text until it is opened; from then on the text goes to whoever reads it. */
export class Said {
  #text = '';
  #isOpen = false;

  /** Not cleaned. */
  get text(): string {
    return this.#text;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** A stream that the text goes through. */
  filter(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        if (!this.#isOpen) {
          this.#text = (this.#text + chunk.toString('utf8')).slice(-maxSaid);
        }
        done(null, this.#isOpen ? chunk : null);
      },
    });
  }
}

/**
 * One OpenSSH client: its folder, its askpass and its process. The folder is readable by us alone and
 * goes when the process is gone.
 */
export class OpensshClient {
  readonly channel: ChildChannel;
  /** What comes on standard error, see `OpensshEnd.said`. Somebody must pass it through here. */
  readonly said = new Said();
  readonly #way: OpensshTarget;
  readonly #answers: Answers;
  readonly #stopwatch: Stopwatch;
  readonly #timeouts: SshTimeouts;
  readonly #folder: string;
  #log = '';
  /** Settles when the process is gone and nothing is left of it. */
  readonly gone: Promise<void>;

  private constructor(made: {
    readonly channel: ChildChannel;
    readonly way: OpensshTarget;
    readonly answers: Answers;
    readonly stopwatch: Stopwatch;
    readonly timeouts: SshTimeouts;
    readonly folder: string;
    readonly askpass: Askpass;
  }) {
    this.channel = made.channel;
    this.#way = made.way;
    this.#answers = made.answers;
    this.#stopwatch = made.stopwatch;
    this.#timeouts = made.timeouts;
    this.#folder = made.folder;
    this.gone = made.channel.gone.then(async () => {
      await this.readLog();
      await made.askpass.close();
      await rm(made.folder, { recursive: true, force: true });
    });
  }

  /** Starts a client that is to run `command` on the host, as its login shell understands it. */
  static async start(
    way: OpensshTarget,
    options: OpensshOptions,
    about: { readonly command: string; readonly remembered: Remembered },
  ): Promise<Result<OpensshClient, Failure>> {
    const folder = await mkdtemp(join(tmpdir(), 'remedy-ssh-'));
    const timeouts = options.timeouts ?? sshTimeouts;
    const client = options.client ?? 'ssh';
    const stopwatch = new Stopwatch();
    let channel: ChildChannel | null = null;
    const answers = new Answers(way.target, {
      clientId: () => channel?.pid ?? 0,
      remembered: about.remembered,
      onNotice: (text) => options.onNotice?.(text),
      whileAsking: async (ask) => stopwatch.without(ask),
      giveUp: () => channel?.close(),
    });
    const askpass = new Askpass(join(folder, 'ask'), answers);
    const clear = async (): Promise<void> => {
      await askpass.close();
      await rm(folder, { recursive: true, force: true });
    };
    const files = { client, config: join(folder, 'config'), log: join(folder, 'log') };
    const manner = mannerOf(way, options, { timeouts, trusted: join(folder, 'known_hosts') });
    const config = opensshConfig(way, manner);
    const argv = opensshArgv(way, files, about.command);
    await askpass.listen();
    if (!config.ok || !argv.ok) {
      await clear();
      return fail(unusableValueFailure(config.ok ? (argv.ok ? '' : argv.error) : config.error));
    }
    await writeFile(files.config, config.value, { mode: 0o600 });
    if (manner.trusted !== null) {
      const lines = trustedLines(way, manner.trusted.keys);
      await writeFile(manner.trusted.file, lines, { mode: 0o600 });
    }
    const started = await spawnChannel(argv.value, {
      environment: askpass.environment(childEnvironment(options.environment)),
      isShell: false,
      ownSession: true,
    });
    if (!started.ok) {
      await clear();
      return fail(noClientFailure(client, started.error.code));
    }
    channel = started.value;
    return ok(new OpensshClient({ channel, way, answers, stopwatch, timeouts, folder, askpass }));
  }

  /** True where a password or a code was typed for the host in this login. */
  get typed(): boolean {
    return this.#answers.typed;
  }

  /** The client's own log so far. */
  async readLog(): Promise<string> {
    // Gone with the folder: what was read last still holds.
    this.#log = await readFile(join(this.#folder, 'log'), 'utf8').catch(() => this.#log);
    return this.#log;
  }

  /** Settles when the login has taken too long, with the limit in seconds. Questions do not count. */
  async tooLong(signal: AbortSignal): Promise<number> {
    const { connectMs, handshakeMs, authenticationMs } = this.#timeouts;
    const limitMs =
      (connectMs + handshakeMs + authenticationMs) * (1 + this.#way.target.jump.length);
    await this.#stopwatch.reaches(limitMs, signal);
    return limitMs / 1000;
  }

  /** The failure for a login that was not made. Call it when the process is gone. */
  async failure(timedOut: number | null): Promise<Failure> {
    return opensshFailure(this.#way.target, {
      log: await this.readLog(),
      said: this.said.text,
      notes: this.#answers.notes,
      timedOut,
      connectSeconds: this.#timeouts.connectMs / 1000,
    });
  }

  /** Ends the client and waits until it is gone. Never throws. */
  async close(): Promise<void> {
    this.channel.close();
    await this.gone;
  }
}

function mannerOf(
  { target }: OpensshTarget,
  options: OpensshOptions,
  about: { readonly timeouts: SshTimeouts; readonly trusted: string },
): OpensshManner {
  const { acceptNewHostKey, interactive, trustedKeys = [], configFile = null } = options;
  return {
    acceptNewHostKey,
    mayPrompt: interactive || target.password !== null || options.passphraseKnown,
    mayUsePassword: interactive || target.password !== null,
    timeouts: about.timeouts,
    configFile,
    trusted: trustedKeys.length === 0 ? null : { keys: trustedKeys, file: about.trusted },
  };
}
