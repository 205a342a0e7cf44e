import { compareSpans, parseSpan } from '../core/net.ts';
import type { Account } from '../facts/accounts.ts';
import type { Pam, PamLine } from '../facts/pam.ts';
import type { PamAnswer } from './pam-run.ts';
import { both, fitsList, wordsOf, type Fits } from './word-list.ts';

/**
 * pam_access(8) and access.conf(5): the first rule `+ or - : users : origins` that fits decides; where
 * none does, access is granted.
 */
export function judgeAccess(
  pam: Pam,
  args: readonly string[],
  account: Account,
  address: string | null,
): PamAnswer {
  const named = args.find((arg) => arg.startsWith('accessfile='))?.slice('accessfile='.length);
  if (
    args.some((arg) => /^(?:fieldsep|listsep)=/.test(arg)) ||
    (named !== undefined && pam.files[named] === undefined)
  ) {
    return { says: null, why: `the rules in ${named ?? 'its own format'} were not read` };
  }
  const groups = !args.includes('nodefgroup');
  let doubt: string | null = null;
  let doubtful: string | null = null;
  for (const [file, lines] of rulesOf(pam, named ?? null)) {
    for (const { line, text } of lines) {
      const rule = readRule(text);
      if (rule === null) {
        continue;
      }
      const fits = both(
        fitsList(rule.users, (word) => fitsUser(word, account, groups)),
        fitsList(rule.origins, (word) => fitsOrigin(word, address)),
      );
      const where = `${file}:${line}: ${text.trim()}`;
      if (fits === 'maybe') {
        doubt ??= where;
        doubtful ??= rule.grants ? '+' : '-';
      } else if (fits === 'yes') {
        const says = rule.grants ? 'success' : 'perm_denied';
        return doubt === null || doubtful === (rule.grants ? '+' : '-')
          ? { says, why: where }
          : { says: null, why: doubt };
      }
    }
  }
  return doubt === null || doubtful === '+'
    ? { says: 'success', why: 'no rule of access.conf fits' }
    : { says: null, why: doubt };
}

// access.d is read after access.conf, by name, and only where no other file is named.
function rulesOf(pam: Pam, named: string | null): [string, readonly PamLine[]][] {
  if (named !== null) {
    return [[named, pam.files[named] ?? []]];
  }
  const main = '/etc/security/access.conf';
  const more = Object.keys(pam.files)
    .filter((path) => path.startsWith('/etc/security/access.d/'))
    .toSorted((left, right) => (left < right ? -1 : 1));
  return [main, ...more].map((path) => [path, pam.files[path] ?? []]);
}

interface Rule {
  readonly grants: boolean;
  readonly users: readonly string[];
  readonly origins: readonly string[];
}

// What is not of three fields pam_access leaves out, and says so in the log. An address of IPv6 holds
// colons itself; only the first two part the fields.
function readRule(text: string): Rule | null {
  const match = /^\s*([+-])\s*:([^:]*):(.*)$/.exec(text);
  return match === null
    ? null
    : { grants: match[1] === '+', users: wordsOf(match[2]), origins: wordsOf(match[3]) };
}

function fitsUser(word: string, account: Account, groups: boolean): Fits {
  const inGroup = (name: string): Fits =>
    account.groups === null ? 'maybe' : account.groups.includes(name) ? 'yes' : 'no';
  const own = /^\((.*)\)$/.exec(word)?.[1];
  if (own !== undefined) {
    return inGroup(own);
  }
  if (word === 'ALL' || word === account.name) {
    return 'yes';
  }
  if (word.includes('@')) {
    return 'maybe';
  }
  return groups ? inGroup(word) : 'no';
}

// sshd gives PAM the client's address, or its name with `UseDNS yes`.
function fitsOrigin(word: string, address: string | null): Fits {
  if (word === 'ALL') {
    return 'yes';
  }
  if (address === null || word.startsWith('@')) {
    return 'maybe';
  }
  const net = parseSpan(word);
  const own = parseSpan(address);
  if (net !== null && own !== null && !word.includes('-')) {
    return compareSpans(own, net) === 'inside' ? 'yes' : 'no';
  }
  if (/^[0-9.]+\.$/.test(word)) {
    return address.startsWith(word) ? 'yes' : 'no';
  }
  // Terminals and cron's; sshd comes as `ssh`.
  if (/^(?:tty\S*|:\d+|cron|crond|console|pts\/\d+)$/.test(word)) {
    return 'no';
  }
  // LOCAL, a domain or a name: hangs on lookups.
  return 'maybe';
}
