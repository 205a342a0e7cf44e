import {
  asObject,
  asPort,
  assume,
  compare,
  isMark,
  setElements,
  type Json,
  type JsonObject,
  type NamedSets,
} from './nft-match.ts';
import type { Match, Verdict } from './ruleset.ts';

/** A rule's expressions as matches and what it does; a verdict map gives several. */
export interface Reading {
  readonly matches: readonly Match[];
  readonly verdict: Verdict;
}

/**
 * Reads the `expr` list of one rule. What it does not know becomes an `unknown` match or verdict.
 * A rule with a verdict map is read as one rule for each pair, in order; one that sets a mark and goes on as two rules.
 */
export function readExpressions(expressions: readonly Json[], sets: NamedSets): Reading[] {
  const matches: Match[] = [];
  const before: Reading[] = [];
  for (const expression of expressions) {
    const object = asObject(expression);
    const key = object === null ? undefined : Object.keys(object)[0];
    if (object === null || key === undefined) {
      matches.push({ kind: 'unknown', text: JSON.stringify(expression) });
      continue;
    }
    if (key === 'vmap') {
      return [...before, ...readVerdictMap(object[key] ?? null, matches, sets)];
    }
    const verdict = readVerdict(key, object[key] ?? null);
    if (verdict?.kind === 'set-mark' || verdict?.kind === 'untrack') {
      // The rule goes on behind it: it is read as one rule up to here and one for the rest.
      before.push({ matches: [...matches], verdict });
      continue;
    }
    if (verdict !== null) {
      return [...before, { matches: [...matches, ...impliedFamily(key, object)], verdict }];
    }
    const match = readStatement(key, object[key] ?? null, sets);
    if (match !== null) {
      matches.push(match);
    }
  }
  return before.length > 0 ? before : [{ matches, verdict: { kind: 'continue' } }];
}

// `reject with icmp` in an inet table is for IPv4 alone; nft lists it without saying so.
function impliedFamily(key: string, object: JsonObject): Match[] {
  const type = key === 'reject' ? asObject(object[key] ?? null)?.['type'] : null;
  return type === 'icmp' || type === 'icmpv6'
    ? [{ kind: 'family', family: type === 'icmp' ? 'ip' : 'ip6', negate: false }]
    : [];
}

function readVerdictMap(value: Json, before: readonly Match[], sets: NamedSets): Reading[] {
  const map = asObject(value);
  const pairs = setElements(map?.['data'] ?? null, sets);
  if (map === null || pairs === null) {
    return [{ matches: [...before], verdict: { kind: 'unknown', text: 'vmap' } }];
  }
  return pairs.map((pair) => {
    const [key, action] = Array.isArray(pair) ? (pair as readonly Json[]) : [pair, null];
    const object = asObject(action ?? null);
    const name = object === null ? '' : (Object.keys(object)[0] ?? '');
    const verdict = readVerdict(name, object?.[name] ?? null) ?? { kind: 'unknown', text: 'vmap' };
    const match = compare('==', map['key'] ?? null, key ?? null, sets);
    return { matches: match === null ? [...before] : [...before, match], verdict };
  });
}

function readVerdict(key: string, value: Json): Verdict | null {
  const object = asObject(value);
  switch (key) {
    case 'accept':
    case 'return':
      return { kind: key };
    case 'continue':
      return { kind: 'continue' };
    case 'drop':
      return { kind: 'drop', how: 'drop' };
    case 'reject':
      return {
        kind: 'reject',
        how: String(object?.['expr'] ?? object?.['type'] ?? 'icmp port-unreachable'),
      };
    case 'jump':
    case 'goto':
      return { kind: key, target: String(object?.['target'] ?? '') };
    case 'redirect':
      return { kind: 'redirect', port: asPort(object?.['port']) };
    case 'dnat':
      return {
        kind: 'divert',
        address: typeof object?.['addr'] === 'string' ? object['addr'] : null,
        port: asPort(object?.['port']),
      };
    case 'queue':
    case 'synproxy':
    case 'tproxy':
      return { kind: 'unknown', text: key };
    case 'notrack':
      return { kind: 'untrack' };
    case 'mangle':
      return isMark(object?.['key'] ?? null) ? { kind: 'set-mark' } : null;
    default:
      return null;
  }
}

// Statements that change nothing about the packet's way through the filter.
const passive = new Set([
  'counter',
  'log',
  'quota',
  'comment',
  'masquerade',
  'snat',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'flow',
  'map',
  'dup',
  'last',
  'secmark',
  'add',
  'update',
  'delete',
  'mangle',
]);

function readStatement(key: string, value: Json, sets: NamedSets): Match | null {
  const object = asObject(value);
  if (passive.has(key)) {
    return null;
  }
  switch (key) {
    case 'match':
      return compare(
        String(object?.['op'] ?? '=='),
        object?.['left'] ?? null,
        object?.['right'] ?? null,
        sets,
      );
    case 'limit':
      return assume(object?.['inv'] !== true, 'limit: one polite client is under the limit');
    case 'ct count':
    case 'connlimit':
      return assume(
        object?.['inv'] !== true,
        'connection count: one polite client is under the limit',
      );
    case 'set':
      return readSetStatement(object, sets);
    case 'xt':
      return { kind: 'unknown', text: `xt ${String(object?.['name'] ?? '')}`.trim() };
    default:
      return { kind: 'unknown', text: key };
  }
}

// `update @seen { ip saddr limit rate over 10/minute } drop`: the limit decides whether the rule goes on.
function readSetStatement(object: JsonObject | null, sets: NamedSets): Match | null {
  const statements = Array.isArray(object?.['stmt']) ? (object['stmt'] as readonly Json[]) : [];
  const matches = statements.flatMap((statement): Match[] => {
    const [key = '', value = null] = Object.entries(asObject(statement) ?? {})[0] ?? [];
    const match = readStatement(key, value, sets);
    return match === null ? [] : [match];
  });
  return matches.length === 0 ? null : { kind: 'any-of', groups: [matches], negate: false };
}
