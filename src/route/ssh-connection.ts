import { inspect } from 'node:util';
import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import { cleanLine } from '../core/clean.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Channel } from './channel.ts';
import type { HostKey } from './known-hosts.ts';
import { stoppedHere, type Exit } from './route.ts';
import type { Lease } from './ssh-jump.ts';

/** What is known of a connection besides the client that holds it. */
export interface SshConnectionFacts {
  /** For people: the host, or the jump host. */
  readonly name: string;
  /** The key the host proved to hold, checked before anything secret was sent. */
  readonly hostKey: HostKey;
  /** What the server calls itself, as `SSH-2.0-OpenSSH_9.2`; cleaned. */
  readonly ident: string;
  /** How the login was made: `key SHA256:… (file)`, `password`. */
  readonly loginBy: string;
}

const closeTimeoutMs = 2000;
const drainTimeoutMs = 1000;
const outerTellsMs = 200;

/**
 * One logged-in SSH connection, with the connection through which it was reached, if any. The
 * client is private and never shown: ssh2 keeps secrets on it.
 */
export class SshConnection {
  readonly facts: SshConnectionFacts;
  /** Settles when the connection is gone, with the reason in one clause. */
  readonly lost: Promise<string>;
  readonly #client: Client;
  readonly #outer: Lease | null;
  readonly #channelMs: number;
  #isOpen = true;
  #reason = '';
  #heardMs = performance.now();

  /** @param way what it goes through, and the limit for opening a channel, in milliseconds. */
  constructor(
    client: Client,
    facts: SshConnectionFacts,
    {
      outer,
      socket,
      channelMs,
    }: { readonly outer: Lease | null; readonly socket: Duplex; readonly channelMs: number },
  ) {
    this.#client = client;
    this.#outer = outer;
    this.#channelMs = channelMs;
    this.facts = facts;
    socket.on('data', () => {
      this.#heardMs = performance.now();
    });
    // The first error is the cause; ssh2 reports its consequences as more errors.
    client.on('error', (error) => {
      this.#reason ||= cleanLine(error.message, 120);
    });
    const outerLost = outer?.connection.lost.then(
      (why) => `the connection to the jump host ${outer.connection.facts.name} ended: ${why}`,
    );
    this.lost = new Promise((resolve) => {
      const settle = (why: string): void => {
        this.#isOpen = false;
        resolve(why);
      };
      client.once('close', () => {
        this.#isOpen = false;
        // The end of the outer connection is the cause where both end, and is often told later.
        const cause =
          outerLost === undefined ? null : Promise.race([outerLost, wait(outerTellsMs)]);
        void Promise.resolve(cause).then((why) =>
          settle((why ?? this.#reason) || 'the connection was closed'),
        );
      });
      // ssh2 may say nothing at all about an inner connection whose outer one died.
      void outerLost?.then(settle);
    });
  }

  /** True until the connection is closed or known to be lost. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Starts a command. The error is one clause. */
  async exec(command: string, signal: AbortSignal): Promise<Result<Channel, string>> {
    return this.#open<Channel>(signal, (done) => {
      this.#client.exec(command, (error, channel) => {
        // Listened to at once: the exit of a short command may be in the same packet.
        done(error, error === undefined ? this.#channel(channel) : undefined);
      });
    });
  }

  /** Opens a TCP connection from the host. The error is what the host said, not cleaned. */
  async forward(
    to: { readonly address: string; readonly port: number },
    signal: AbortSignal,
  ): Promise<Result<Duplex, string>> {
    return this.#open<ClientChannel>(signal, (done) => {
      this.#client.forwardOut('127.0.0.1', 0, to.address, to.port, (error, stream) => {
        done(error, stream);
      });
    });
  }

  /** Closes this connection and gives back the one it was reached through. Never throws. */
  async close(): Promise<void> {
    if (this.#isOpen) {
      this.#client.end();
      const timer = setTimeout(() => this.#client.destroy(), closeTimeoutMs);
      await Promise.race([this.lost, wait(closeTimeoutMs)]);
      clearTimeout(timer);
      this.#client.destroy();
    }
    await this.#outer?.release();
  }

  [inspect.custom](): string {
    return `SshConnection(${this.facts.name})`;
  }

  // ssh2 has no time limit of its own: on a half-open link the callback never comes.
  async #open<T extends { close(): void }>(
    signal: AbortSignal,
    start: (done: (error: Error | undefined, value: T | undefined) => void) => void,
  ): Promise<Result<T, string>> {
    if (!this.#isOpen || signal.aborted) {
      return fail(signal.aborted ? 'stopped' : await this.lost);
    }
    return new Promise((resolve) => {
      let settled = false;
      const settle = (result: Result<T, string>): void => {
        settled = true;
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        resolve(result);
      };
      const onAbort = (): void => settle(fail('stopped'));
      const timer = setTimeout(() => {
        this.#endIfSilent();
        settle(fail('no answer: timed out'));
      }, this.#channelMs);
      signal.addEventListener('abort', onAbort, { once: true });
      void this.lost.then((why) => settle(fail(why)));
      const done = (error: Error | undefined, value: T | undefined): void => {
        if (error !== undefined || value === undefined) {
          const text = error?.message ?? 'no channel was opened';
          settle(fail(text.replace('(SSH) Channel open failure: ', '')));
        } else if (settled) {
          value.close();
        } else {
          settle(ok(value));
        }
      };
      try {
        start(done);
      } catch (error) {
        settle(fail(error instanceof Error ? error.message : 'the connection is closed'));
      }
    });
  }

  // The other side answers keepalives all the while. One that said nothing at all is gone.
  #endIfSilent(): void {
    if (performance.now() - this.#heardMs >= this.#channelMs) {
      this.#isOpen = false;
      this.#reason ||= 'the other side went silent';
      this.#client.destroy();
    }
  }

  #channel(channel: ClientChannel): Channel {
    let closeNow: (exit: Exit) => void = () => {};
    let exit: Exit | null = null;
    const ended = new Promise<Exit>((resolve) => {
      closeNow = resolve;
      channel.on('exit', (code: number | null, signal?: string) => {
        exit =
          code === null
            ? { type: 'signal', name: cleanLine(signal ?? 'unknown', 20) }
            : { type: 'code', code };
      });
      channel.on('close', () => {
        resolve(exit ?? { type: 'lost', because: 'the host closed the channel without a status' });
      });
      void this.lost.then(async (why) => {
        // What had arrived before is still being delivered; "close" comes after it.
        await wait(drainTimeoutMs);
        resolve(exit ?? { type: 'lost', because: why });
      });
    }).then((result) =>
      result.type === 'lost' && !this.#isOpen ? this.#lostExit(result) : result,
    );
    channel.on('error', () => {});
    return {
      stdin: channel,
      stdout: channel,
      stderr: channel.stderr,
      ended,
      close: () => {
        channel.close();
        closeNow({ type: 'lost', because: stoppedHere });
      },
    };
  }

  async #lostExit(exit: Extract<Exit, { type: 'lost' }>): Promise<Exit> {
    const because = await Promise.race([this.lost, wait(drainTimeoutMs).then(() => exit.because)]);
    return { type: 'lost', because };
  }
}

async function wait(ms: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(null), ms).unref();
  });
}
