import type { Change } from '../core/change.ts';
import type { FactSet } from '../facts/fact.ts';
import type { Probe } from '../walk/firewall.ts';
import type { Passage } from '../walk/netfilter.ts';
import type { Packet } from '../walk/packet.ts';
import { banReason } from './firewall-facts.ts';
import { blocked, change, type ModulePlan } from './module.ts';

/**
 * What is to be done next for a packet: a change; nothing; a ban is in the way; it cannot be done
 * (`stop`); or it cannot be told, which is said and left (`doubt`).
 */
export type NextChange =
  | Change
  | { readonly stop: string }
  | { readonly doubt: string }
  | 'ban'
  | null;

/** What a firewall module says when it is done. */
export interface RoundReasons {
  readonly passes: string;
  readonly stopped: string;
}

// A rule set of many tables can stop one packet in each of them; more rounds than this is no repair.
const maxRounds = 12;

/** Mends one place after the other until every packet passes, each on the facts that the last left. */
export function planRounds(
  facts: FactSet,
  probes: readonly Probe[],
  reasons: RoundReasons,
  nextChange: (facts: FactSet, packet: Packet) => NextChange,
): ModulePlan {
  let state = facts;
  const changes: Change[] = [];
  const notes = new Set<string>();
  for (const { packet } of probes) {
    for (let round = 0; round < maxRounds; round += 1) {
      const next = nextChange(state, packet);
      if (next === null || next === 'ban') {
        if (next === 'ban') {
          notes.add(banReason);
        }
        break;
      }
      if ('stop' in next) {
        return blocked(next.stop);
      }
      if ('doubt' in next) {
        notes.add(next.doubt);
        break;
      }
      state = state.with(next.factsAfter);
      changes.push(next);
    }
  }
  const said = [...notes].join('; ');
  if (changes.length === 0) {
    return change(said === '' ? reasons.passes : said, changes);
  }
  return change(said === '' ? reasons.stopped : `${reasons.stopped}; ${said}`, changes);
}

/** Says that a packet may be stopped, and by what. */
export function doubtText(passage: Passage): string {
  return `cannot tell whether it passes: ${passage.block?.by ?? 'a rule'} may stop it (${passage.doubts.join('; ') || 'not decidable'})`;
}
