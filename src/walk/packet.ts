import { compareSpans, parseSpan, type Family } from '../core/net.ts';
import type { Match } from '../facts/ruleset.ts';

/** The first packet of a login: a TCP SYN to the endpoint. */
export interface Packet {
  readonly family: Family;
  /**
   * Where it comes from: an address, or a whole net for "any client of it". For a net, a rule about
   * only some of its addresses is an exception and counts as not matching.
   */
  readonly source: string;
  /** The address it is sent to, as the host has it; null where it is not known. */
  readonly destination: string | null;
  readonly port: number;
  /** The interface it comes in by; null where it is not known. */
  readonly interface: string | null;
}

/** What the packet has become on its way. */
export interface PacketState {
  readonly packet: Packet;
  /** What connection tracking may say; more than one where an uncertain rule may have changed it. */
  readonly tracking: readonly ('new' | 'untracked')[];
  /** The ports it may be sent to by now: more than one where an uncertain rule may redirect it. */
  readonly ports: readonly number[];
  /** The mark, or null once a rule may have set it. */
  readonly mark: number | null;
}

/** Three-valued: does a rule apply? */
export type Applies = 'yes' | 'no' | 'maybe';

/** Whether all matches of a rule hold. One that surely fails decides, whatever the others are. */
export function appliesAll(matches: readonly Match[], state: PacketState): Applies {
  let result: Applies = 'yes';
  for (const match of matches) {
    const one = applies(match, state);
    if (one === 'no') {
      return 'no';
    }
    result = one === 'maybe' ? 'maybe' : result;
  }
  return result;
}

/** Whether one match holds. */
export function applies(match: Match, state: PacketState): Applies {
  const { packet } = state;
  switch (match.kind) {
    case 'source':
      return matchNets(match.nets, match.negate, packet.family, packet.source);
    case 'destination':
      return packet.destination === null
        ? matchUnknownDestination(match.nets, match.negate)
        : matchNets(match.nets, match.negate, packet.family, packet.destination);
    case 'interface':
      return negated(matchInterface(match.names, packet.interface), match.negate);
    case 'protocol':
      return negated(yesNo(match.names.some((name) => tcpNames.has(name))), match.negate);
    case 'port':
      return negated(
        allOf(
          state.ports.map((port) =>
            match.ranges.some(({ first, last }) => port >= first && port <= last),
          ),
        ),
        match.negate,
      );
    case 'state':
      return negated(allOf(state.tracking.map((one) => match.states.includes(one))), match.negate);
    case 'family':
      return negated(yesNo(match.family === packet.family), match.negate);
    case 'mark':
      return negated(
        state.mark === null ? 'maybe' : yesNo((state.mark & match.mask) === match.value),
        match.negate,
      );
    case 'any-of':
      return negated(anyOf(match.groups.map((group) => appliesAll(group, state))), match.negate);
    case 'assumed':
      return yesNo(match.holds);
    case 'unknown':
      return 'maybe';
  }
}

const tcpNames = new Set(['tcp', '6', 'all', '0', 'ip', 'ipv6']);

function matchNets(
  nets: readonly string[],
  negate: boolean,
  family: Family,
  address: string,
): Applies {
  const own = parseSpan(address);
  const spans = nets.map(parseSpan);
  if (own === null || spans.includes(null)) {
    return 'maybe';
  }
  const sameFamily = spans.filter((span) => span !== null && span.family === family);
  // A match on addresses of the other family never sees this packet, negated or not.
  if (sameFamily.length === 0 && spans.length > 0) {
    return 'no';
  }
  const inside = sameFamily.some((span) => span !== null && compareSpans(own, span) === 'inside');
  return negated(yesNo(inside), negate);
}

const groupAddresses = ['224.0.0.0/4', '255.255.255.255', 'ff00::/8'].map(parseSpan);

// Without the address, only this is known: a login is never sent to a group of hosts.
function matchUnknownDestination(nets: readonly string[], negate: boolean): Applies {
  const group = nets
    .map(parseSpan)
    .every(
      (span) =>
        span !== null &&
        groupAddresses.some((other) => other !== null && compareSpans(span, other) === 'inside'),
    );
  return group ? yesNo(negate) : 'maybe';
}

function matchInterface(names: readonly string[], own: string | null): Applies {
  if (own === null) {
    return names.every((name) => name === 'lo') ? 'no' : 'maybe';
  }
  return yesNo(
    names.some((name) => (name.endsWith('*') ? own.startsWith(name.slice(0, -1)) : name === own)),
  );
}

function anyOf(results: readonly Applies[]): Applies {
  return results.includes('yes') ? 'yes' : results.includes('maybe') ? 'maybe' : 'no';
}

function negated(result: Applies, negate: boolean): Applies {
  return !negate || result === 'maybe' ? result : result === 'yes' ? 'no' : 'yes';
}

function allOf(results: readonly boolean[]): Applies {
  return results.includes(true) ? (results.includes(false) ? 'maybe' : 'yes') : 'no';
}

function yesNo(holds: boolean): Applies {
  return holds ? 'yes' : 'no';
}
