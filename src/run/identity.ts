import { isIP } from 'node:net';
import type { Endpoint } from '../core/endpoint.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import { request, type FactSet } from '../facts/fact.ts';
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
 * by the host keys on record, an address of the endpoint, or its name. One of them that fits is enough:
 * keys may have been made anew, and addresses translated on the way.
 */
export function judgeIdentity(
  meant: MeantHost,
  facts: FactSet,
  endpoint: Endpoint,
): IdentityVerdict {
  const observed = facts.get(identityRequest);
  if (!observed.known) {
    return { verdict: 'unknown', name: null, because: observed.because, certain: false };
  }
  const { name, publicKeys, addresses } = observed.value;
  if (meant.name !== null) {
    const is = isSameName(meant.name, name, 'whole');
    return {
      verdict: is ? 'same' : 'other',
      name,
      because: `--host-is says ${meant.name}`,
      certain: true,
    };
  }
  const fits =
    agree(meant.recordedKeys, publicKeys) ||
    addresses.includes(endpoint.address) ||
    [endpoint.host, endpoint.address].some((one) => isSameName(one, name, 'first label'));
  if (fits) {
    return { verdict: 'same', name, because: '', certain: true };
  }
  return { name, ...against(meant, observed.value, endpoint) };
}

// Copies of one machine may share a key: each kind that is on record must be right.
function agree(recorded: readonly string[], shown: readonly string[]): boolean {
  const typeOf = (key: string): string => key.slice(0, key.indexOf(' '));
  const right = new Set(recorded.filter((key) => shown.includes(key)).map(typeOf));
  const kinds = new Set(shown.map(typeOf));
  const compared = recorded.map(typeOf).filter((type) => kinds.has(type));
  return compared.length > 0 && compared.every((type) => right.has(type));
}

function against(
  { recordedKeys }: MeantHost,
  { publicKeys }: Identity,
  { host, address }: Endpoint,
): Omit<IdentityVerdict, 'name'> {
  if (recordedKeys.length > 0 && publicKeys.length > 0) {
    const because = `its host keys are not those that known_hosts has for ${host}, and it has neither that name nor the address ${address}`;
    return { verdict: 'other', because, certain: true };
  }
  const because = `it has neither that name nor the address ${address}`;
  return { verdict: isNamed(host) ? 'other' : 'unknown', because, certain: false };
}

// An address, or what every host calls itself, says nothing of one host.
function isNamed(host: string): boolean {
  return isIP(host) === 0 && host !== 'localhost';
}

function isSameName(meant: string, name: string | null, how: 'whole' | 'first label'): boolean {
  if (name === null || !isNamed(meant)) {
    return false;
  }
  const [one, two] = [meant.toLowerCase(), name.toLowerCase()];
  return one === two || (how === 'first label' && one.split('.')[0] === two.split('.')[0]);
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
