import type { Change } from '../core/change.ts';
import type { Family } from '../core/net.ts';
import type { Argv } from '../core/quote.ts';
import type { FactSet } from '../facts/fact.ts';
import { counters, parseSave, type Iptables, type SavedRules } from '../facts/iptables.ts';
import {
  chainName,
  findChain,
  insertRule,
  type ChainRef,
  type Rule,
  type Ruleset,
  type Table,
} from '../facts/ruleset.ts';
import { describePacket, isEveryone } from '../walk/firewall.ts';
import { acceptRule, passageThrough, placeAccept } from '../walk/placement.ts';
import type { Packet } from '../walk/packet.ts';
import {
  admissionSchema,
  firewallFacts,
  firewallRequests,
  iptablesRequest,
  isBan,
} from './firewall-facts.ts';
import { blocked, type Module } from './module.ts';
import { doubtText, planRounds, type NextChange } from './packet-rounds.ts';

/** Lets a port through rules made with iptables and ip6tables, live and in the saved rules. */
export const iptablesRule: Module<typeof admissionSchema> = {
  name: 'iptables-rule',
  summary:
    'Let a port through iptables and ip6tables, before the rule that stops it, live and saved',
  schema: admissionSchema,
  facts: (_args, { endpoint }) => firewallRequests(endpoint),
  plan(args, facts, { endpoint }) {
    const firewall = firewallFacts(facts, args, endpoint);
    return firewall.known
      ? planRounds(facts, firewall.value.probes, reasons, nextChange)
      : blocked(firewall.because);
  },
};

const reasons = {
  passes: 'no iptables rule stops it, now or after a reboot',
  stopped: 'iptables rules stop it',
};

/** The next rule that is missing for a packet, live first, then saved; null where it passes. */
function nextChange(facts: FactSet, packet: Packet): NextChange {
  const iptables = facts.get(iptablesRequest);
  if (!iptables.known) {
    return { stop: iptables.because };
  }
  const live = passageThrough(iptables.value.ruleset, isIptables, packet);
  if (live.state === 'broken' && live.block !== null) {
    return isBan(live.block)
      ? 'ban'
      : liveChange(iptables.value, packet, live.block.path[0]?.ref ?? null);
  }
  if (live.state === 'unknown') {
    return { doubt: doubtText(live) };
  }
  for (const saved of iptables.value.saved.filter(({ family }) => family === packet.family)) {
    const ruleset = { tables: parseSave(saved.text, saved.family, 'iptables') };
    const passage = passageThrough(ruleset, isIptables, packet);
    if (passage.state === 'broken' && passage.block !== null && !isBan(passage.block)) {
      return savedChange(
        iptables.value,
        saved,
        ruleset,
        packet,
        passage.block.path[0]?.ref ?? null,
      );
    }
  }
  return null;
}

function isIptables(table: Table): boolean {
  return table.tool !== 'nft';
}

function liveChange(iptables: Iptables, packet: Packet, ref: ChainRef | null): NextChange {
  const accept = acceptRule(packet, ruleWords(packet).join(' '));
  const placement = ref === null ? null : placeAccept(iptables.ruleset, ref, packet, accept);
  if (ref === null || placement?.kind !== 'place') {
    return {
      stop: `no accept in ${ref === null ? 'iptables' : chainName(ref)} can let in ${describePacket(packet)}`,
    };
  }
  const command = commandFor(iptables, ref);
  const table = ref.table === 'filter' ? [] : ['-t', ref.table];
  const words = ruleWords(packet);
  const after: Iptables = {
    ...iptables,
    ruleset: insertRule(iptables.ruleset, ref, placement.index, accept),
  };
  return ruleChange({
    target: `${chainName(ref)} (live)`,
    summary: `${command}: accept ${packet.port}/tcp from ${sourceName(packet)} ${placeName(iptables.ruleset, ref, placement.index)}`,
    before: chainText(iptables.ruleset, ref),
    after: chainText(after.ruleset, ref),
    action: {
      type: 'run',
      argv: [command, '-w', ...table, '-I', ref.chain, String(placement.index + 1), ...words],
    },
    holds: [command, '-w', ...table, '-C', ref.chain, ...words],
    undo: { type: 'run', argv: [command, '-w', ...table, '-D', ref.chain, ...words] },
    value: after,
  });
}

function savedChange(
  iptables: Iptables,
  saved: SavedRules,
  ruleset: Ruleset,
  packet: Packet,
  ref: ChainRef | null,
): NextChange {
  const accept = acceptRule(packet, `-A ${ref?.chain ?? ''} ${ruleWords(packet).join(' ')}`);
  const placement = ref === null ? null : placeAccept(ruleset, ref, packet, accept);
  if (ref === null || placement?.kind !== 'place') {
    return { stop: `no accept in ${saved.path} can let in ${describePacket(packet)}` };
  }
  const text = insertSavedLine(saved.text, ref, placement.index, accept.text);
  const restore = saved.family === 'ip' ? 'iptables-restore' : 'ip6tables-restore';
  const gate: Argv = ['sh', '-c', `exec ${restore} --test <"$1"`, restore];
  const edited = iptables.saved.map((one) =>
    one === saved ? { ...saved, text, sha256: 'as planned' } : one,
  );
  const planned = ruleChange({
    target: saved.path,
    summary: `${saved.path}: accept ${packet.port}/tcp from ${sourceName(packet)} ${placeName(ruleset, ref, placement.index)}`,
    before: saved.text,
    after: text,
    action: { type: 'write', path: saved.path, beforeSha256: saved.sha256, content: text, gate },
    holds: null,
    undo: { type: 'snapshot' },
    value: { ...iptables, saved: edited },
  });
  return { ...planned, kind: 'file' };
}

function ruleChange(
  parts: Pick<Change, 'target' | 'summary' | 'before' | 'after' | 'action' | 'holds' | 'undo'> & {
    value: Iptables;
  },
): Change {
  const { value, ...rest } = parts;
  return {
    kind: 'rule',
    ...rest,
    risk: 'access',
    sensitive: false,
    factsAfter: [{ key: iptablesRequest.key, value }],
    invalidates: [],
  };
}

/** Puts a line before the rule at `index` of a chain, or behind the chain's last rule. */
export function insertSavedLine(text: string, ref: ChainRef, index: number, line: string): string {
  const lines = text.split('\n');
  const start = lines.findIndex((one) => one.trimEnd() === `*${ref.table}`);
  const end = lines.findIndex((one, at) => at > start && one.trimEnd() === 'COMMIT');
  const isOwn = (one: string): boolean =>
    /^(?:-A|--append) (\S+) /.exec(one.trimStart().replace(counters, ''))?.[1] === ref.chain;
  const own = lines.flatMap((one, at) => (at > start && at < end && isOwn(one) ? [at] : []));
  const at = own[index] ?? (own.length === 0 ? end : (own.at(-1) ?? end) + 1);
  const ending = lines[start]?.endsWith('\r') === true ? '\r' : '';
  const counted = own.some((place) => counters.test(lines[place] ?? ''));
  return lines.toSpliced(at, 0, `${counted ? '[0:0] ' : ''}${line}${ending}`).join('\n');
}

function commandFor(iptables: Iptables, ref: ChainRef): string {
  const command = ref.tool === 'nft' ? 'iptables' : iptables.commands[ref.tool];
  return (ref.family as Family) === 'ip6' ? `ip6${command.slice(2)}` : command;
}

function ruleWords(packet: Packet): string[] {
  const source = isEveryone(packet) ? [] : ['-s', packet.source];
  return [...source, '-p', 'tcp', '-m', 'tcp', '--dport', String(packet.port), '-j', 'ACCEPT'];
}

function placeName(ruleset: Ruleset, ref: ChainRef, index: number): string {
  const rules: readonly Rule[] = findChain(ruleset, ref)?.rules ?? [];
  return index < rules.length
    ? `before rule ${index + 1} of ${ref.chain}`
    : `at the end of ${ref.chain}`;
}

function sourceName(packet: Packet): string {
  return isEveryone(packet)
    ? `any ${packet.family === 'ip' ? 'IPv4' : 'IPv6'} address`
    : packet.source;
}

function chainText(ruleset: Ruleset, ref: ChainRef): string {
  const chain = findChain(ruleset, ref);
  const policy = chain?.base === null || chain === null ? '' : `policy ${chain.base.policy}\n`;
  return `${(chain?.rules ?? []).map((rule) => `${rule.text.replace(/^-A \S+ /, '')}\n`).join('')}${policy}`;
}
