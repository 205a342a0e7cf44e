import {
  chainName,
  findChain,
  insertRule,
  type ChainRef,
  type Rule,
  type Ruleset,
  type Table,
} from '../facts/ruleset.ts';
import { isEveryone } from './firewall.ts';
import { traverse, type Block, type Passage } from './netfilter.ts';
import type { Packet } from './packet.ts';

/** Where an accept must stand, or what stops the packet wherever it stands. */
export type Placement =
  | { readonly kind: 'passes' }
  | {
      readonly kind: 'place';
      readonly index: number;
      readonly ruleset: Ruleset;
      readonly block: Block;
    }
  /** `sure` is false where nobody can tell whether the packet is stopped at all. */
  | {
      readonly kind: 'stuck';
      readonly sure: boolean;
      readonly block: Block | null;
      readonly doubts: readonly string[];
    };

/**
 * Finds where in one chain an accept takes effect for a packet: before the rule of that chain that
 * stops it, or at the chain's end where something behind the chain does. The answer is tried by
 * walking again with the rule in place. This is the only place that decides about rule order.
 *
 * Other base chains are left out: each must accept by itself, and another step mends the others.
 */
export function placeAccept(
  whole: Ruleset,
  ref: ChainRef,
  packet: Packet,
  accept: Rule,
): Placement {
  const ruleset = onlyTheWayTo(whole, ref);
  const chain = findChain(ruleset, ref);
  const first = traverse(ruleset, packet);
  if (first.state === 'ok') {
    return { kind: 'passes' };
  }
  if (chain === null || first.block === null) {
    return {
      kind: 'stuck',
      sure: first.state === 'broken',
      block: first.block,
      doubts: first.doubts,
    };
  }
  let index = positionIn(ref, first.block) ?? chain.rules.length;
  // Each round moves the rule before one more that may stop the packet.
  for (let round = 0; round < 64; round += 1) {
    const passage = traverse(insertRule(ruleset, ref, index, accept), packet);
    const earlier = passage.block === null ? null : positionIn(ref, passage.block);
    const further = earlier !== null && earlier < index;
    // What only may stop it stands elsewhere: the accept still mends what surely stopped it.
    const mended = passage.state === 'unknown' && first.state === 'broken' && !further;
    if (passage.state === 'ok' || mended) {
      return {
        kind: 'place',
        index,
        ruleset: insertRule(whole, ref, index, accept),
        block: first.block,
      };
    }
    if (!further) {
      return {
        kind: 'stuck',
        sure: passage.state === 'broken',
        block: passage.block,
        doubts: passage.doubts,
      };
    }
    index = earlier;
  }
  return {
    kind: 'stuck',
    sure: first.state === 'broken',
    block: first.block,
    doubts: first.doubts,
  };
}

/** Whether a packet passes its way to one chain with an accept at a given place of that chain. */
export function passesWith(
  whole: Ruleset,
  ref: ChainRef,
  index: number,
  packet: Packet,
  accept: Rule,
): boolean {
  const ruleset = insertRule(onlyTheWayTo(whole, ref), ref, index, accept);
  return traverse(ruleset, packet).state === 'ok';
}

/** Whether a packet passes every base chain of the tables that `keep` picks. */
export function passageThrough(
  whole: Ruleset,
  keep: (table: Table) => boolean,
  packet: Packet,
): Passage {
  return traverse({ tables: whole.tables.filter(keep) }, packet);
}

function onlyTheWayTo(ruleset: Ruleset, ref: ChainRef): Ruleset {
  const target = findChain(ruleset, ref);
  const tables = ruleset.tables
    .filter(
      (table) => table.tool === ref.tool && table.family === ref.family && table.name === ref.table,
    )
    .map((table) => ({
      ...table,
      chains: table.chains.map((chain) =>
        target?.base !== null && chain.name !== ref.chain ? { ...chain, base: null } : chain,
      ),
    }));
  return { tables };
}

function positionIn(ref: ChainRef, block: Block): number | null {
  const place = block.path.find((one) => chainName(one.ref) === chainName(ref));
  return place?.index ?? null;
}

/** An accept for a packet's port and source, as a rule of the model. */
export function acceptRule(packet: Packet, text: string): Rule {
  const matches: Rule['matches'] = [
    { kind: 'protocol', names: ['tcp'], negate: false },
    { kind: 'port', ranges: [{ first: packet.port, last: packet.port }], negate: false },
    ...(isEveryone(packet)
      ? []
      : [{ kind: 'source' as const, nets: [packet.source], negate: false }]),
  ];
  return { handle: null, text, matches, verdict: { kind: 'accept' } };
}
