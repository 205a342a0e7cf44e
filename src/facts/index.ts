import { accountsFact } from './accounts.ts';
import { fail2banFact } from './fail2ban.ts';
import { request, type Fact, type FactRequest } from './fact.ts';
import { firewalldFact } from './firewalld.ts';
import { hostKeysFact } from './host-keys.ts';
import { identityFact } from './identity.ts';
import { iptablesFact } from './iptables.ts';
import { listenersFact } from './listeners.ts';
import { loginPathsFact } from './login-path.ts';
import { nftFact } from './nft.ts';
import { pamFact } from './pam.ts';
import { sshdDaemonFact } from './sshd-daemon.ts';
import { tcpWrappersFact } from './tcp-wrappers.ts';
import { sshdConfigFact } from './sshd-config.ts';
import { selinuxFact } from './selinux.ts';
import { socketUnitsFact } from './socket-unit.ts';
import { sshdFaultsFact } from './sshd-faults.ts';
import { sshdFact } from './sshd.ts';
import { ufwFact } from './ufw.ts';

const withoutArguments: readonly Fact<undefined, unknown>[] = [
  accountsFact,
  fail2banFact,
  firewalldFact,
  hostKeysFact,
  identityFact,
  iptablesFact,
  listenersFact,
  loginPathsFact,
  nftFact,
  pamFact,
  selinuxFact,
  socketUnitsFact,
  sshdConfigFact,
  sshdDaemonFact,
  sshdFact,
  sshdFaultsFact,
  tcpWrappersFact,
  ufwFact,
];

/** Facts that take no arguments, by name: what a `when` may look at as `facts.NAME`. */
export const facts: ReadonlyMap<string, FactRequest> = new Map(
  withoutArguments.map((fact) => [fact.name, request(fact, undefined)]),
);
