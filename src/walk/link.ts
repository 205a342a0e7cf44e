/** The layers of one login, in the order a login passes them. */
export type Layer =
  | 'name'
  | 'network'
  | 'firewall'
  | 'listener'
  | 'handshake'
  | 'authentication'
  | 'account'
  | 'session';

/** What one layer does to a login. */
export interface Link {
  readonly layer: Layer;
  readonly state: 'ok' | 'broken' | 'unknown';
  /** The rule, file and line, or socket that decides; for an unknown, the reason. */
  readonly by: string;
  /** What was read to know it, one line each. */
  readonly evidence: readonly string[];
}
