import { z } from 'zod';
import type { Endpoint } from '../core/endpoint.ts';
import { request, type FactRequest, type FactSet, type Observed } from '../facts/fact.ts';
import { iptablesFact, type Iptables } from '../facts/iptables.ts';
import { networkFact, type Network } from '../facts/network.ts';
import { nftFact, type Nft } from '../facts/nft.ts';
import type { Ruleset } from '../facts/ruleset.ts';
import { joinRulesets, probesFor, type Admission, type Probe } from '../walk/firewall.ts';
import type { Block } from '../walk/netfilter.ts';

/** The arguments that every module which lets SSH through a firewall has. */
export const admissionSchema = z.strictObject({
  port: z.int().min(1).max(65535).describe('the port to open'),
  proto: z.literal('tcp').default('tcp').describe('the protocol; SSH runs over tcp'),
  from: z.string().default('any').describe('who may connect: `any`, or a net in CIDR notation'),
});

/** The request for the iptables rules. */
export const iptablesRequest: FactRequest<Iptables> = request(iptablesFact, undefined);
/** The request for the nftables rules. */
export const nftRequest: FactRequest<Nft> = request(nftFact, undefined);

/** The network fact for the endpoint's client. */
export function networkRequest(endpoint: Endpoint): FactRequest<Network> {
  return request(networkFact, endpoint.from?.address ?? null);
}

/** The requests that walking the firewall needs. */
export function firewallRequests(endpoint: Endpoint): FactRequest[] {
  return [iptablesRequest, nftRequest, networkRequest(endpoint)];
}

/** What a firewall module plans on. */
export interface FirewallFacts {
  readonly iptables: Iptables;
  readonly nft: Nft;
  readonly ruleset: Ruleset;
  readonly probes: readonly Probe[];
}

/** The rule sets and the packets that must pass; unknown where either rule set is. */
export function firewallFacts(
  facts: FactSet,
  admission: Admission,
  endpoint: Endpoint,
): Observed<FirewallFacts> {
  const iptables = facts.get(iptablesRequest);
  const nft = facts.get(nftRequest);
  const network = facts.get(networkRequest(endpoint));
  if (!iptables.known) {
    return iptables;
  }
  if (!nft.known) {
    return nft;
  }
  const probes = probesFor(
    admission,
    endpoint,
    network.known ? network.value : null,
    iptables.value.families,
  );
  const ruleset = joinRulesets(iptables.value, nft.value);
  return { known: true, value: { iptables: iptables.value, nft: nft.value, ruleset, probes } };
}

/** Whether a ban, not a rule set, stops the packet: another playbook's cause. */
export function isBan(block: Block | null): boolean {
  return (
    block?.path.some(
      ({ ref }) =>
        /^(?:f2b-|fail2ban-|sshguard|crowdsec)/i.test(ref.chain) ||
        /^(?:f2b-|crowdsec)/i.test(ref.table),
    ) ?? false
  );
}

/** Said of a packet that a ban stops. */
export const banReason = 'the client is banned (run unban-address for that)';
