/** The SSH service that should work, as the pure parts see it. No secrets, no files. */
export interface Endpoint {
  /** The name the user gave, for people. */
  readonly host: string;
  /** The address or name that is dialled, after ssh config. */
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** The address clients come from, as the host sees it; null where nobody knows. */
  readonly from: ClientAddress | null;
  /** The client's addresses of the other family, where the endpoint's name has both; all assumed. */
  readonly alsoFrom?: readonly string[];
  /** What the login shows: a key or a password; null or nothing where nobody knows. */
  readonly credential?: 'key' | 'password' | null;
  /** `SHA256:…` of the public keys that the login offers; null or nothing where nobody knows. */
  readonly keyFingerprints?: readonly string[] | null;
}

/** Where logins come from. A verdict that rests on an assumed address is never called proven. */
export interface ClientAddress {
  /** IPv4 or IPv6 in text, without zone or brackets. */
  readonly address: string;
  readonly assumed: boolean;
}
