import { addressFamily, compareSpans, parseSpan } from '../core/net.ts';
import type { Observed } from '../facts/fact.ts';
import { matchPattern } from '../facts/sshd-match.ts';
import type { TcpWrappers, WrapperRule } from '../facts/tcp-wrappers.ts';
import { passes, stops, unsure, type Finding } from './link.ts';
import { both, fitsList, wordsOf, type Fits } from './word-list.ts';

/** Where a connection comes from and goes to, as hosts_access(5) looks at it. */
export interface WrappedClient {
  /** Null where nobody knows it. */
  readonly address: string | null;
  readonly destination: string | null;
}

/**
 * hosts_access(5): the first rule of hosts.allow that fits lets a client in, else the first of
 * hosts.deny that fits keeps it out, else it is let in. hosts_options(5) may turn a rule around.
 */
export function walkTcpWrappers(
  wrappers: Observed<TcpWrappers>,
  client: WrappedClient,
): Finding | null {
  if (!wrappers.known) {
    return unsure(wrappers.because);
  }
  if (!wrappers.value.linked) {
    return null;
  }
  const doubts: WrapperRule[] = [];
  for (const rule of [...wrappers.value.allow, ...wrappers.value.deny]) {
    const { daemons, clients, options } = splitRule(rule.text);
    const fits = both(
      fitsList(daemons, (word) => fitsDaemon(word, client)),
      fitsList(clients, (word) => fitsClient(word, client)),
    );
    if (fits === 'maybe') {
      doubts.push(rule);
    } else if (fits === 'yes') {
      return conclude(rule, verdictOf(rule, options), doubts);
    }
  }
  const [doubt] = doubts.filter(
    (rule) => verdictOf(rule, splitRule(rule.text).options) !== 'grant',
  );
  return doubt === undefined ? passes('no rule of hosts.deny fits') : doubtful(doubt);
}

type Verdict = 'grant' | 'refuse' | 'other';

function conclude(rule: WrapperRule, verdict: Verdict, doubts: readonly WrapperRule[]): Finding {
  const by = `${rule.file}:${rule.line}: ${rule.text.trim()}`;
  const against = doubts.find((one) => verdictOf(one, splitRule(one.text).options) !== verdict);
  if (against !== undefined) {
    return doubtful(against);
  }
  switch (verdict) {
    case 'grant':
      return passes(by);
    case 'refuse':
      return stops(by);
    case 'other':
      return unsure(`${by}: nobody knows what the command does`);
  }
}

function doubtful(rule: WrapperRule): Finding {
  return unsure(
    `${rule.file}:${rule.line}: ${rule.text.trim()}: whether it fits hangs on names or addresses that are not known`,
  );
}

// `twist` runs another program in sshd's place; `aclexec` asks one.
function verdictOf(rule: WrapperRule, options: readonly string[]): Verdict {
  const words = options.map((option) => option.trim().split(/[\s=]/)[0]?.toLowerCase());
  if (words.some((word) => word === 'twist' || word === 'aclexec')) {
    return 'other';
  }
  if (words.includes('deny')) {
    return 'refuse';
  }
  if (words.includes('allow')) {
    return 'grant';
  }
  return rule.file.endsWith('hosts.allow') ? 'grant' : 'refuse';
}

// A colon inside of brackets is part of an IPv6 address; `\:` stands for one in options.
function splitRule(text: string): {
  daemons: readonly string[];
  clients: readonly string[];
  options: readonly string[];
} {
  const fields: string[] = [];
  let field = '';
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? '';
    depth += char === '[' ? 1 : char === ']' ? -1 : 0;
    if (char === '\\' && text[at + 1] === ':') {
      field += ':';
      at += 1;
    } else if (char === ':' && depth <= 0) {
      fields.push(field);
      field = '';
    } else {
      field += char;
    }
  }
  fields.push(field);
  return { daemons: wordsOf(fields[0]), clients: wordsOf(fields[1]), options: fields.slice(2) };
}

// sshd asks as `sshd`, sshd-session too.
function fitsDaemon(word: string, client: WrappedClient): Fits {
  const at = word.indexOf('@');
  const name = at < 0 ? word : word.slice(0, at);
  const fits = name.toUpperCase() === 'ALL' || name.toLowerCase() === 'sshd' ? 'yes' : 'no';
  return at < 0
    ? fits
    : both(
        fits,
        fitsClient(word.slice(at + 1), { address: client.destination, destination: null }),
      );
}

function fitsClient(word: string, client: WrappedClient): Fits {
  const at = word.indexOf('@');
  if (at === 0 || word.startsWith('/')) {
    // A netgroup, or a file of patterns.
    return 'maybe';
  }
  if (at > 0) {
    const user = word.slice(0, at).toUpperCase() === 'ALL' ? 'yes' : 'maybe';
    return both(user, fitsClient(word.slice(at + 1), client));
  }
  const upper = word.toUpperCase();
  if (upper === 'ALL') {
    return 'yes';
  }
  if (['LOCAL', 'KNOWN', 'UNKNOWN', 'PARANOID'].includes(upper) || client.address === null) {
    return 'maybe';
  }
  return fitsAddress(word, client.address);
}

function fitsAddress(word: string, address: string): Fits {
  const bare = word.replace(/^\[([^\]]*)\](.*)$/, '$1$2');
  const net = parseSpan(bare);
  const own = parseSpan(address);
  if (net !== null && own !== null && !bare.includes('-')) {
    return compareSpans(own, net) === 'inside' ? 'yes' : 'no';
  }
  // `10.0.0.` fits what begins so.
  if (/^[0-9.]+\.$/.test(bare)) {
    return addressFamily(address) === 'ip' && address.startsWith(bare) ? 'yes' : 'no';
  }
  if (/^[0-9.*?]+$/.test(bare)) {
    return addressFamily(address) === 'ip' && matchPattern(address, bare) ? 'yes' : 'no';
  }
  // A name or domain: only a lookup of the client's name can tell.
  return 'maybe';
}
