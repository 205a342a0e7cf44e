import type { Match, PortRange } from './ruleset.ts';

/** One statement or expression of libnftables-json(5): an object with one telling key. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** Looks up the elements of a named set or the pairs of a named map of the table at hand. */
export type NamedSets = (name: string) => readonly Json[] | null;

/**
 * Reads one comparison (`match`, or the key of a map) as a condition on the first packet of a login.
 * Null where it says nothing about it.
 */
export function compare(op: string, left: Json, right: Json, sets: NamedSets): Match | null {
  const negate = op === '!=';
  const elements = setElements(right, sets);
  const concat = asObject(left)?.['concat'];
  if (Array.isArray(concat)) {
    return elements === null
      ? unknownMatch(left)
      : compareConcat(concat as readonly Json[], elements, negate, sets);
  }
  const ordered = op === '<' || op === '>' || op === '<=' || op === '>=';
  const range = ordered ? orderedRange(op, right) : null;
  const values = range === null ? (ordered ? null : elements) : [range];
  return values === null ? unknownMatch(left) : compareOne(left, values, negate);
}

function compareConcat(
  keys: readonly Json[],
  elements: readonly Json[],
  negate: boolean,
  sets: NamedSets,
): Match {
  const groups = elements.map((element) => {
    const parts = asObject(elementValue(element))?.['concat'];
    return keys.map((key, index): Match => {
      const part = Array.isArray(parts) ? ((parts as readonly Json[])[index] ?? null) : null;
      return compare('==', key, part, sets) ?? { kind: 'unknown', text: 'concat' };
    });
  });
  return { kind: 'any-of', groups, negate };
}

// What a single expression on the left says about the first packet of a login.
function compareOne(left: Json, values: readonly Json[], negate: boolean): Match {
  const object = asObject(left);
  const payload = asObject(object?.['payload'] ?? null);
  const meta = asObject(object?.['meta'] ?? null)?.['key'];
  const ct = asObject(object?.['ct'] ?? null);
  if (payload !== null) {
    return (
      comparePayload(String(payload['protocol']), String(payload['field']), values, negate) ??
      unknownMatch(left)
    );
  }
  if (typeof meta === 'string') {
    return compareMeta(meta, values, negate) ?? unknownMatch(left);
  }
  if (ct !== null) {
    return compareConnection(String(ct['key']), values, negate) ?? unknownMatch(left);
  }
  if (object?.['fib'] !== undefined) {
    return compareFib(asObject(object['fib']), values, negate) ?? unknownMatch(left);
  }
  return compareMasked(object, values, negate) ?? unknownMatch(left);
}

function comparePayload(
  protocol: string,
  field: string,
  values: readonly Json[],
  negate: boolean,
): Match | null {
  if (field === 'saddr' || field === 'daddr') {
    const nets = values.map(netText);
    const match: Match = {
      kind: field === 'saddr' ? 'source' : 'destination',
      nets: nets as string[],
      negate,
    };
    // An empty set does not tell by its elements which family the rule is about.
    return nets.includes(null) ? null : nets.length === 0 ? ofFamily(protocol, match) : match;
  }
  if (field === 'dport' && (protocol === 'tcp' || protocol === 'th')) {
    const ranges = values.map(portRange);
    return ranges.includes(null) ? null : { kind: 'port', ranges: ranges as PortRange[], negate };
  }
  if (field === 'dport' || field === 'sport') {
    return protocol === 'tcp' || protocol === 'th'
      ? null
      : assume(false, `a login is tcp, not ${protocol}`);
  }
  if (field === 'protocol' || field === 'nexthdr') {
    return ofFamily(protocol, { kind: 'protocol', names: values.map(String), negate });
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    return assume(false, `a login is tcp, not ${protocol}`);
  }
  return null;
}

// A match on a field of the IPv4 or IPv6 header never sees the other family, negated or not; nft leaves
// that out of what it lists.
function ofFamily(protocol: string, match: Match): Match {
  return protocol === 'ip' || protocol === 'ip6'
    ? {
        kind: 'any-of',
        groups: [[{ kind: 'family', family: protocol, negate: false }, match]],
        negate: false,
      }
    : match;
}

function compareMeta(key: string, values: readonly Json[], negate: boolean): Match | null {
  switch (key) {
    case 'iif':
    case 'iifname':
      return { kind: 'interface', names: values.map(String), negate };
    case 'oif':
    case 'oifname':
      return assume(negate, 'an incoming packet has no outgoing interface');
    case 'l4proto':
      return { kind: 'protocol', names: values.map(String), negate };
    case 'nfproto':
      return values.length === 1
        ? { kind: 'family', family: values[0] === 'ipv6' ? 'ip6' : 'ip', negate }
        : assume(!negate, 'both families');
    case 'protocol': {
      const families = values.filter((value) => value === 'ip' || value === 'ip6');
      return {
        kind: 'any-of',
        groups: families.map((family) => [{ kind: 'family', family, negate: false }]),
        negate,
      };
    }
    case 'pkttype':
      return assume(
        values.some((value) => value === 'host' || value === 'unicast') !== negate,
        'a login is sent to one host',
      );
    case 'mark':
      return typeof values[0] === 'number' && values.length === 1
        ? { kind: 'mark', value: values[0], mask: 0xffffffff, negate }
        : null;
    default:
      return null;
  }
}

function compareConnection(key: string, values: readonly Json[], negate: boolean): Match | null {
  switch (key) {
    case 'state':
      return { kind: 'state', states: values.map(String), negate };
    case 'status':
      return assume(negate, 'a new connection has no status yet');
    case 'direction':
      return assume(
        values.includes('original') !== negate,
        'a new connection runs in the original direction',
      );
    default:
      return null;
  }
}

// `fib daddr type local` asks whether the address is ours; `fib saddr . iif oif` is a reverse path
// check, taken to pass: the routing layer of the walk is where a wrong route is found.
function compareFib(
  fib: JsonObject | null,
  values: readonly Json[],
  negate: boolean,
): Match | null {
  const flags = Array.isArray(fib?.['flags'])
    ? (fib['flags'] as readonly Json[])
    : [fib?.['flags'] ?? null];
  if (fib?.['result'] === 'type' && flags.includes('daddr')) {
    return assume(
      values.some((value) => value === 'local' || value === 'unicast') !== negate,
      'the endpoint address is local',
    );
  }
  if (fib?.['result'] === 'oif' || fib?.['result'] === 'oifname' || fib?.['result'] === 'check') {
    const missing = values.includes(false) || values.includes('missing') || values.includes(0);
    return assume(missing === negate, 'the reverse path is taken to be right');
  }
  return null;
}

// `tcp flags & (fin|syn|rst|ack) == syn`, and `mark & 0xff == 1`.
function compareMasked(
  object: JsonObject | null,
  values: readonly Json[],
  negate: boolean,
): Match | null {
  const operands = object?.['&'];
  if (!Array.isArray(operands)) {
    return null;
  }
  const [inner, mask] = operands as readonly Json[];
  if (asObject(asObject(inner ?? null)?.['payload'] ?? null)?.['field'] === 'flags') {
    const looked = flagNames(mask ?? null).filter((flag) => flag === 'syn');
    const wanted = values.flatMap(flagNames);
    return assume((looked.join() === wanted.join()) !== negate, 'the first packet is a SYN');
  }
  if (isMark(inner ?? null) && typeof mask === 'number' && typeof values[0] === 'number') {
    return { kind: 'mark', value: values[0], mask, negate };
  }
  return null;
}

function flagNames(value: Json): string[] {
  const combined = asObject(value)?.['|'];
  if (Array.isArray(combined)) {
    return (combined as readonly Json[]).flatMap(flagNames);
  }
  return Array.isArray(value)
    ? (value as readonly Json[]).flatMap(flagNames)
    : value === 0
      ? []
      : [String(value)];
}

/** The elements of an anonymous or named set, or the one value; null for a set that is not listed. */
export function setElements(right: Json, sets: NamedSets): readonly Json[] | null {
  if (typeof right === 'string' && right.startsWith('@')) {
    return sets(right.slice(1));
  }
  const set = asObject(right)?.['set'];
  if (typeof set === 'string') {
    return sets(set.replace(/^@/, ''));
  }
  return Array.isArray(set) ? (set as Json[]) : Array.isArray(right) ? (right as Json[]) : [right];
}

// An element with a time-out, counter or comment is wrapped: { elem: { val: …, timeout: … } }.
/** An element without its time-out, counter or comment: `{ elem: { val: …, timeout: … } }`. */
export function elementValue(element: Json): Json {
  return asObject(asObject(element)?.['elem'] ?? null)?.['val'] ?? element;
}

function netText(element: Json): string | null {
  const value = elementValue(element);
  if (typeof value === 'string') {
    return value.startsWith('@') ? null : value;
  }
  const prefix = asObject(asObject(value)?.['prefix'] ?? null);
  if (prefix !== null) {
    return `${String(prefix['addr'])}/${String(prefix['len'])}`;
  }
  const range = asObject(value)?.['range'];
  return Array.isArray(range) ? `${String(range[0])}-${String(range[1])}` : null;
}

function portRange(element: Json): PortRange | null {
  const value = elementValue(element);
  const range = asObject(value)?.['range'];
  const [first, last] = Array.isArray(range) ? (range as readonly Json[]) : [value, value];
  const ends = { first: asPort(first), last: asPort(last) };
  return ends.first === null || ends.last === null ? null : { first: ends.first, last: ends.last };
}

function orderedRange(op: string, right: Json): Json {
  const value = asPort(right);
  if (value === null) {
    return null;
  }
  switch (op) {
    case '<':
      return { range: [0, value - 1] };
    case '<=':
      return { range: [0, value] };
    case '>':
      return { range: [value + 1, 65535] };
    default:
      return { range: [value, 65535] };
  }
}

// nft prints well-known ports as names only with -S, but other writers of the JSON may use them.
/** A port as nft writes it in JSON; null where it is none. */
export function asPort(value: Json | undefined): number | null {
  return typeof value === 'number' ? value : value === 'ssh' ? 22 : null;
}

/** Whether an expression is the packet's mark. */
export function isMark(value: Json): boolean {
  return asObject(asObject(value)?.['meta'] ?? null)?.['key'] === 'mark';
}

function unknownMatch(left: Json): Match {
  return { kind: 'unknown', text: JSON.stringify(left) };
}

/** A condition that is known to hold, or not to, on the assumption that `text` names. */
export function assume(holds: boolean, text: string): Match {
  return { kind: 'assumed', holds, text };
}

/** A JSON value as an object, or null where it is something else. */
export function asObject(value: Json): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null;
}
