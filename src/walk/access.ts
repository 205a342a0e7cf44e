import type { Endpoint } from '../core/endpoint.ts';
import { accountRequest, accountsRequest, type Account } from '../facts/accounts.ts';
import type { FactRequest, FactSet } from '../facts/fact.ts';
import { loginPathRequest, loginPathsRequest } from '../facts/login-path.ts';
import { sshdConfigRequest } from '../facts/sshd-config.ts';
import type { Layer, Link } from './link.ts';
import type { View } from './login.ts';
import { walk, walkRequests } from './walk.ts';

/** Days within which a login makes an account one that is in use. */
export const recentDays = 90;

/** The person at work, where the way in is a login by ssh to the host itself. */
export interface Operator {
  readonly user: string;
  /** The port of that login; null where it is the endpoint's. */
  readonly port: number | null;
  /** Where that login comes from. */
  readonly from: Endpoint['from'];
  readonly credential?: Endpoint['credential'];
}

/** What the gate compares. */
export interface AccessInput {
  readonly before: FactSet;
  /** The facts as the plan leaves them. */
  readonly after: FactSet;
  readonly endpoint: Endpoint;
  /** The endpoint as clients reach it after the plan, where that differs: on another port. */
  readonly endpointAfter?: Endpoint;
  readonly operator: Operator | null;
  /** Accounts that may lose their access: `--accept-loss USER`. */
  readonly acceptLoss: readonly string[];
  /**
   * True where the plan makes sshd read its configuration (a reload, a start, a restart of its socket).
   * A plan that changes the configuration counts as one that does.
   */
  readonly reloads?: boolean;
}

/** Why an account is looked at. */
export type AccessReason = 'operator' | 'endpoint' | 'recent' | 'keys';

/** A login that worked, or may have, and will not. */
export interface AccessLoss {
  readonly user: string;
  readonly reason: AccessReason;
  /** The link that the plan breaks; its `by` names the rule. */
  readonly link: Link;
  /** The same layer as it was. */
  readonly was: Link['state'];
  /** True where `--accept-loss` names the account. */
  readonly accepted: boolean;
}

/** A login of which nobody can tell whether it still works. */
export interface AccessDoubt {
  readonly user: string;
  readonly reason: AccessReason;
  /** The link that was ok and is unknown. */
  readonly link: Link;
}

/** What the plan does to those who can get in. */
export interface AccessVerdict {
  /** True where a login is lost that nobody accepted. */
  readonly refused: boolean;
  readonly losses: readonly AccessLoss[];
  /** Logins that were let in and of which nobody can tell now. */
  readonly doubts: readonly AccessDoubt[];
  /** Links of the endpoint's login that were broken and stay so: findings, no reason to refuse. */
  readonly findings: readonly Link[];
  /** True where the verdict rests on an address that is assumed, or on none: it is not proven then. */
  readonly assumedFrom: boolean;
  /** Accounts that were walked, and why; those that could not get in before are left out. */
  readonly walked: readonly { readonly user: string; readonly reason: AccessReason }[];
  /** Why not every account could be looked at; null where all were. */
  readonly incomplete: string | null;
}

/** The facts that the gate needs. */
export function accessRequests(endpoint: Endpoint, operator: Operator | null): FactRequest[] {
  const own =
    operator === null
      ? []
      : [
          ...walkRequests(operatorEndpoint(endpoint, operator)),
          accountRequest(operator.user),
          loginPathRequest(operator.user),
        ];
  return [...new Map([...walkRequests(endpoint), ...own].map((one) => [one.key, one])).values()];
}

/**
 * The access gate: the walk before and after a plan, for the operator, for the endpoint's user, and for
 * every account that logged in lately or has keys. A layer is lost that let a login pass, or of which
 * nobody knew, and is broken after the plan; one that was broken before is not the plan's doing.
 *
 * The way to sshd is the same for all, so it is compared for the operator and the endpoint only.
 */
export function accessGate(input: AccessInput): AccessVerdict {
  const { before, after } = input;
  const afterView: View = input.reloads === true || configChanges(input) ? 'reloaded' : 'now';
  const losses: AccessLoss[] = [];
  const doubts: AccessDoubt[] = [];
  const findings: Link[] = [];
  const walked: { user: string; reason: AccessReason }[] = [];
  const candidates = candidatesOf(input);
  for (const { user, reason, at, later } of candidates) {
    const own = reason === 'recent' || reason === 'keys';
    const was = walk(before, at).filter(({ layer }) => !own || personal.includes(layer));
    if (own && was.some(({ state }) => state === 'broken')) {
      continue;
    }
    walked.push({ user, reason });
    const compared = walk(after, later, afterView)
      .filter(({ layer }) => !own || personal.includes(layer))
      .map((link) => ({ link, was: was.find(({ layer }) => layer === link.layer) ?? null }));
    const lost = compared.find((one) => isLost(one.link, one.was, reason));
    const doubt = compared.find(
      ({ link, was: old }) => link.state === 'unknown' && old?.state === 'ok',
    );
    if (lost !== undefined) {
      const accepted = input.acceptLoss.includes(user);
      losses.push({ user, reason, link: lost.link, was: lost.was?.state ?? 'unknown', accepted });
    } else if (doubt !== undefined) {
      doubts.push({ user, reason, link: doubt.link });
    }
    if (reason === 'endpoint') {
      findings.push(
        ...compared.flatMap((one) =>
          one.link.state === 'broken' && !isLost(one.link, one.was, reason) ? [one.link] : [],
        ),
      );
    }
  }
  const accounts = before.get(accountsRequest);
  return {
    refused: losses.some(({ accepted }) => !accepted),
    losses,
    doubts,
    findings,
    assumedFrom: candidates.some(({ at }) => at.from === null || at.from.assumed),
    walked,
    incomplete: accounts.known ? accounts.value.incomplete : accounts.because,
  };
}

// The layers that differ from account to account.
const personal: readonly Layer[] = ['authentication', 'account', 'session'];

// The operator is in, whatever the facts say: a rule that was not there before locks that login out,
// too. What was broken in the same way before is what the session lives on in spite of; a port that
// nothing listens on is one that something else leads to.
function isLost(link: Link, was: Link | null, reason: AccessReason): boolean {
  if (link.state !== 'broken') {
    return false;
  }
  const another = reason === 'operator' && link.layer !== 'listener' && was?.by !== link.by;
  return was?.state !== 'broken' || another;
}

interface Candidate {
  readonly user: string;
  readonly reason: AccessReason;
  readonly at: Endpoint;
  /** The same login after the plan. */
  readonly later: Endpoint;
}

// Each account once, for the reason that weighs most; the operator may come by another port, and so is
// walked beside the endpoint's user even where it is the same account.
function candidatesOf(input: AccessInput): Candidate[] {
  const { before, endpoint, operator } = input;
  const later = input.endpointAfter ?? endpoint;
  const named: Candidate[] = [
    ...(operator === null
      ? []
      : [
          {
            user: operator.user,
            reason: 'operator' as const,
            at: operatorEndpoint(endpoint, operator),
            later: operatorEndpoint(later, operator),
          },
        ]),
    { user: endpoint.user, reason: 'endpoint', at: endpoint, later },
  ];
  const accounts = before.get(accountsRequest);
  const keys = before.get(loginPathsRequest);
  const others = (accounts.known ? accounts.value.accounts : []).flatMap((account): Candidate[] => {
    if (named.some(({ user }) => user === account.name)) {
      return [];
    }
    const reason: AccessReason | null =
      account.lastLogin !== null && account.lastLogin <= recentDays
        ? 'recent'
        : keys.known && hasKeys(account, Object.entries(keys.value.keys))
          ? 'keys'
          : null;
    return reason === null
      ? []
      : [
          {
            user: account.name,
            reason,
            at: otherEndpoint(endpoint, account.name),
            later: otherEndpoint(later, account.name),
          },
        ];
  });
  return [...named, ...others];
}

// Keys lie below the home, or in a folder for all with the account's name in the path.
function hasKeys(
  account: Account,
  files: readonly (readonly [string, { readonly keys: readonly unknown[] | null }])[],
): boolean {
  return files.some(
    ([path, { keys }]) =>
      keys?.length !== 0 &&
      ((account.home !== '/' && path.startsWith(`${account.home.replace(/\/+$/, '')}/`)) ||
        path.split('/').includes(account.name) ||
        path.split('/').includes(String(account.uid))),
  );
}

function operatorEndpoint(endpoint: Endpoint, operator: Operator): Endpoint {
  return {
    ...endpoint,
    user: operator.user,
    port: operator.port ?? endpoint.port,
    from: operator.from,
    credential: operator.credential ?? null,
    keyFingerprints: null,
  };
}

// Nobody knows what another account logs in with, so any way will do.
function otherEndpoint(endpoint: Endpoint, user: string): Endpoint {
  return { ...endpoint, user, credential: null, keyFingerprints: null };
}

function configChanges({ before, after }: AccessInput): boolean {
  const [was, then] = [before.get(sshdConfigRequest), after.get(sshdConfigRequest)];
  if (!was.known || !then.known) {
    return was.known !== then.known;
  }
  const digests = (files: readonly { path: string; sha256: string }[]): string =>
    files
      .map(({ path, sha256 }) => `${path} ${sha256}`)
      .toSorted()
      .join('\n');
  return was.value !== then.value && digests(was.value.files) !== digests(then.value.files);
}
