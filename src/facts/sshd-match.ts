import { covers, parseSpan } from '../core/net.ts';
import type { MatchBlock } from './sshd-config-lines.ts';

/** One login, as far as sshd's `Match` and its lists look at it. */
export interface SshClient {
  readonly user: string;
  /** Names of all groups of the user, the primary one too; null where they are not known. */
  readonly groups: readonly string[] | null;
  /** Where the login comes from. */
  readonly address: string;
  /** The client's name, where sshd looks it up (`UseDNS yes`); else its address stands for it. */
  readonly host?: string;
  readonly localAddress?: string;
  readonly localPort?: number;
}

/** Whether something holds; `null` says that nobody can tell, and `because` why. */
export type Judgement =
  | { readonly holds: true | false }
  | { readonly holds: null; readonly because: string };

const yes: Judgement = { holds: true };
const no: Judgement = { holds: false };

/** match_pattern() of OpenSSH's match.c: `*` and `?`, nothing else. */
export function matchPattern(text: string, pattern: string): boolean {
  let at = 0;
  let index = 0;
  let star = -1;
  let mark = 0;
  while (at < text.length) {
    if (pattern[index] === '*') {
      star = index;
      mark = at;
      index += 1;
    } else if (pattern[index] === '?' || pattern[index] === text[at]) {
      index += 1;
      at += 1;
    } else if (star >= 0) {
      index = star + 1;
      mark += 1;
      at = mark;
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(index));
}

/** match_pattern_list(): patterns parted by commas; `!` refuses, whatever else fits. */
export function matchPatternList(text: string, list: string): 'match' | 'refused' | 'none' {
  let found = false;
  for (const one of list.split(',')) {
    if (one.startsWith('!') && matchPattern(text, one.slice(1))) {
      return 'refused';
    }
    found ||= !one.startsWith('!') && matchPattern(text, one);
  }
  return found ? 'match' : 'none';
}

/** addr_match_list() of addrmatch.c: prefixes and patterns parted by commas; null for a bad list. */
export function matchAddressList(
  address: string,
  list: string,
): 'match' | 'refused' | 'none' | 'bad' {
  let found = false;
  for (const one of list.split(',')) {
    const pattern = one.startsWith('!') ? one.slice(1) : one;
    if (pattern === '' || hasHostBits(pattern)) {
      return 'bad';
    }
    const fits =
      parseSpan(pattern) === null || pattern.includes('-')
        ? matchPattern(address, pattern)
        : covers(pattern, address);
    if (fits && one.startsWith('!')) {
      return 'refused';
    }
    found ||= fits;
  }
  return found ? 'match' : 'none';
}

// "inconsistent mask length for match network": 10.0.0.1/8.
function hasHostBits(pattern: string): boolean {
  const [address = '', length] = pattern.split('/');
  const span = parseSpan(pattern);
  const own = parseSpan(address);
  return length !== undefined && span !== null && own !== null && own.first !== span.first;
}

/** match_user() of match.c: `user`, or `user@host` where the host is names and addresses. */
export function matchUser(client: SshClient, pattern: string, useDns: boolean): Judgement {
  const at = pattern.lastIndexOf('@');
  if (at < 0) {
    return { holds: matchPattern(client.user, pattern) };
  }
  if (!matchPattern(client.user, pattern.slice(0, at))) {
    return no;
  }
  const hosts = pattern.slice(at + 1);
  const byAddress = matchAddressList(client.address, hosts);
  if (byAddress === 'refused' || byAddress === 'bad') {
    return no;
  }
  const host = hostOf(client, useDns);
  if (host === null) {
    return namesIn(hosts)
      ? {
          holds: null,
          because: `sshd looks up the client's name (UseDNS), which is not known here`,
        }
      : { holds: byAddress === 'match' };
  }
  const byName = matchPatternList(host.toLowerCase(), hosts.toLowerCase());
  return { holds: byName !== 'refused' && (byName === 'match' || byAddress === 'match') };
}

function hostOf(client: SshClient, useDns: boolean): string | null {
  return client.host ?? (useDns ? null : client.address);
}

function namesIn(hosts: string): boolean {
  return hosts.split(',').some((one) => parseSpan(one.replace(/^!/, '')) === null);
}

/** ga_match() of groupaccess.c: whether one of the user's groups fits one of the patterns. */
export function matchGroups(client: SshClient, patterns: readonly string[]): Judgement {
  if (client.groups === null) {
    return { holds: null, because: `the groups of ${client.user} are not known` };
  }
  return {
    holds: client.groups.some((group) => patterns.some((pattern) => matchPattern(group, pattern))),
  };
}

/**
 * Whether the lines of a block count for a client; `null` is the client of `sshd -T` without -C, for
 * whom only `Match all` holds.
 */
export function judgeMatch(
  block: MatchBlock | null,
  client: SshClient | null,
  useDns: boolean,
): Judgement {
  if (block === null) {
    return yes;
  }
  const outer = judgeMatch(block.outer, client, useDns);
  return outer.holds === false ? no : both(outer, judgeCriteria(block.criteria, client, useDns));
}

function both(first: Judgement, second: Judgement): Judgement {
  return first.holds === false || second.holds === true ? first : second;
}

function judgeCriteria(
  criteria: readonly string[],
  client: SshClient | null,
  useDns: boolean,
): Judgement {
  let result: Judgement = yes;
  const words = [...criteria];
  if (words.length === 0) {
    return no;
  }
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [name, joined] = splitOnce(word);
    const criterion = name.toLowerCase();
    if (criterion === 'all') {
      continue;
    }
    // We ask about accounts that exist; sshd sets this only for names that nobody has.
    if (criterion === 'invalid-user') {
      result = no;
      continue;
    }
    const value = joined ?? words.shift();
    const one =
      client === null || value === undefined ? no : judgeOne(criterion, value, client, useDns);
    result = result.holds === false ? no : both(result, one);
  }
  return result;
}

function splitOnce(word: string): readonly [string, string | undefined] {
  const at = word.indexOf('=');
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function judgeOne(criterion: string, value: string, client: SshClient, useDns: boolean): Judgement {
  switch (criterion) {
    case 'user':
      return { holds: matchPatternList(client.user, value) === 'match' };
    case 'group':
      return judgeGroupList(client, value);
    case 'host': {
      const host = hostOf(client, useDns);
      return host === null
        ? { holds: null, because: `Match host ${value}: sshd looks up the client's name (UseDNS)` }
        : { holds: matchPatternList(host.toLowerCase(), value.toLowerCase()) === 'match' };
    }
    case 'address':
      return { holds: matchAddressList(client.address, value) === 'match' };
    case 'localaddress':
      return client.localAddress === undefined
        ? {
            holds: null,
            because: `Match localaddress ${value}: the host's own address is not known`,
          }
        : { holds: matchAddressList(client.localAddress, value) === 'match' };
    case 'localport':
      return client.localPort === undefined
        ? { holds: null, because: `Match localport ${value}: the host's own port is not known` }
        : { holds: Number(value) === client.localPort };
    case 'rdomain':
      // Linux has no routing domains, so nothing ever comes from one.
      return no;
    default:
      return { holds: null, because: `Match ${criterion} cannot be judged from the configuration` };
  }
}

// ga_match_pattern_list(): a group that is refused ends it.
function judgeGroupList(client: SshClient, list: string): Judgement {
  if (client.groups === null) {
    return list === '*'
      ? yes
      : { holds: null, because: `Match group ${list}: the groups of ${client.user} are not known` };
  }
  const verdicts = client.groups.map((group) => matchPatternList(group, list));
  return { holds: !verdicts.includes('refused') && verdicts.includes('match') };
}
