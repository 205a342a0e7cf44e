import { addressFamily } from '../core/net.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { request, type FactRequest, type FactSet } from '../facts/fact.ts';
import { fail2banFact } from '../facts/fail2ban.ts';
import { hostKeysFact } from '../facts/host-keys.ts';
import { iptablesFact } from '../facts/iptables.ts';
import { listenersFact } from '../facts/listeners.ts';
import { networkFact, type Network } from '../facts/network.ts';
import { nftFact } from '../facts/nft.ts';
import { socketUnitsFact } from '../facts/socket-unit.ts';
import { sshdFact } from '../facts/sshd.ts';
import { tcpWrappersRequest } from '../facts/tcp-wrappers.ts';
import { walkAccount } from './account.ts';
import { walkAuthentication } from './authentication.ts';
import { nameBans } from './bans.ts';
import { clientPacket, walkFirewall } from './firewall.ts';
import { walkHandshake } from './handshake.ts';
import type { Link } from './link.ts';
import { walkListener, walkPlannedListener, type ListenTarget } from './listener.ts';
import { loginRequests, readLogin, type View } from './login.ts';
import { socketInUse } from './planned-listener.ts';
import { walkSession } from './session.ts';

/** The facts that a walk needs. */
export function walkRequests(endpoint: Endpoint): FactRequest[] {
  return [
    iptables,
    nft,
    listeners,
    networkOf(endpoint),
    fail2ban,
    hostKeys,
    sshd,
    socketUnits,
    tcpWrappersRequest,
    ...loginRequests(endpoint),
  ];
}

const iptables = request(iptablesFact, undefined);
const nft = request(nftFact, undefined);
const listeners = request(listenersFact, undefined);
const fail2ban = request(fail2banFact, undefined);
const hostKeys = request(hostKeysFact, undefined);
const sshd = request(sshdFact, undefined);
const socketUnits = request(socketUnitsFact, undefined);

function networkOf(endpoint: Endpoint): FactRequest<Network> {
  return request(networkFact, endpoint.from?.address ?? null);
}

/**
 * Follows one login of the endpoint's client through the layers of the host, from the firewall to the
 * session.
 *
 * @param view `now`: the daemon as it runs; `reloaded`: as it will be once it has read its
 *   configuration anew, which is how latent trouble and planned changes are judged.
 */
export function walk(facts: FactSet, endpoint: Endpoint, view: View = 'now'): Link[] {
  const network = facts.get(networkOf(endpoint));
  const packet = clientPacket(endpoint, network.known ? network.value : null);
  const destination = packet?.destination ?? null;
  const login = readLogin(facts, endpoint, destination, view);
  const target: ListenTarget = {
    port: endpoint.port,
    family: addressFamily(endpoint.from?.address ?? endpoint.address) ?? 'ip',
    destination,
  };
  const firewall = walkFirewall(
    { iptables: facts.get(iptables), nft: facts.get(nft), network },
    endpoint,
  );
  return [
    nameBans(firewall, facts.get(fail2ban), endpoint),
    view === 'now'
      ? walkListener(facts.get(listeners), target)
      : walkPlannedListener(
          {
            listeners: facts.get(listeners),
            config: login.config,
            units: facts.get(socketUnits),
            network,
            daemonPid: login.daemon.known ? login.daemon.value.pid : null,
          },
          target,
        ),
    walkHandshake(
      login,
      {
        wrappers: facts.get(tcpWrappersRequest),
        hostKeys: facts.get(hostKeys),
        sshd: facts.get(sshd),
        startsAnew: view === 'reloaded' || bySocket(facts),
        bySocket: bySocket(facts),
      },
      destination,
    ),
    walkAuthentication(login),
    walkAccount(login),
    walkSession(login),
  ];
}

// A socket unit starts sshd, or a process of it, with the configuration as it stands then.
function bySocket(facts: FactSet): boolean {
  const sockets = facts.get(listeners);
  const units = facts.get(socketUnits);
  return sockets.known && units.known && socketInUse(sockets.value, units.value) !== null;
}

/** The first link that is surely broken, or null. */
export function brokenLink(links: readonly Link[]): Link | null {
  return links.find(({ state }) => state === 'broken') ?? null;
}
