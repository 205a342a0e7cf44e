import type { Family } from '../core/net.ts';
import type { Ufw, UfwRule } from '../facts/ufw.ts';
import type { Packet } from '../walk/packet.ts';

/** The rules of one family. */
export function rulesOf(ufw: Ufw, family: Family): readonly UfwRule[] {
  return family === 'ip' ? ufw.rules : ufw.rules6;
}

/** The position in ufw's list that a position in the kernel's chain stands for; null: they differ. */
export function listIndex(rules: readonly UfwRule[], kernelIndex: number): number | null {
  let seen = 0;
  for (const [index, rule] of rules.entries()) {
    if (seen + rule.kernelRules > kernelIndex) {
      return profileStart(rules, index);
    }
    seen += rule.kernelRules;
  }
  return seen === kernelIndex ? rules.length : null;
}

/** The position in the kernel's chain that a position in ufw's list stands for. */
export function kernelIndexOf(rules: readonly UfwRule[], at: number): number {
  return rules.slice(0, at).reduce((sum, rule) => sum + rule.kernelRules, 0);
}

/**
 * The number that `ufw insert` takes for a position: the IPv4 rules are counted first and the IPv6
 * rules behind them (ufw(8), "insert").
 */
export function positionOf(ufw: Ufw, family: Family, at: number): number {
  const before = family === 'ip' ? [] : ufw.rules;
  return countListed(before) + countListed(rulesOf(ufw, family).slice(0, at)) + 1;
}

// The rules of one application profile are one line of `ufw status numbered`, however many they are.
function countListed(rules: readonly UfwRule[]): number {
  return rules.filter((rule, index) => !continuesProfile(rule, rules[index - 1])).length;
}

function continuesProfile(rule: UfwRule, before: UfwRule | undefined): boolean {
  return (
    rule.application !== '' &&
    rule.application === before?.application &&
    rule.source === before.source &&
    rule.destination === before.destination
  );
}

/** The first rule of the profile that the rule at `at` belongs to: nothing goes between them. */
function profileStart(rules: readonly UfwRule[], at: number): number {
  const rule = rules[at];
  return rule !== undefined && continuesProfile(rule, rules[at - 1])
    ? profileStart(rules, at - 1)
    : at;
}

/** An allow of ufw's for a packet's port and source. */
export function allowRule(packet: Packet): UfwRule {
  return {
    action: 'allow',
    protocol: 'tcp',
    port: String(packet.port),
    destination: packet.family === 'ip' ? '0.0.0.0/0' : '::/0',
    sourcePort: 'any',
    source: packet.source,
    direction: 'in',
    application: '',
    kernelRules: 1,
  };
}

/** Whether ufw takes two rules for the same one, whatever they do (ufw skips or replaces those). */
export function sameTuple(a: UfwRule, b: UfwRule): boolean {
  return (
    a.protocol === b.protocol &&
    a.port === b.port &&
    a.destination === b.destination &&
    a.sourcePort === b.sourcePort &&
    a.source.replace(/\/(?:32|128)$/, '') === b.source.replace(/\/(?:32|128)$/, '') &&
    a.direction === b.direction &&
    a.application === b.application
  );
}

/** The list as people read it, a line for each rule. */
export function listText(rules: readonly UfwRule[]): string {
  return rules.map((rule) => `${describeRule(rule)}\n`).join('');
}

function describeRule(rule: UfwRule): string {
  const to = rule.port === 'any' ? 'any port' : `${rule.port}/${rule.protocol}`;
  const source = rule.source === '0.0.0.0/0' || rule.source === '::/0' ? 'anywhere' : rule.source;
  const direction = rule.direction === 'in' ? '' : ` (${rule.direction})`;
  return `${rule.action} ${to} from ${source}${rule.source.includes(':') ? ' (v6)' : ''}${direction}`;
}
