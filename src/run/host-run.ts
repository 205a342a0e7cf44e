import type { ClientAddress, Endpoint } from '../core/endpoint.ts';
import type { Emit } from '../core/event.ts';
import type { Failure } from '../core/failure.ts';
import type { Result } from '../core/result.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { Route, Session } from '../route/route.ts';
import type { Operator } from '../walk/access.ts';
import type { MeantHost } from './identity.ts';
import type { Prober } from './prove.ts';
import type { ReceiptKeeper } from './receipt.ts';
import type { ProofLevel } from './result.ts';
import type { Work } from './work.ts';

/** What a run over one host is made of. */
export interface HostRun {
  readonly runId: string;
  /** The endpoint as far as it is known before the host was asked. */
  readonly endpoint: Endpoint;
  readonly routes: readonly Route[];
  /** The client's address that the session shows, where the route takes the endpoint's own path. */
  readonly clientAddress: (route: Route, session: Session) => ClientAddress | null;
  /** Who is at work, where the way in is a login by ssh to the host itself. */
  readonly operator: (route: Route, session: Session) => Operator | null;
  /** By what the host behind a way in is told from another one. */
  readonly meant: Pick<MeantHost, 'name'> & {
    /** Read only where a host is to be compared. */
    readonly recordedKeys: () => Promise<MeantHost['recordedKeys']>;
  };
  /** True where the route is a login to the endpoint itself: then it works already. */
  readonly isEndpoint: (route: Route) => boolean;
  /** What is to be done, once the endpoint is known in full. */
  readonly work: (endpoint: Endpoint) => Result<Work, Failure>;
  readonly dryRun: boolean;
  /** The confirm window, in seconds; null: as long as the host's pace needs. */
  readonly guardSeconds: number | null;
  /** Accounts whose loss of access was accepted by name. */
  readonly acceptLoss: readonly string[];
  /** False only in tests of the guard: then nothing asks beforehand who would be locked out. */
  readonly accessGate: boolean;
  /** Asks whether the planned steps are to be applied. */
  readonly approve: (steps: readonly PlannedStep[]) => Promise<boolean>;
  /** Null where nobody can look from outside. */
  readonly prober: Prober | null;
  /** What a proof must reach; `login` unless the endpoint is this machine. */
  readonly proofWanted: ProofLevel;
  /** The command that takes the endpoint's old keys out of known_hosts, for people. */
  readonly forgetHostKeys: string;
  /** Writes down what is done, so that it can be settled and undone later. */
  readonly receipts: ReceiptKeeper;
  readonly emit: Emit;
  /** The person's wish to stop: at the next safe point, with everything taken back. */
  readonly signal: AbortSignal;
}
