import { addressFamily, covers, parseSpan, type Family } from '../core/net.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { Observed } from '../facts/fact.ts';
import type { Iptables } from '../facts/iptables.ts';
import type { Network } from '../facts/network.ts';
import type { Nft } from '../facts/nft.ts';
import type { Ruleset } from '../facts/ruleset.ts';
import type { Link } from './link.ts';
import { traverse, type Passage } from './netfilter.ts';
import type { Packet } from './packet.ts';

/**
 * All rules that the kernel applies, each once: iptables-nft rules stand in the nft listing too, and
 * are taken from the tool that owns them.
 */
export function joinRulesets(iptables: Iptables, nft: Nft): Ruleset {
  const shown = iptables.ruleset.tables.filter(
    (table) =>
      table.tool !== 'iptables' || !iptables.incompatible.includes(`${table.family} ${table.name}`),
  );
  const own = nft.ruleset.tables.map((table) => {
    const twin = shown.find(
      (other) =>
        other.tool === 'iptables' && other.family === table.family && other.name === table.name,
    );
    const chains = table.chains.filter(
      (chain) => !twin?.chains.some(({ name }) => name === chain.name),
    );
    return { ...table, chains };
  });
  return { tables: [...shown, ...own] };
}

/** Who is to get in: a port, and the clients, as a playbook says it. */
export interface Admission {
  readonly port: number;
  /** `any`, or a net in CIDR notation. */
  readonly from: string;
}

/** One packet to follow, and who it stands for. */
export interface Probe {
  readonly packet: Packet;
  /** `client` is the endpoint's own `from`; `net` is every client the playbook lets in. */
  readonly who: 'client' | 'net';
}

const everyone: Readonly<Record<Family, string>> = { ip: '0.0.0.0/0', ip6: '::/0' };

/**
 * The packets that must get through for an admission: for each family that the host has, one for the
 * whole net, and one for the endpoint's own client where the net holds it.
 */
export function probesFor(
  admission: Admission,
  endpoint: Endpoint,
  network: Network | null,
  families: readonly Family[],
): Probe[] {
  return families.flatMap((family): Probe[] => {
    const net = admission.from === 'any' ? everyone[family] : admission.from;
    if (parseSpan(net)?.family !== family) {
      return [];
    }
    const way = wayIn(endpoint, network, family);
    const packet = { family, port: admission.port, ...way };
    const clients = clientAddresses(endpoint).filter(
      (client) => covers(net, client) && client !== net,
    );
    return [
      { who: 'net', packet: { ...packet, source: net } },
      ...clients.map((client) => ({
        who: 'client' as const,
        packet: { ...packet, source: client },
      })),
    ];
  });
}

/** Every address that the endpoint's client may come from, the one that is known best first. */
export function clientAddresses(endpoint: Endpoint): string[] {
  return endpoint.from === null ? [] : [endpoint.from.address, ...(endpoint.alsoFrom ?? [])];
}

/** The packet of the endpoint's own client; null where nobody knows its address. */
export function clientPacket(endpoint: Endpoint, network: Network | null): Packet | null {
  const family = addressFamily(endpoint.from?.address ?? '');
  return endpoint.from === null || family === null
    ? null
    : {
        family,
        source: endpoint.from.address,
        port: endpoint.port,
        ...wayIn(endpoint, network, family),
      };
}

// The endpoint's address names the interface where the host has it; behind address translation the
// way back to the client does.
function wayIn(
  endpoint: Endpoint,
  network: Network | null,
  family: Family,
): { destination: string | null; interface: string | null } {
  const own = network?.addresses.find(({ address }) => address === endpoint.address);
  const name = own?.interface ?? network?.towards?.interface ?? null;
  const candidates =
    network?.addresses.filter((one) => one.interface === name && one.family === family) ?? [];
  const destination =
    own?.family === family
      ? own.address
      : (candidates.find(({ scope }) => scope === 'global')?.address ?? null);
  return { destination, interface: name };
}

/** The firewall layer, for the endpoint's own client. */
export function walkFirewall(
  facts: {
    readonly iptables: Observed<Iptables>;
    readonly nft: Observed<Nft>;
    readonly network: Observed<Network>;
  },
  endpoint: Endpoint,
): Link {
  if (!facts.iptables.known || !facts.nft.known) {
    const because = [facts.iptables, facts.nft].flatMap((fact) =>
      fact.known ? [] : [fact.because],
    );
    return { layer: 'firewall', state: 'unknown', by: because.join('; '), evidence: [] };
  }
  const packet = clientPacket(endpoint, facts.network.known ? facts.network.value : null);
  if (packet === null) {
    return {
      layer: 'firewall',
      state: 'unknown',
      by: 'the address that logins come from is not known',
      evidence: [],
    };
  }
  const passage = traverse(joinRulesets(facts.iptables.value, facts.nft.value), packet);
  return {
    layer: 'firewall',
    state: passage.state,
    by: describePassage(passage),
    evidence: [describePacket(packet)],
  };
}

/** A packet for people: `tcp 192.0.2.7 → 10.0.0.2 port 22 on eth0`. */
export function describePacket(packet: Packet): string {
  const to = packet.destination === null ? '' : ` to ${packet.destination}`;
  const on = packet.interface === null ? '' : ` on ${packet.interface}`;
  const source =
    packet.source === everyone[packet.family]
      ? `any ${packet.family === 'ip' ? 'IPv4' : 'IPv6'} client`
      : packet.source;
  return `tcp from ${source}${to} port ${packet.port}${on}`;
}

function describePassage(passage: Passage): string {
  if (passage.state === 'ok') {
    return 'every chain lets it through';
  }
  const by = passage.block?.by ?? 'the rule set';
  return passage.state === 'broken'
    ? by
    : `${by} may stop it: ${passage.doubts.join('; ') || 'not decidable'}`;
}

/** Whether a packet stands for every client of its family. */
export function isEveryone(packet: Packet): boolean {
  return packet.source === everyone[packet.family];
}
