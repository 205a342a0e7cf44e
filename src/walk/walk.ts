import { addressFamily } from '../core/net.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { request, type FactRequest, type FactSet } from '../facts/fact.ts';
import { iptablesFact } from '../facts/iptables.ts';
import { listenersFact } from '../facts/listeners.ts';
import { networkFact, type Network } from '../facts/network.ts';
import { nftFact } from '../facts/nft.ts';
import { clientPacket, walkFirewall } from './firewall.ts';
import type { Link } from './link.ts';
import { walkListener } from './listener.ts';

/** The facts that a walk needs. */
export function walkRequests(endpoint: Endpoint): FactRequest[] {
  return [iptables, nft, listeners, networkOf(endpoint)];
}

const iptables = request(iptablesFact, undefined);
const nft = request(nftFact, undefined);
const listeners = request(listenersFact, undefined);

function networkOf(endpoint: Endpoint): FactRequest<Network> {
  return request(networkFact, endpoint.from?.address ?? null);
}

/**
 * Follows one login of the endpoint's client through the layers that are known so far: the host's
 * firewall and the listener.
 */
export function walk(facts: FactSet, endpoint: Endpoint): Link[] {
  const network = facts.get(networkOf(endpoint));
  const packet = clientPacket(endpoint, network.known ? network.value : null);
  const family = addressFamily(endpoint.from?.address ?? endpoint.address) ?? 'ip';
  return [
    walkFirewall({ iptables: facts.get(iptables), nft: facts.get(nft), network }, endpoint),
    walkListener(facts.get(listeners), {
      port: endpoint.port,
      family,
      destination: packet?.destination ?? null,
    }),
  ];
}

/** The first link that is surely broken, or null. */
export function brokenLink(links: readonly Link[]): Link | null {
  return links.find(({ state }) => state === 'broken') ?? null;
}
