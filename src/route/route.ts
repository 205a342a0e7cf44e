import type { ClientAddress } from '../core/endpoint.ts';
import type { Failure } from '../core/failure.ts';
import type { Result } from '../core/result.ts';

/** The kinds of a way in. */
export type RouteKind = 'ssh' | 'openssh' | 'console' | 'exec' | 'local';

/** A way in to do the work. Opening it changes nothing on the host beyond what any login leaves. */
export interface Route {
  readonly kind: RouteKind;
  /** For people: `ssh root@web1:22 through bastion`, `exec 'lab exec web1 sh'`. No secrets. */
  readonly description: string;
  /** Connects and finds out how a root shell is reached. Never throws for an expected failure. */
  open(signal: AbortSignal): Promise<Result<Session, Failure>>;
}

/** How a program ended. `lost` means that nobody knows what it did. */
export type Exit =
  | { readonly type: 'code'; readonly code: number }
  | { readonly type: 'signal'; readonly name: string }
  | { readonly type: 'lost'; readonly because: string };

/** Why a program is lost that nobody waits for any longer. */
export const stoppedHere = 'it was stopped from here';

/** What `Session.run` is given besides the program. */
export interface RunOptions {
  /** Receives standard output as it comes; it must keep up and must not throw. */
  readonly onOutput: (chunk: Buffer) => void;
  /**
   * Ends the run; the exit is then `lost`. The program ends with what it writes next, which nobody
   * reads any more; one that writes nothing may go on to its own end.
   */
  readonly signal: AbortSignal;
  /** Time without any output after which the run counts as lost, in milliseconds. */
  readonly idleMs: number;
}

/** A root shell on the host. */
export interface Session {
  readonly kind: RouteKind;
  readonly description: string;
  /** The two ends of the connection as the host sees them (`SSH_CONNECTION`), where it is an ssh. */
  readonly connection: {
    readonly client: ClientAddress;
    readonly serverAddress: string;
    readonly serverPort: number;
  } | null;
  /** How root was reached: already root, `sudo -n`, or sudo with a password. */
  readonly elevation: 'root' | 'sudo' | 'sudo-password';
  /**
   * Runs a POSIX sh program as root. The text is sent on standard input, whole, and is made so that
   * a cut-off text runs nothing. Standard error is kept for failures only (capped, cleaned).
   *
   * An error means that the program did not start; `lost` means that it may have.
   */
  run(program: string, options: RunOptions): Promise<Result<Exit, Failure>>;
  /** What the program that ended last wrote to standard error: capped at 8 KiB, cleaned. */
  errorOutput?(): string;
  /** Ends the session and everything it started on this side. Never throws. */
  close(): Promise<void>;
}
