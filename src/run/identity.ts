import { isIP } from 'node:net';
import type { Endpoint } from '../core/endpoint.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import { request, type FactSet, type Observed } from '../facts/fact.ts';
import { identityFact, type Identity } from '../facts/identity.ts';

/** The request for what tells one host from another. */
export const identityRequest = request(identityFact, undefined);

/** What is known beforehand of the host that is meant. */
export interface MeantHost {
  /** The name that the host gives itself, where a person said it. */
  readonly name: string | null;
  /** The endpoint's keys in known_hosts, as `type base64`. */
  readonly recordedKeys: readonly string[];
}

/** Whether the host behind the way in is the endpoint. */
export interface IdentityVerdict {
  /** `unknown`: nothing speaks for it, and nothing against it. */
  readonly verdict: 'same' | 'other' | 'unknown';
  /** The name that the host gives itself. */
  readonly name: string | null;
  readonly because: string;
  /** True where it rests on keys, or on a name that a person gave; else on a name that only looks otherwise. */
  readonly certain: boolean;
}

/**
 * Compares the host behind the way in with the one that is meant: by the name that a person gave; else
 * by the host keys on record, an address of the endpoint, or its name. Keys may have been made anew, and
 * addresses translated on the way: so one of the three may be enough, but keys that say otherwise are
 * never passed over in silence.
 */
export function judgeIdentity(
  meant: MeantHost,
  facts: FactSet,
  endpoint: Endpoint,
): IdentityVerdict {
  const observed = facts.get(identityRequest);
  const name = observed.known ? observed.value.name : null;
  if (meant.name !== null) {
    const verdict = isSameName(meant.name, name) ? 'same' : 'other';
    return { verdict, name, because: `--host-is says ${meant.name}`, certain: true };
  }
  return observed.known
    ? { name, ...judge(meant, observed.value, endpoint) }
    : { verdict: 'unknown', name, because: observed.because, certain: false };
}

function judge(
  { recordedKeys }: MeantHost,
  { name, publicKeys, addresses }: Identity,
  { host, address }: Endpoint,
): Omit<IdentityVerdict, 'name'> {
  const keys = compareKeys(recordedKeys, publicKeys);
  const fits = addresses.includes(address) || [host, address].some((one) => isSameName(one, name));
  const otherKeys = `its host keys are not those that known_hosts has for ${host}`;
  const neither = `it has neither that name nor the address ${address}`;
  switch (keys) {
    case 'same':
      return { verdict: 'same', because: '', certain: true };
    case 'none':
      return fits
        ? { verdict: 'same', because: '', certain: true }
        : { verdict: isNamed(host) ? 'other' : 'unknown', because: neither, certain: false };
    case 'mixed':
      return fits
        ? { verdict: 'same', because: '', certain: true }
        : { verdict: 'other', because: `some of ${otherKeys}, and ${neither}`, certain: false };
    case 'other':
      return fits
        ? {
            verdict: 'unknown',
            because: `${otherKeys}, though its name or address is`,
            certain: false,
          }
        : { verdict: 'other', because: `${otherKeys}, and ${neither}`, certain: true };
  }
}

// By kinds of keys: copies of one machine may share one, and a record may hold an old one beside the new.
function compareKeys(
  recorded: readonly string[],
  shown: readonly string[],
): 'none' | 'same' | 'mixed' | 'other' {
  const typeOf = (key: string): string => key.slice(0, key.indexOf(' '));
  const right = new Set(recorded.filter((key) => shown.includes(key)).map(typeOf));
  const kinds = new Set(shown.map(typeOf));
  const compared = recorded.map(typeOf).filter((type) => kinds.has(type));
  if (compared.length === 0) {
    return 'none';
  }
  const all = compared.every((type) => right.has(type));
  return all ? 'same' : right.size > 0 ? 'mixed' : 'other';
}

// An address, or what every host calls itself, says nothing of one host.
function isNamed(host: string): boolean {
  return isIP(host) === 0 && host !== 'localhost';
}

// Hosts often call themselves by the first word of their name alone.
function isSameName(meant: string, name: string | null): boolean {
  if (name === null || !isNamed(meant)) {
    return false;
  }
  const [one, two] = [meant.toLowerCase(), name.toLowerCase()];
  const isShort = !one.includes('.') || !two.includes('.');
  return one === two || (isShort && one.split('.')[0] === two.split('.')[0]);
}

/** Whether a host that another way in leads to is the one that was seen before. */
export function isSameHost(before: Observed<Identity>, now: Observed<Identity>): boolean {
  if (!before.known || !now.known || before.value.name !== now.value.name) {
    return false;
  }
  const shares = (one: readonly string[], two: readonly string[]): boolean =>
    one.some((item) => two.includes(item));
  // A step of the run may have made the keys anew.
  return (
    shares(before.value.publicKeys, now.value.publicKeys) ||
    shares(before.value.addresses, now.value.addresses)
  );
}

/** The way in leads to another host. */
export function wrongHostFailure(host: string, { name, because }: IdentityVerdict): Failure {
  return {
    code: 'wrong-host',
    what: `The way in leads to another host than ${host}.`,
    why: `The host there calls itself ${name ?? 'by no name'}; ${because}.`,
    access: nothingChanged,
    todo:
      name === null
        ? 'Check the way in: is it the console of this host?'
        : `Check the way in: is it the console of this host? If it is, say so and run the same command again with:\n    --host-is ${name}`,
  };
}
