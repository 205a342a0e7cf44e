import { fail2banFact } from './fail2ban.ts';
import { request, type Fact, type FactRequest } from './fact.ts';
import { firewalldFact } from './firewalld.ts';
import { hostKeysFact } from './host-keys.ts';
import { iptablesFact } from './iptables.ts';
import { listenersFact } from './listeners.ts';
import { nftFact } from './nft.ts';
import { sshdFact } from './sshd.ts';
import { ufwFact } from './ufw.ts';

const withoutArguments: readonly Fact<undefined, unknown>[] = [
  fail2banFact,
  firewalldFact,
  hostKeysFact,
  iptablesFact,
  listenersFact,
  nftFact,
  sshdFact,
  ufwFact,
];

/** Facts that take no arguments, by name: what a `when` may look at as `facts.NAME`. */
export const facts: ReadonlyMap<string, FactRequest> = new Map(
  withoutArguments.map((fact) => [fact.name, request(fact, undefined)]),
);
