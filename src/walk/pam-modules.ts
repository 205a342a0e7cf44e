import type { Account } from '../facts/accounts.ts';
import type { Pam } from '../facts/pam.ts';
import { judgeAccess } from './pam-access.ts';
import type { PamAnswer } from './pam-run.ts';
import { unreadable, type PamEntry } from './pam-stack.ts';

/** What PAM's modules look at, for one login. */
export interface PamQuestion {
  readonly pam: Pam;
  readonly account: Account;
  /** Days since 1970-01-01; null where the host's clock is not known. */
  readonly today: number | null;
  /** Where the login comes from; null where nobody knows. */
  readonly address: string | null;
  /** Files that forbid logins to all but root; null where nobody looked. */
  readonly nologin: readonly string[] | null;
  /** True where the password that the login shows is taken for the right one. */
  readonly goodPassword: boolean;
}

/** What a module answers at a login. */
export function judgeModule(entry: PamEntry, question: PamQuestion): PamAnswer {
  if (entry.module === unreadable) {
    return { says: 'module_unknown', why: 'libpam cannot read the line' };
  }
  if (question.pam.modules[entry.module] !== true) {
    return { says: 'module_unknown', why: `there is no module ${entry.module}` };
  }
  const name = entry.module.slice(entry.module.lastIndexOf('/') + 1).replace(/\.so$/, '');
  return (judges[name] ?? stranger)(entry, question);
}

type Judge = (entry: PamEntry, question: PamQuestion) => PamAnswer;

const success: PamAnswer = { says: 'success', why: '' };
const ignore: PamAnswer = { says: 'ignore', why: '' };

function stranger(entry: PamEntry): PamAnswer {
  return { says: null, why: `what ${entry.module} says here is not known` };
}

// Modules that prepare a session or tell something; they keep nobody out as they are shipped.
const harmless = [
  'pam_permit',
  'pam_loginuid',
  'pam_keyinit',
  'pam_motd',
  'pam_mail',
  'pam_env',
  'pam_umask',
  'pam_lastlog',
  'pam_lastlog2',
  'pam_systemd',
  'pam_elogind',
  'pam_selinux',
  'pam_mkhomedir',
  'pam_oddjob_mkhomedir',
  'pam_faildelay',
  'pam_wtmpdb',
  'pam_issue',
  'pam_cap',
  'pam_group',
  'pam_namespace',
  'pam_echo',
  'pam_tty_audit',
  'pam_warn',
  'pam_gnome_keyring',
  'pam_kwallet5',
  'pam_apparmor',
  'pam_ecryptfs',
  'pam_reauthorize',
] as const;

const judges: Readonly<Record<string, Judge>> = Object.assign(
  Object.create(null) as Record<string, Judge>,
  Object.fromEntries(harmless.map((name): [string, Judge] => [name, () => success])),
  {
    pam_deny: (entry: PamEntry): PamAnswer => ({
      says: entry.task === 'session' ? 'session_err' : 'auth_err',
      why: '',
    }),
    pam_unix: judgeUnix,
    pam_nologin: judgeNologin,
    pam_access: (entry: PamEntry, { pam, account, address }: PamQuestion): PamAnswer =>
      judgeAccess(pam, entry.args, account, address),
    pam_shells: judgeShells,
    pam_limits: judgeLimits,
    pam_time: (entry: PamEntry, { pam }: PamQuestion): PamAnswer =>
      (pam.files['/etc/security/time.conf'] ?? []).length === 0 ? success : stranger(entry),
    pam_rootok: () => ({ says: 'auth_err', why: 'sshd asks as root for others' }),
    pam_localuser: (_entry: PamEntry, { account }: PamQuestion): PamAnswer =>
      account.local ? success : { says: 'perm_denied', why: 'the account is not in /etc/passwd' },
    pam_succeed_if: judgeSucceedIf,
    // For a login that is let in, faillock only forgets; whether it blocks a password is not known.
    pam_faillock: (entry: PamEntry): PamAnswer =>
      entry.task === 'account' ? success : stranger(entry),
    pam_sss: judgeDirectory,
    pam_winbind: judgeDirectory,
    pam_ldap: judgeDirectory,
    pam_systemd_home: judgeDirectory,
  },
);

// A directory service does not know the accounts of /etc/passwd.
function judgeDirectory(entry: PamEntry, { account }: PamQuestion): PamAnswer {
  if (!account.local) {
    return stranger(entry);
  }
  return entry.task === 'session'
    ? success
    : { says: 'user_unknown', why: 'the account is in /etc/passwd' };
}

function judgeUnix(entry: PamEntry, question: PamQuestion): PamAnswer {
  const { account } = question;
  switch (entry.task) {
    case 'session':
      return success;
    case 'auth':
      return judgePassword(entry, account, question.goodPassword);
    case 'account':
      return judgeAging(entry, account, question.today);
  }
}

function judgePassword(entry: PamEntry, account: Account, good: boolean): PamAnswer {
  switch (account.password) {
    case 'usable':
      return good ? success : stranger(entry);
    case 'empty':
      return entry.args.includes('nullok')
        ? success
        : { says: 'auth_err', why: `the password of ${account.name} is empty` };
    default:
      return { says: 'auth_err', why: `${account.name} has no password that can match` };
  }
}

// check_shadow_expiry() of pam_unix: the account first, then the password.
function judgeAging(entry: PamEntry, account: Account, today: number | null): PamAnswer {
  const { aging, name } = account;
  if (aging === null) {
    return account.password === 'none'
      ? account.local
        ? { says: 'authinfo_unavail', why: `/etc/shadow has no entry for ${name}` }
        : stranger(entry)
      : success;
  }
  if (today === null) {
    return { says: null, why: "the host's clock is not known" };
  }
  if (aging.expires !== null && today >= aging.expires) {
    return {
      says: 'acct_expired',
      why: `the account ${name} expired ${ago(today - aging.expires)}`,
    };
  }
  if (aging.changed === 0) {
    return { says: 'new_authtok_reqd', why: `${name} must change the password at the next login` };
  }
  if (aging.changed === null || today < aging.changed || aging.max === null) {
    return success;
  }
  const passed = today - aging.changed;
  if (aging.inactive !== null && passed > aging.max + aging.inactive) {
    return {
      says: 'authtok_expired',
      why: `the password of ${name} expired ${ago(passed - aging.max)}, and its time of grace ended`,
    };
  }
  if (passed <= aging.max) {
    return success;
  }
  return entry.args.includes('no_pass_expiry')
    ? { says: null, why: `the password of ${name} expired; no_pass_expiry may pass it over` }
    : {
        says: 'new_authtok_reqd',
        why: `the password of ${name} expired ${ago(passed - aging.max)}`,
      };
}

function ago(days: number): string {
  return days <= 0 ? 'today' : days === 1 ? 'one day ago' : `${days} days ago`;
}

// pam_nologin(8): /var/run/nologin, then /etc/nologin; root is told, and let in.
function judgeNologin(entry: PamEntry, { account, nologin }: PamQuestion): PamAnswer {
  if (entry.args.some((arg) => arg.startsWith('file='))) {
    return stranger(entry);
  }
  if (nologin === null) {
    return { says: null, why: 'whether a nologin file is there is not known' };
  }
  const [file] = nologin;
  if (file === undefined || account.uid === 0) {
    return entry.args.includes('successok') ? success : ignore;
  }
  return { says: 'auth_err', why: `${file} forbids logins to all but root` };
}

function judgeShells(_entry: PamEntry, { pam, account }: PamQuestion): PamAnswer {
  const listed = pam.files['/etc/shells'];
  if (listed === undefined) {
    return { says: null, why: '/etc/shells was not read' };
  }
  const shell = account.shell === '' ? '/bin/sh' : account.shell;
  return listed.some(({ text }) => text.trim() === shell)
    ? success
    : { says: 'auth_err', why: `the shell ${shell} is not in /etc/shells` };
}

// Only these count logins; the others limit what a session may use.
function judgeLimits(_entry: PamEntry, { pam, account }: PamQuestion): PamAnswer {
  for (const [path, lines] of Object.entries(pam.files)) {
    const rule = path.startsWith('/etc/security/limits')
      ? lines.find(({ text }) => countsLogins(text, account))
      : undefined;
    if (rule !== undefined) {
      const text = `${path}:${rule.line}: ${rule.text.trim()}`;
      return /\s0$/.test(rule.text.trim()) && /maxlogins/.test(rule.text)
        ? { says: 'perm_denied', why: text }
        : { says: null, why: `${text}: whether it is reached is not known` };
    }
  }
  return success;
}

// A limit on processes keeps a login out only where it is very low.
function countsLogins(text: string, account: Account): boolean {
  const [domain = '', , item = '', value = ''] = text.trim().split(/\s+/);
  const low = item === 'nproc' && /^\d+$/.test(value) && Number(value) < 64;
  const counts = (item === 'maxlogins' || item === 'maxsyslogins') && value !== '-';
  return (low || counts) && mayConcern(domain, account);
}

// limits.conf(5): groups and wildcards do not mean root.
function mayConcern(domain: string, account: Account): boolean {
  if (account.uid === 0 && /^[*@%]/.test(domain)) {
    return false;
  }
  if (domain === '*' || domain === '%') {
    return true;
  }
  if (/^[@%]/.test(domain)) {
    return account.groups === null || account.groups.includes(domain.slice(1));
  }
  return domain === account.name || domain.includes(':');
}

// pam_succeed_if(8): `uid >= 1000`, `user ingroup wheel`, `user = root`; flags may stand between.
function judgeSucceedIf(entry: PamEntry, { account }: PamQuestion): PamAnswer {
  const words = entry.args.filter(
    (arg) => !/^(?:debug|use_uid|quiet|quiet_fail|quiet_success|audit)$/.test(arg),
  );
  if (words.length === 0 || words.length % 3 !== 0 || entry.args.includes('use_uid')) {
    return stranger(entry);
  }
  for (let at = 0; at < words.length; at += 3) {
    const holds = condition(words[at] ?? '', words[at + 1] ?? '', words[at + 2] ?? '', account);
    if (holds === null) {
      return stranger(entry);
    }
    if (!holds) {
      return { says: 'auth_err', why: `not ${words.slice(at, at + 3).join(' ')}` };
    }
  }
  return success;
}

function condition(
  left: string,
  operator: string,
  right: string,
  account: Account,
): boolean | null {
  const number = left === 'uid' ? account.uid : left === 'gid' ? account.gid : null;
  if (number !== null && /^\d+$/.test(right)) {
    const wanted = Number(right);
    const table: Readonly<Record<string, boolean>> = {
      '<': number < wanted,
      lt: number < wanted,
      '<=': number <= wanted,
      le: number <= wanted,
      '>': number > wanted,
      gt: number > wanted,
      '>=': number >= wanted,
      ge: number >= wanted,
      eq: number === wanted,
      ne: number !== wanted,
    };
    return table[operator] ?? null;
  }
  if (left !== 'user') {
    return null;
  }
  const groups = right.split(':');
  switch (operator) {
    case '=':
    case 'eq':
      return account.name === right;
    case '!=':
    case 'ne':
      return account.name !== right;
    case 'ingroup':
      return account.groups?.some((group) => groups.includes(group)) ?? null;
    case 'notingroup':
      return account.groups === null ? null : !account.groups.some((one) => groups.includes(one));
    case 'in':
      return groups.includes(account.name);
    case 'notin':
      return !groups.includes(account.name);
    default:
      return null;
  }
}
