/**
 * Every way a run is expected to fail. The code is stable: scripts may match on it. Each code maps
 * to one exit status in `src/cli/exit-status.ts`.
 */
export type FailureCode =
  // What the user gave (64): no host was contacted.
  | 'usage'
  | 'unknown-run'
  | 'invalid-playbook'
  | 'invalid-host'
  // Nothing reachable (4).
  | 'resolve'
  | 'connection-refused'
  | 'connect-timeout'
  | 'no-route'
  | 'net-unreachable'
  | 'handshake-closed'
  | 'handshake-timeout'
  | 'negotiation'
  | 'exec-failed'
  | 'console-failed'
  | 'console-busy'
  | 'not-booted'
  | 'shell-missing'
  | 'route-timeout'
  | 'connection-lost'
  | 'garbled'
  // Permission (77).
  | 'host-key-unknown'
  | 'host-key-changed'
  | 'host-key-revoked'
  | 'auth-failed'
  | 'key-unusable'
  | 'no-sudo'
  | 'wrong-token'
  | 'wrong-host'
  | 'sudo-password'
  // The plan could not be made or kept (1): the host is as it was.
  | 'blocked'
  | 'drifted'
  | 'apply-failed'
  | 'check-failed'
  | 'declined'
  | 'access-gate'
  | 'requirement'
  | 'guard-unavailable'
  | 'guard-fired'
  | 'proof-failed'

  // A person is needed (3).
  | 'contact-lost'
  | 'stuck'
  | 'endpoint-shut'
  // Another run holds the host (75).
  | 'locked'
  // Ended by a signal (130, 143).
  | 'interrupted'
  // A bug of ours (1).
  | 'internal';

/** A failure as data: what a person at 3 a.m. needs, in the order they need it. */
export interface Failure {
  readonly code: FailureCode;
  /** What happened, in one line. */
  readonly what: string;
  /** Why: the evidence, as the host or the system gave it, cleaned of control characters. */
  readonly why: string;
  /** What it means for access to the host. */
  readonly access: string;
  /** What to do next; a command to copy stands on its own line. */
  readonly todo: string;
}

/** Said where a run stopped before it could change anything. */
export const nothingChanged = 'Nothing was changed on the host.';

/** Said where the input was wrong and no host was contacted. */
export const notContacted = 'No host was contacted.';

/** Carries a `Failure` through code that streams or awaits, up to the edge that reports it. */
export class RunFailure extends Error {
  override readonly name = 'RunFailure';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.what);
    this.failure = failure;
  }
}
