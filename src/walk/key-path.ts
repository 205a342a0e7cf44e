import type { Account, Accounts } from '../facts/accounts.ts';
import type { LoginPaths, PathEntry } from '../facts/login-path.ts';
import { passes, stops, unsure, type Finding } from './link.ts';

/** Whose file it is, and who else is there: what StrictModes looks at. */
export interface PathQuestion {
  readonly paths: LoginPaths;
  readonly account: Account;
  readonly accounts: Accounts | null;
  readonly strict: boolean;
}

/** Replaces the tokens of sshd_config(5) in a path: %% %h %u %U. Null for a token that is not known. */
export function expandPattern(pattern: string, account: Account): string | null {
  const tokens: Readonly<Record<string, string>> = {
    '%%': '%',
    '%h': account.home,
    '%u': account.name,
    '%U': String(account.uid),
  };
  let strange = false;
  const text = pattern.replace(/%./g, (token) => {
    strange ||= tokens[token] === undefined;
    return tokens[token] ?? token;
  });
  const whole = text.startsWith('/') ? text : `${account.home}/${text}`;
  return strange || whole.includes('/../') ? null : whole.replace(/\/+/g, '/');
}

/** The path without links; null where it leads nowhere. */
export function realPath(paths: LoginPaths, path: string): string | null {
  const real = paths.real[path];
  return real === undefined ? path : real === '' ? null : real;
}

/**
 * Whether sshd, as the user, opens a key file and trusts its owners and modes: user_key_allowed2 and
 * safe_path() of OpenSSH's misc.c, and Debian's patch user-group-modes.
 */
export function judgeKeyPath(path: string, question: PathQuestion): Finding {
  const { paths } = question;
  const shut = [path, ...foldersAbove(path)].find((one) => paths.shut.includes(one));
  if (shut !== undefined) {
    return unsure(`root itself may not look into ${shut}`);
  }
  const real = realPath(paths, path);
  const entry = real === null ? undefined : paths.entries[real];
  if (real === null || entry === undefined) {
    return stops(`there is no ${path}`);
  }
  if (entry.type !== 'file') {
    return stops(`${path} is not a regular file`);
  }
  const opened = canOpen(real, entry, question);
  if (opened.state !== 'ok' || !question.strict) {
    return opened;
  }
  return trusts(real, entry, question);
}

/** `/a/b/c` → `/a/b`, `/a`, `/`. */
export function foldersAbove(path: string): string[] {
  const found: string[] = [];
  for (let at = path; at !== '/' && at !== '';) {
    at = at.slice(0, at.lastIndexOf('/')) || '/';
    found.push(at);
  }
  return found;
}

function canOpen(path: string, file: PathEntry, question: PathQuestion): Finding {
  const { account, paths } = question;
  if (account.uid === 0) {
    return passes(path);
  }
  for (const folder of foldersAbove(path).toReversed()) {
    const entry = paths.entries[folder];
    const may = entry === undefined ? 'maybe' : mayUse(entry, 1, question);
    if (may !== 'yes') {
      return refused(may, `${account.name} may not enter ${folder}`, entry);
    }
  }
  const may = mayUse(file, 4, question);
  return may === 'yes' ? passes(path) : refused(may, `${account.name} may not read ${path}`, file);
}

function refused(may: 'no' | 'maybe', by: string, entry: PathEntry | undefined): Finding {
  const shown = entry === undefined ? [] : [describeEntry(entry)];
  return may === 'no' ? stops(by, shown) : unsure(`perhaps ${by}`, shown);
}

function mayUse(entry: PathEntry, bit: 1 | 4, question: PathQuestion): 'yes' | 'no' | 'maybe' {
  const { account, accounts } = question;
  const allowed = (shift: number): 'yes' | 'no' =>
    ((entry.mode >> shift) & bit) === 0 ? 'no' : 'yes';
  if (entry.uid === account.uid) {
    return allowed(6);
  }
  if (entry.acl) {
    return 'maybe';
  }
  if (entry.gid === account.gid) {
    return allowed(3);
  }
  const group = accounts?.groups.find(({ gid }) => gid === entry.gid)?.name;
  if (account.groups === null || accounts === null) {
    return allowed(3) === allowed(0) ? allowed(0) : 'maybe';
  }
  return group !== undefined && account.groups.includes(group) ? allowed(3) : allowed(0);
}

function trusts(path: string, file: PathEntry, question: PathQuestion): Finding {
  const { account, paths } = question;
  const home = realPath(paths, trimmed(account.home));
  const own = secure(file, question);
  if (own !== 'yes') {
    return distrusted(own, `bad owner or mode of ${path}`, file);
  }
  for (const folder of foldersAbove(path)) {
    const entry = paths.entries[folder];
    const safe = entry === undefined ? 'maybe' : secure(entry, question);
    if (safe !== 'yes') {
      return distrusted(safe, `bad owner or mode of ${folder}`, entry);
    }
    if (folder === home) {
      break;
    }
  }
  return passes(path);
}

function distrusted(safe: 'no' | 'maybe', by: string, entry: PathEntry | undefined): Finding {
  const shown = entry === undefined ? '' : ` (${describeEntry(entry)})`;
  return safe === 'no'
    ? stops(`StrictModes: ${by}${shown}`)
    : unsure(`StrictModes: perhaps ${by}${shown}`);
}

function describeEntry(entry: PathEntry): string {
  return `owner ${entry.uid}, group ${entry.gid}, mode ${entry.mode.toString(8).padStart(4, '0')}`;
}

function secure(entry: PathEntry, question: PathQuestion): 'yes' | 'no' | 'maybe' {
  const { account, paths } = question;
  if ((entry.uid !== 0 && entry.uid !== account.uid) || (entry.mode & 0o002) !== 0) {
    return 'no';
  }
  if ((entry.mode & 0o020) === 0) {
    return 'yes';
  }
  return paths.privateGroups ? ownGroup(entry, question) : 'no';
}

// secure_permissions() of the patch: exactly one member, the user; its name must own the entry.
function ownGroup(entry: PathEntry, { account, accounts }: PathQuestion): 'yes' | 'no' | 'maybe' {
  if (accounts === null) {
    return 'maybe';
  }
  const group = accounts.groups.find(({ gid }) => gid === entry.gid);
  const primary = accounts.accounts.filter(({ gid }) => gid === entry.gid);
  if (primary.some(({ uid }) => uid !== account.uid)) {
    return 'no';
  }
  if (group === undefined) {
    return accounts.groupsIncomplete === null ? 'no' : 'maybe';
  }
  const owner = accounts.accounts.find(({ uid }) => uid === entry.uid)?.name;
  if (
    group.members.length > 1 ||
    (group.members.length === 1 && group.members[0] !== owner) ||
    primary.length + group.members.length === 0
  ) {
    return 'no';
  }
  return accounts.incomplete === null && accounts.groupsIncomplete === null ? 'yes' : 'maybe';
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}
