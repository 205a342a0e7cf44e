import { z } from 'zod';
import type { Change } from '../core/change.ts';
import type { Family } from '../core/net.ts';
import type { Argv } from '../core/quote.ts';
import { request } from '../facts/fact.ts';
import type { Iptables } from '../facts/iptables.ts';
import { editChain, findChain, type ChainRef } from '../facts/ruleset.ts';
import { ufwFact, type Ufw, type UfwRule } from '../facts/ufw.ts';
import { describePacket, isEveryone, type Probe } from '../walk/firewall.ts';
import { acceptRule, placeAccept } from '../walk/placement.ts';
import type { Packet } from '../walk/packet.ts';
import {
  admissionSchema,
  banReason,
  firewallFacts,
  firewallRequests,
  iptablesRequest,
  isBan,
  type FirewallFacts,
} from './firewall-facts.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';
import {
  allowRule,
  kernelIndexOf,
  listIndex,
  listText,
  positionOf,
  rulesOf,
  sameTuple,
} from './ufw-list.ts';

// ufw writes its files first, and the kernel's rules of each family after them.
const mend: Argv = ['mend_ufw'];

const schema = admissionSchema.extend({
  rule: z.literal('allow').default('allow').describe('what the rule does'),
});

/** The request for ufw's rules. */
export const ufwRequest = request(ufwFact, undefined);

/** Lets a port through ufw: a rule of ufw's own, placed where it takes effect. */
export const ufwRule: Module<typeof schema> = {
  name: 'ufw-rule',
  summary: 'Let a port through ufw, with the rule where it takes effect, now and after a reboot',
  schema,
  facts: (_args, { endpoint }) => [ufwRequest, ...firewallRequests(endpoint)],
  plan(args, facts, { endpoint }) {
    const ufw = facts.get(ufwRequest);
    const firewall = firewallFacts(facts, args, endpoint);
    if (!ufw.known) {
      return blocked(ufw.because);
    }
    if (!ufw.value.active) {
      return none(
        ufw.value.installed ? 'ufw is installed but not enabled' : 'ufw is not installed',
      );
    }
    return firewall.known ? planRules(ufw.value, firewall.value) : blocked(firewall.because);
  },
};

/** ufw's rules and the kernel's, as planned changes leave them. */
interface State {
  readonly ufw: Ufw;
  readonly firewall: FirewallFacts;
}

function planRules(ufw: Ufw, firewall: FirewallFacts): ModulePlan {
  let state: State = { ufw, firewall };
  const changes: Change[] = [];
  const notes: string[] = [];
  for (const probe of firewall.probes) {
    if (probe.packet.family === 'ip6' && !ufw.ipv6) {
      continue;
    }
    const step = planProbe(state, probe);
    if (typeof step === 'string') {
      notes.push(step);
    } else if ('stuck' in step) {
      return blocked(step.stuck);
    } else {
      state = step.state;
      changes.push(...step.changes);
    }
  }
  const merged = mergeFamilies(changes);
  return change(
    merged.length === 0 ? (notes[0] ?? 'ufw already lets it through') : 'ufw stops it',
    merged,
  );
}

type ProbeStep =
  | { readonly state: State; readonly changes: readonly Change[] }
  | { readonly stuck: string }
  | string;

function planProbe(state: State, { packet }: Probe): ProbeStep {
  const ref = userChain(packet.family);
  const { ruleset } = state.firewall;
  if (findChain(ruleset, ref) === null) {
    return {
      stuck: `ufw is enabled, but its chain ${ref.chain} is not in the kernel: another firewall has replaced its rules`,
    };
  }
  const placement = placeAccept(ruleset, ref, packet, acceptRule(packet, 'ufw'));
  if (placement.kind === 'passes') {
    return 'ufw already lets it through';
  }
  if (placement.kind === 'stuck' && !placement.sure) {
    return `ufw lets it through, unless ${placement.doubts.join('; ')} stops it, which nobody can tell`;
  }
  if (placement.kind === 'stuck') {
    return isBan(placement.block)
      ? banReason
      : {
          stuck: `no rule of ufw's can let in ${describePacket(packet)}: ${placement.block?.by ?? placement.doubts.join('; ')} stands before ufw's user rules`,
        };
  }
  return placeRule(state, packet, placement.index);
}

function placeRule(state: State, packet: Packet, kernelIndex: number): ProbeStep {
  const { family } = packet;
  const rules = rulesOf(state.ufw, family);
  const at = listIndex(rules, kernelIndex);
  if (at === null) {
    return {
      stuck:
        "ufw's rules in the kernel are not those in its files: look at both, then run `ufw reload`",
    };
  }
  const wanted = allowRule(packet);
  const twin = rules.findIndex((rule) => sameTuple(rule, wanted));
  if (twin < 0) {
    return insertChange(state, packet, at, wanted);
  }
  const existing = rules[twin] ?? wanted;
  if (existing.action !== 'allow') {
    return replaceChange(state, packet, twin, existing);
  }
  // ufw skips the insertion of a rule that it has already, so the rule is moved: taken out and put in.
  const without = removeChange(state, packet, twin, existing);
  const inserted = insertChange(without.state, packet, at, wanted);
  return { state: inserted.state, changes: [...without.changes, ...inserted.changes] };
}

function insertChange(
  state: State,
  packet: Packet,
  at: number,
  rule: UfwRule,
): { state: State; changes: Change[] } {
  const rules = rulesOf(state.ufw, packet.family);
  const append = at === rules.length;
  const words = ruleWords(packet);
  const place: string[] = append
    ? []
    : ['insert', String(positionOf(state.ufw, packet.family, at))];
  const after = withRules(state, packet, rules.toSpliced(at, 0, rule), (kernel) =>
    kernel.toSpliced(kernelIndexOf(rules, at), 0, acceptRule(packet, `ufw ${words.join(' ')}`)),
  );
  const position = append ? '' : ` before rule ${positionOf(state.ufw, packet.family, at)}`;
  const summary = `ufw: allow ${packet.port}/tcp from ${sourceName(packet)}${position}`;
  return {
    state: after,
    changes: [
      toChange(
        state,
        after,
        summary,
        ['ufw', ...place, 'allow', ...words],
        ['ufw', 'delete', 'allow', ...words],
        packet,
      ),
    ],
  };
}

function removeChange(
  state: State,
  packet: Packet,
  at: number,
  rule: UfwRule,
): { state: State; changes: Change[] } {
  const rules = rulesOf(state.ufw, packet.family);
  const words = ruleWords(packet);
  const start = kernelIndexOf(rules, at);
  const after = withRules(state, packet, rules.toSpliced(at, 1), (kernel) =>
    kernel.toSpliced(start, rule.kernelRules),
  );
  const back: string[] =
    at === rules.length - 1 ? [] : ['insert', String(positionOf(state.ufw, packet.family, at))];
  const summary = `ufw: take out the later allow ${packet.port}/tcp, to put it where it takes effect`;
  return {
    state: after,
    changes: [
      toChange(
        state,
        after,
        summary,
        ['ufw', 'delete', 'allow', ...words],
        ['ufw', ...back, 'allow', ...words],
        packet,
      ),
    ],
  };
}

function replaceChange(state: State, packet: Packet, at: number, existing: UfwRule): ProbeStep {
  const rules = rulesOf(state.ufw, packet.family);
  const words = ruleWords(packet);
  const start = kernelIndexOf(rules, at);
  const after = withRules(
    state,
    packet,
    rules.with(at, { ...existing, action: 'allow', kernelRules: 1 }),
    (kernel) =>
      kernel.toSpliced(start, existing.kernelRules, acceptRule(packet, `ufw ${words.join(' ')}`)),
  );
  const summary = `ufw: turn ${existing.action} ${packet.port}/tcp from ${sourceName(packet)} into allow`;
  const replaced = {
    state: after,
    changes: [
      toChange(
        state,
        after,
        summary,
        ['ufw', 'allow', ...words],
        ['ufw', existing.action, ...words],
        packet,
      ),
    ],
  };
  // In its old place the rule may still stand behind another one that stops the packet.
  const again = planProbe(after, { packet, who: 'net' });
  if (typeof again === 'string') {
    return replaced;
  }
  return 'stuck' in again
    ? again
    : { state: again.state, changes: [...replaced.changes, ...again.changes] };
}

function toChange(
  before: State,
  after: State,
  summary: string,
  argv: Argv,
  undo: Argv,
  packet: Packet,
): Change {
  return {
    kind: 'rule',
    target: packet.family === 'ip' ? 'ufw IPv4 rules' : 'ufw IPv6 rules',
    summary,
    before: listText(rulesOf(before.ufw, packet.family)),
    after: listText(rulesOf(after.ufw, packet.family)),
    action: { type: 'run', argv },
    holds: null,
    undo: { type: 'run', argv: undo, mend },
    risk: 'access',
    sensitive: false,
    factsAfter: [
      { key: ufwRequest.key, value: after.ufw },
      { key: iptablesRequest.key, value: after.firewall.iptables },
    ],
    invalidates: [],
  };
}

/** One `ufw allow 22/tcp` instead of a rule for each family, where both go to the end. */
function mergeFamilies(changes: readonly Change[]): Change[] {
  const [v4, v6, ...others] = changes;
  const argv = v4 === undefined ? [] : runArgv(v4);
  const argv6 = v6 === undefined ? [] : runArgv(v6);
  if (
    v4 === undefined ||
    v6 === undefined ||
    argv[1] !== 'allow' ||
    argv6[1] !== 'allow' ||
    argv[5] !== '0.0.0.0/0' ||
    argv6[5] !== '::/0'
  ) {
    return [...changes];
  }
  const rule = `${argv.at(-1) ?? ''}/tcp`;
  const merged: Change = {
    ...v6,
    target: 'ufw rules',
    summary: `ufw: allow ${rule} from anywhere`,
    before: [v4.before, v6.before].join(''),
    after: [v4.after, v6.after].join(''),
    action: { type: 'run', argv: ['ufw', 'allow', rule] },
    undo: { type: 'run', argv: ['ufw', 'delete', 'allow', rule], mend },
  };
  return [merged, ...others];
}

function runArgv(one: Change): readonly string[] {
  return one.action.type === 'run' && one.summary.startsWith('ufw: allow') ? one.action.argv : [];
}

function userChain(family: Family): ChainRef {
  return {
    tool: 'iptables',
    family,
    table: 'filter',
    chain: family === 'ip' ? 'ufw-user-input' : 'ufw6-user-input',
  };
}

function withRules(
  state: State,
  packet: Packet,
  rules: readonly UfwRule[],
  editKernel: Parameters<typeof editChain>[2],
): State {
  const { family } = packet;
  const ref = userChain(family);
  const iptables: Iptables = {
    ...state.firewall.iptables,
    ruleset: editChain(state.firewall.iptables.ruleset, ref, editKernel),
  };
  return {
    ufw: family === 'ip' ? { ...state.ufw, rules } : { ...state.ufw, rules6: rules },
    firewall: {
      ...state.firewall,
      iptables,
      ruleset: editChain(state.firewall.ruleset, ref, editKernel),
    },
  };
}

function ruleWords(packet: Packet): string[] {
  return ['proto', 'tcp', 'from', packet.source, 'to', 'any', 'port', String(packet.port)];
}

function sourceName(packet: Packet): string {
  return isEveryone(packet) ? 'anywhere' : packet.source;
}
