import type { Duplex } from 'node:stream';
import { Client, type AnyAuthMethod } from 'ssh2';
import { cleanLine } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import {
  decideHostKey,
  hostKeyAlgorithms,
  hostKeyFromBlob,
  type HostKey,
  type HostKeyDecision,
} from './known-hosts.ts';
import { appendKnownHost, type KnownHosts } from './known-hosts-file.ts';
import { Authentication } from './ssh-auth.ts';
import { SshConnection } from './ssh-connection.ts';
import {
  authFailure,
  authTimeoutFailure,
  changedKeyFailure,
  closedFailure,
  hostKeyName,
  interruptedFailure,
  negotiationFailure,
  revokedKeyFailure,
  silentFailure,
  unknownKeyFailure,
  type HopPlace,
} from './ssh-failure.ts';
import type { JumpHosts, Lease } from './ssh-jump.ts';

/** Time limits of one login, in milliseconds. Questions to a person are not counted. */
export interface SshTimeouts {
  readonly connectMs: number;
  /** From the open connection to the end of the key exchange. */
  readonly handshakeMs: number;
  readonly authenticationMs: number;
  /** From the wish for a channel (a command, a forwarded connection) to its opening. */
  readonly channelMs: number;
  readonly keepaliveMs: number;
}

/** The time limits that are used unless others are given. */
export const sshTimeouts: SshTimeouts = {
  connectMs: 10_000,
  handshakeMs: 20_000,
  authenticationMs: 30_000,
  channelMs: 20_000,
  keepaliveMs: 10_000,
};

/** How to treat host keys, and whom to tell. */
export interface SshOptions {
  /** Stores a key that is not known. A changed or revoked key is never accepted. */
  readonly acceptNewHostKey: boolean;
  /** Keys that were learnt on a verified way in this run: trusted for the last hop, never stored. */
  readonly trustedKeys?: readonly HostKey[];
  readonly timeouts?: SshTimeouts;
  /** Shares the connections to jump hosts with others that are given the same. */
  readonly jumpHosts?: JumpHosts;
  /** Receives sentences for the user that are no failure. */
  readonly onNotice?: (text: string) => void;
}

/** Why there is no login, and how far it went at the host itself (not at a jump host). */
export interface SshError {
  readonly failure: Failure;
  /** `listener`: the connection was accepted; `banner`: an SSH service said what it is. */
  readonly reached: 'none' | 'listener' | 'banner';
  /** What the SSH service calls itself, cleaned; null where it said nothing. */
  readonly ident: string | null;
}

/** What every hop of one way shares. */
export interface HopContext {
  readonly options: SshOptions;
  readonly outer: Lease | null;
  readonly signal: AbortSignal;
}

/** One hop's open socket and the host keys known for it. */
export interface HandshakeContext extends HopContext {
  readonly knownHosts: KnownHosts;
  readonly socket: Duplex;
}

const maxFirstBytes = 4096;

/** One login over one open connection: owns the client and the timer until it has settled. */
export class Handshake {
  readonly #place: HopPlace;
  readonly #context: HandshakeContext;
  readonly #client = new Client();
  readonly #authentication: Authentication;
  readonly #timeouts: SshTimeouts;
  #firstBytes = Buffer.alloc(0);
  #hostKey: HostKey | null = null;
  #decision: HostKeyDecision | null = null;
  #stage: 'keys' | 'login' = 'keys';
  #banner = '';
  #timer: NodeJS.Timeout | undefined;
  #settle: (result: Result<SshConnection, SshError>) => void = () => {};
  #settled = false;
  #stored: Promise<void> = Promise.resolve();

  constructor(place: HopPlace, context: HandshakeContext) {
    this.#place = place;
    this.#context = context;
    this.#timeouts = context.options.timeouts ?? sshTimeouts;
    this.#authentication = new Authentication(place.target, async (ask) => this.#whileAsking(ask));
  }

  /** Runs the login to its end. Call it once. */
  async run(): Promise<Result<SshConnection, SshError>> {
    const { signal } = this.#context;
    const onAbort = (): void => this.#fail(interruptedFailure());
    const result = await new Promise<Result<SshConnection, SshError>>((resolve) => {
      this.#settle = resolve;
      signal.addEventListener('abort', onAbort, { once: true });
      this.#start();
      if (signal.aborted) {
        onAbort();
      }
    });
    signal.removeEventListener('abort', onAbort);
    clearTimeout(this.#timer);
    return result;
  }

  #start(): void {
    const { socket, knownHosts, options } = this.#context;
    // Paused first, or else the listener would let the data flow before ssh2 reads it.
    socket.pause();
    socket.on('data', this.#keepFirst);
    socket.on('error', () => {});
    this.#listen();
    this.#startTimer(this.#timeouts.handshakeMs);
    this.#client.connect({
      sock: socket,
      username: this.#place.target.user,
      readyTimeout: 0,
      keepaliveInterval: this.#timeouts.keepaliveMs,
      keepaliveCountMax: 3,
      algorithms: {
        serverHostKey: hostKeyAlgorithms(
          knownHosts.lines,
          hostKeyName(this.#place.target),
          options.trustedKeys,
        ) as never,
      },
      hostVerifier: (blob: Buffer, verify: (trusted: boolean) => void): void => {
        verify(this.#trusts(blob));
      },
      authHandler: (methods, _partial, next) => {
        this.#nextMethod(methods, next as (method: AnyAuthMethod | false) => void);
      },
    });
  }

  #listen(): void {
    const client = this.#client;
    client.on('error', (error: Error & { level?: string }) => this.#onError(error));
    client.on('banner', (text: string) => {
      this.#banner = (this.#banner + text).slice(0, 2000);
    });
    client.on('change password', () => {
      this.#fail(authFailure(this.#place, this.#authentication.record, 'The password has expired'));
    });
    client.once('handshake', () => this.#onHandshake());
    client.once('ready', () => this.#onReady());
    client.once('close', () => this.#onClose('The connection was closed.'));
  }

  readonly #keepFirst = (chunk: Buffer): void => {
    this.#firstBytes = Buffer.concat([this.#firstBytes, chunk]).subarray(0, maxFirstBytes);
    if (this.#firstBytes.length === maxFirstBytes || this.#ident() !== null) {
      this.#context.socket.off('data', this.#keepFirst);
    }
  };

  #ident(): string | null {
    return /^(SSH-[^\r\n]*)\r?\n/m.exec(this.#firstBytes.toString('latin1'))?.[1] ?? null;
  }

  #refusalLine(): string {
    return this.#ident() === null ? this.#firstBytes.toString('utf8') : '';
  }

  // Never async: ssh2 takes a promise for a yes.
  #trusts(blob: Buffer): boolean {
    const key = hostKeyFromBlob(blob);
    if (key === null) {
      return false;
    }
    if (this.#hostKey !== null) {
      // A later key exchange of the same connection must show the same key.
      return this.#hostKey.base64 === key.base64;
    }
    const { knownHosts, options } = this.#context;
    this.#hostKey = key;
    this.#decision = decideHostKey(knownHosts.lines, hostKeyName(this.#place.target), {
      key,
      trusted: options.trustedKeys ?? [],
    });
    const { type } = this.#decision;
    return type === 'ok' || (type === 'unknown' && options.acceptNewHostKey);
  }

  // ssh2 asks the verifier before it checks the signature; only now has the host proved its key.
  #onHandshake(): void {
    this.#stage = 'login';
    this.#startTimer(this.#timeouts.authenticationMs);
    if (this.#decision?.type === 'unknown' && this.#hostKey !== null) {
      this.#stored = this.#store(this.#hostKey);
    }
  }

  async #store(key: HostKey): Promise<void> {
    const { target } = this.#place;
    const notice = this.#context.options.onNotice;
    if (target.newKeysFile === null) {
      notice?.(
        `The host key of ${target.host} was not stored: there is no known_hosts file for it.`,
      );
      return;
    }
    const stored = await appendKnownHost({
      file: target.newKeysFile,
      who: hostKeyName(target),
      key,
      hash: target.hashKnownHosts,
    });
    notice?.(
      stored.ok
        ? `The host key of ${target.host} was added to ${target.newKeysFile}.`
        : `The host key of ${target.host} was not stored: ${stored.error}.`,
    );
  }

  #nextMethod(
    methods: readonly string[] | null,
    next: (method: AnyAuthMethod | false) => void,
  ): void {
    this.#authentication.next(methods).then(
      (method) => {
        if (!this.#settled) {
          next(method ?? false);
        }
      },
      (error: unknown) => {
        this.#authentication.note(
          error instanceof Error ? cleanLine(error.message) : 'The login failed here.',
        );
        this.#fail(authFailure(this.#place, this.#authentication.record, this.#banner));
      },
    );
  }

  async #whileAsking<T>(ask: () => Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    try {
      return await ask();
    } finally {
      if (!this.#settled) {
        this.#startTimer(this.#timeouts.authenticationMs);
      }
    }
  }

  #startTimer(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const seconds = ms / 1000;
      this.#fail(
        this.#stage === 'keys'
          ? silentFailure(this.#place, seconds, this.#ident())
          : authTimeoutFailure(this.#place, this.#authentication.record, seconds),
      );
    }, ms);
  }

  #onReady(): void {
    if (this.#settled || this.#hostKey === null) {
      return;
    }
    this.#settled = true;
    const facts = {
      name: this.#place.target.host,
      hostKey: this.#hostKey,
      ident: cleanLine(this.#ident() ?? 'SSH', 100),
      loginBy: this.#authentication.last,
    };
    const connection = new SshConnection(this.#client, facts, {
      outer: this.#context.outer,
      socket: this.#context.socket,
      channelMs: this.#timeouts.channelMs,
    });
    void this.#stored.then(() => this.#settle(ok(connection)));
  }

  #onError(error: Error & { level?: string }): void {
    const isOneKey = error.level === 'client-authentication' && error.message.startsWith('Error');
    if (error.level === 'agent' || isOneKey) {
      // A signature that could not be made: ssh2 goes on with the next key by itself.
      this.#authentication.note(`A key was not used: ${cleanLine(error.message, 120)}.`);
      return;
    }
    if (this.#stage === 'login') {
      const text =
        error.level === 'client-authentication' ? this.#banner : `${this.#banner} ${error.message}`;
      this.#fail(authFailure(this.#place, this.#authentication.record, text));
      return;
    }
    this.#fail(this.#keyFailure() ?? this.#handshakeFailure(error));
  }

  #keyFailure(): Failure | null {
    if (this.#hostKey === null || this.#decision === null) {
      return null;
    }
    switch (this.#decision.type) {
      case 'unknown':
        return this.#context.options.acceptNewHostKey
          ? null
          : unknownKeyFailure(this.#place, this.#hostKey, this.#decision.certAuthority);
      case 'changed':
        return changedKeyFailure(this.#place, this.#hostKey, this.#decision.recorded);
      case 'revoked':
        return revokedKeyFailure(this.#place, this.#hostKey, this.#decision.recorded);
      case 'ok':
        return null;
    }
  }

  #handshakeFailure(error: Error & { level?: string }): Failure {
    const text = cleanLine(error.message, 200);
    if (error.level === 'handshake' && this.#ident() !== null) {
      return negotiationFailure(this.#place, text);
    }
    return closedFailure(this.#place, {
      ident: this.#ident(),
      line: this.#refusalLine(),
      why: /Connection lost before handshake/.test(text) ? '' : text,
    });
  }

  #onClose(text: string): void {
    this.#onError(Object.assign(new Error(text), { level: 'protocol' }));
  }

  #fail(failure: Failure): void {
    if (this.#settled) {
      return;
    }
    this.#settled = true;
    const ident = this.#ident();
    this.#client.destroy();
    this.#context.socket.destroy();
    this.#settle(
      fail({
        failure,
        reached: ident === null ? 'listener' : 'banner',
        ident: ident === null ? null : cleanLine(ident, 100),
      }),
    );
  }
}
