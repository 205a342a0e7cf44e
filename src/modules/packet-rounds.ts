import type { Change } from '../core/change.ts';
import type { FactSet } from '../facts/fact.ts';
import type { Probe } from '../walk/firewall.ts';
import type { Packet } from '../walk/packet.ts';
import { banReason } from './firewall-facts.ts';
import { blocked, change, type ModulePlan } from './module.ts';

/** What is to be done next for a packet: a change, nothing, a ban in the way, or why it cannot be. */
export type NextChange = Change | { readonly stop: string } | 'ban' | null;

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
  let banned = false;
  for (const { packet } of probes) {
    for (let round = 0; round < maxRounds; round += 1) {
      const next = nextChange(state, packet);
      if (next === null || next === 'ban') {
        banned ||= next === 'ban';
        break;
      }
      if ('stop' in next) {
        return blocked(next.stop);
      }
      state = state.with(next.factsAfter);
      changes.push(next);
    }
  }
  const unchanged = banned ? banReason : reasons.passes;
  return change(changes.length === 0 ? unchanged : reasons.stopped, changes);
}
