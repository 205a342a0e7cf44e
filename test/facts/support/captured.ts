import { existsSync, readFileSync } from 'node:fs';
import {
  FactSet,
  request,
  type Fact,
  type FactRequest,
  type Observed,
  type Part,
  type Parts,
} from '../../../src/facts/fact.ts';
import { fail2banFact } from '../../../src/facts/fail2ban.ts';
import { firewalldFact } from '../../../src/facts/firewalld.ts';
import { hostKeysFact } from '../../../src/facts/host-keys.ts';
import { iptablesFact } from '../../../src/facts/iptables.ts';
import { listenersFact } from '../../../src/facts/listeners.ts';
import { loginFilesFact } from '../../../src/facts/login-files.ts';
import { networkFact } from '../../../src/facts/network.ts';
import { nftFact } from '../../../src/facts/nft.ts';
import { sshdFact } from '../../../src/facts/sshd.ts';
import { ufwFact } from '../../../src/facts/ufw.ts';
import { unitsFact } from '../../../src/facts/units.ts';
import { RecordReader } from '../../../src/program/records.ts';

/** The two releases that were captured. */
export const distros = ['debian12', 'debian13'] as const;

const token = '0123456789abcdef';

/** The parts of one fact as a real host printed them; see test/fixtures/README.md. */
export function capturedParts(fact: string, name: string): Parts {
  const bytes = readFileSync(fixture(fact, name));
  const end = bytes.indexOf(10);
  const names = bytes.subarray(0, end).toString().split(' ').slice(1);
  const reader = new RecordReader(token, names.length);
  reader.push(bytes.subarray(end));
  const parts = reader.finish();
  if (typeof parts === 'string') {
    throw new TypeError(`the fixture ${fact}/${name} cannot be read: ${parts}`);
  }
  return new Map(names.map((part, index) => [part, parts.get(index) as Part]));
}

/** What a fact's parser makes of them. */
export function captured<A, V>(fact: Fact<A, V>, args: A, name: string): Observed<V> {
  return fact.parse(capturedParts(fact.name, name), args);
}

/** The same, for what must be known. */
export function capturedValue<A, V>(fact: Fact<A, V>, args: A, name: string): V {
  const observed = captured(fact, args, name);
  if (!observed.known) {
    throw new Error(`unknown: ${observed.because}`);
  }
  return observed.value;
}

function fixture(fact: string, name: string): URL {
  return new URL(`../../fixtures/${fact}/${name}.txt`, import.meta.url);
}

/** A part that was not captured: for hostile or rare output. */
export function part(text: string, more: Partial<Part> = {}): Part {
  return {
    text,
    latin1: Buffer.from(text).toString('latin1'),
    errors: '',
    status: 0,
    cut: false,
    ...more,
  };
}

export const unitNames = ['ssh.service', 'sshd.service', 'ssh.socket', 'sshd.socket'];

/** The client of every captured host: the controller of the lab. */
export const client = '10.77.0.1';

/**
 * All facts of one captured case. What was not captured in that case is taken from the clean host of
 * the same release.
 */
export function capturedFacts(name: string, user = 'admin'): FactSet {
  const [distro = ''] = name.split('-');
  const pairs = requests(user).map(({ wanted, parse, fact }): [string, Observed<unknown>] => {
    const own = existsSync(fixture(fact, name)) ? name : null;
    const fallback = fact === 'login-files' ? `${distro}-${user}` : `${distro}-clean`;
    return [wanted.key, parse(capturedParts(fact, own ?? fallback))];
  });
  return new FactSet(new Map(pairs));
}

interface Wanted {
  readonly fact: string;
  readonly wanted: FactRequest;
  readonly parse: (parts: Parts) => Observed<unknown>;
}

function requests(user: string): Wanted[] {
  const all: FactRequest[] = [
    request(ufwFact, undefined),
    request(firewalldFact, undefined),
    request(iptablesFact, undefined),
    request(nftFact, undefined),
    request(fail2banFact, undefined),
    request(listenersFact, undefined),
    request(sshdFact, undefined),
    request(hostKeysFact, undefined),
    request(unitsFact, unitNames),
    request(networkFact, client),
    request(loginFilesFact, user),
  ];
  return all.map((wanted) => ({ fact: wanted.name, wanted, parse: wanted.parse }));
}
