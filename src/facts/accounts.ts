import { quote } from '../core/quote.ts';
import {
  known,
  request,
  unknown,
  type Fact,
  type FactRequest,
  type Observed,
  type Parts,
} from './fact.ts';
import { daysSinceLogin, recentSh } from './recent-logins.ts';

/** The accounts and groups of the host, as `getent passwd` and `getent group` list them. */
export interface Accounts {
  /** The day on the host's clock, in days since 1970-01-01, as shadow(5) counts. */
  readonly today: number;
  readonly accounts: readonly Account[];
  readonly groups: readonly Group[];
  /** Why accounts may be missing from the list (a directory service, too many); null where all are there. */
  readonly incomplete: string | null;
  /** Why groups or members may be missing; null where all are there. */
  readonly groupsIncomplete: string | null;
}

/** One account. It never holds a password or its hash. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** As passwd says; an empty field stands for `/bin/sh`. */
  readonly shell: string;
  /** Whether the shell can be run; null where nobody looked. */
  readonly shellState: 'ok' | 'missing' | 'not-executable' | null;
  /** Names of the primary and the supplementary groups; null where they are not known for sure. */
  readonly groups: readonly string[] | null;
  /** True where /etc/passwd itself has the account. */
  readonly local: boolean;
  readonly password: PasswordState;
  /** When passwords and the account end; null where shadow has no entry. */
  readonly aging: Aging | null;
  /** Days since the last login that was recorded; null where none was, or nobody keeps a record. */
  readonly lastLogin: number | null;
}

/**
 * What the password field says, as a word. `locked`: a password behind `!`; `locked-bang`: `!` alone,
 * as useradd leaves it; `star`: `*`, no password can match, which is not locked; `none`: passwd points
 * to shadow, and shadow has no entry.
 */
export type PasswordState = 'usable' | 'locked' | 'locked-bang' | 'star' | 'empty' | 'none';

/** Fields of shadow(5), in days; null where a field is empty. */
export interface Aging {
  /** Day of the last change; 0 asks for a new password at the next login. */
  readonly changed: number | null;
  readonly max: number | null;
  readonly inactive: number | null;
  /** Day on which the account expires. */
  readonly expires: number | null;
}

/** One group. */
export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Most accounts that are listed; a directory with more is not read to its end. */
const maxAccounts = 3000;

// What a source beside the files adds takes a process that may hang, so it is asked only where
// nsswitch.conf(5) names such a source.
const nssSh = `nss() { sed -n "s/^$1:[[:space:]]*//p" /etc/nsswitch.conf 2>/dev/null | sed -e 's/#.*//' -e 's/\\[[^]]*\\]//g'; }
only_files() { for s in $(nss "$1"); do case $s in files | compat | db) ;; *) return 1 ;; esac; done; }`;

function databaseSh(name: 'passwd' | 'group'): string {
  return `${nssSh}
if only_files ${name}; then echo 'source files'; else echo "source $(nss ${name} | tr '\\n' ' ')"; fi
{ cat /etc/${name}; only_files ${name} || ! have getent || limit 10 getent ${name} || echo '!incomplete'; } | head -n ${maxAccounts + 2}`;
}

/** Cuts the hash of shadow(5) lines, here on the host: what leaves it is one word. */
export const cutHash = `sed -n -e 's/^\\([^:]*\\)::/\\1:empty:/;t done' -e 's/^\\([^:]*\\):\\*[^:]*:/\\1:star:/;t done' -e 's/^\\([^:]*\\):!!*\\*\\{0,1\\}:/\\1:locked-bang:/;t done' -e 's/^\\([^:]*\\):![^:]*:/\\1:locked:/;t done' -e 's/^\\([^:]*\\):[^:]*:/\\1:usable:/;t done' -e 'd;:done' -e p`;

// passwd(5) may hold a hash itself; only `x` points to shadow. What is no entry of ours is dropped.
const cutPasswd = `sed -e '/^source [^:]*$/b' -e '/^status [0-9]*$/b' -e '/^!incomplete$/b' -e 's/^\\([^:]*\\):x:/\\1:shadow:/;t' -e 's/^\\([^:]*\\)::/\\1:empty:/;t' -e 's/^\\([^:]*\\):\\*[^:]*:/\\1:star:/;t' -e 's/^\\([^:]*\\):![^:]*:/\\1:locked-bang:/;t' -e 's/^\\([^:]*\\):[^:]*:/\\1:usable:/;t' -e d`;

// sshd takes a shell that is a regular file with any execute bit (allowed_user in auth.c).
const shellSh = `shell_state() {
  s=$1; [ -n "$s" ] || s=/bin/sh
  if [ ! -f "$s" ]; then echo "missing $1"; elif [ ! -x "$s" ]; then echo "not-executable $1"; else echo "ok $1"; fi
}`;

/** All accounts and groups of the host. */
export const accountsFact: Fact<undefined, Accounts> = {
  name: 'accounts',
  summary:
    'the accounts and groups of the host: home, shell, password state as a word, expiry, last login',
  slow: false,
  read: () => [
    { part: 'today', sh: 'date +%s' },
    { part: 'passwd', sh: `{\n${databaseSh('passwd')}\n} | ${cutPasswd}` },
    { part: 'group', sh: databaseSh('group') },
    { part: 'shadow', sh: `head -n ${maxAccounts} /etc/shadow | ${cutHash}` },
    {
      part: 'shells',
      sh: `${shellSh}
seen=:
while IFS=: read -r _ _ _ _ _ _ shell; do
  case $seen in *":$shell:"*) continue ;; esac
  seen=$seen$shell:
  shell_state "$shell"
done </etc/passwd`,
    },
    { part: 'recent', sh: recentSh },
  ],
  parse: parseAccounts,
};

/** The request for all accounts. */
export const accountsRequest = request(accountsFact, undefined);

/**
 * One account, asked for by name: with the groups that a login gets, and where a directory service
 * holds it. Null where there is no such account.
 */
export const accountFact: Fact<string, Account | null> = {
  name: 'account',
  summary: 'one account by name, also from a directory service, with all its groups',
  slow: false,
  read: (user) => [
    {
      part: 'passwd',
      sh: `u=${quote(user)}
{ if have getent; then limit 10 getent passwd -- "$u"; s=$?; else cat /etc/passwd; s=$?; fi; echo; echo "status $s"; } | ${cutPasswd}`,
    },
    {
      part: 'shadow',
      sh: `u=${quote(user)}\n{ if have getent; then limit 10 getent shadow -- "$u"; else cat /etc/shadow; fi; } | ${cutHash}`,
    },
    // The names of groups may hold blanks where they come from a directory.
    {
      part: 'groups',
      sh: `u=${quote(user)}\nlimit 10 id -Gnz -- "$u" 2>/dev/null | tr '\\000' '\\n' | grep . || limit 10 id -Gn -- "$u" | tr ' ' '\\n'`,
    },
    {
      part: 'shell',
      sh: `${shellSh}
u=${quote(user)}
s=$(if have getent; then limit 10 getent passwd -- "$u"; else grep -F "$u:" /etc/passwd; fi | head -n 1 | cut -d : -f 7)
shell_state "$s"`,
    },
    { part: 'local', sh: `u=${quote(user)}\ncut -d : -f 1 /etc/passwd | grep -Fx -- "$u"` },
  ],
  parse: parseAccount,
};

/** The request for one account. */
export function accountRequest(user: string): FactRequest<Account | null> {
  return request(accountFact, user);
}

function parseAccounts(parts: Parts): Observed<Accounts> {
  const passwd = parts.get('passwd');
  const group = parts.get('group');
  const seconds = Number(parts.get('today')?.text.trim() || Number.NaN);
  if (passwd === undefined || passwd.status !== 0 || passwd.cut) {
    return unknown(`the accounts could not be read: ${passwd?.errors || 'no answer'}`);
  }
  if (!Number.isSafeInteger(seconds) || parts.get('today')?.status !== 0) {
    return unknown('the clock of the host could not be read');
  }
  const entries = parsePasswd(passwd.text);
  if (entries.length === 0) {
    return unknown('the accounts could not be read: the list is empty');
  }
  const groups = group?.status === 0 ? parseGroups(group.text) : [];
  const groupsIncomplete =
    group?.status === 0 ? whyIncomplete(group.text, groups.length) : 'groups could not be read';
  const shadow = parseShadow(parts.get('shadow')?.text ?? '');
  const shells = parseShells(parts.get('shells')?.text ?? '');
  const local = localCount(passwd.text);
  const daysOf = daysSinceLogin(parts.get('recent')?.text ?? '', seconds);
  const accounts = entries.map((entry, index): Account => ({
    name: entry.name,
    uid: entry.uid,
    gid: entry.gid,
    home: entry.home,
    shell: entry.shell,
    shellState: shells.get(entry.shell) ?? null,
    groups: groupsIncomplete === null ? groupsOf(entry, groups) : null,
    local: index < local,
    ...passwordOf(entry, shadow.get(entry.name)),
    lastLogin: daysOf(entry.name, entry.uid),
  }));
  return known({
    today: Math.floor(seconds / 86_400),
    accounts: uniqueByName(accounts),
    groups: uniqueByName(groups),
    incomplete: whyIncomplete(passwd.text, entries.length),
    groupsIncomplete,
  });
}

function parseAccount(parts: Parts, user: string): Observed<Account | null> {
  const passwd = parts.get('passwd');
  const status = /^status (\d+)$/m.exec(passwd?.text ?? '')?.[1];
  if (passwd === undefined || status === undefined) {
    return unknown(`the account ${user} could not be looked up: ${passwd?.errors || 'no answer'}`);
  }
  const entry = parsePasswd(passwd.text).find(({ name }) => name === user);
  if (entry === undefined) {
    // getent(1): 2 is "not found"; a time-out of a directory is not an answer.
    return status === '0' || status === '2'
      ? known(null)
      : unknown(`the account ${user} could not be looked up: exit status ${status}`);
  }
  const groups = parts.get('groups');
  const names = (groups?.text ?? '').split('\n').filter((name) => name !== '');
  return known({
    name: entry.name,
    uid: entry.uid,
    gid: entry.gid,
    home: entry.home,
    shell: entry.shell,
    shellState: parseShells(parts.get('shell')?.text ?? '').get(entry.shell) ?? null,
    groups: groups?.status === 0 && names.length > 0 ? names : null,
    local: parts.get('local')?.text.trim() === user,
    ...passwordOf(entry, parseShadow(parts.get('shadow')?.text ?? '').get(user)),
    lastLogin: null,
  });
}

interface PasswdEntry {
  readonly name: string;
  readonly password: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

function parsePasswd(text: string): PasswdEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', password = '', uid = '', gid = '', , home = '', shell] = line.split(':');
    return shell === undefined || name === '' || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)
      ? []
      : [{ name, password, uid: Number(uid), gid: Number(gid), home, shell }];
  });
}

function parseGroups(text: string): Group[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , gid = '', members] = line.split(':');
    return members === undefined || name === '' || !/^\d+$/.test(gid)
      ? []
      : [
          {
            name,
            gid: Number(gid),
            members: members.split(',').flatMap((one) => (one.trim() === '' ? [] : [one.trim()])),
          },
        ];
  });
}

// The lines of /etc/passwd come first; what getent printed after them repeats them.
function localCount(text: string): number {
  const lines = parsePasswd(text);
  const again = lines.findIndex((entry, index) => index > 0 && entry.name === lines[0]?.name);
  return again < 0 ? lines.length : again;
}

function whyIncomplete(text: string, count: number): string | null {
  const source = /^source (.*)$/m.exec(text)?.[1]?.trim() ?? 'files';
  if (count >= maxAccounts) {
    return `there are more than ${maxAccounts}`;
  }
  // passwd(5) of `compat`: a plus asks NIS for more.
  if (/^\+/m.test(text)) {
    return 'the file also asks NIS, which need not list all it has';
  }
  // A directory lists its users only where enumeration is on, and nobody can see whether it is.
  const remote = source
    .split(/\s+/)
    .filter((one) => !['files', 'compat', 'db', 'systemd', ''].includes(one));
  return remote.length > 0 || text.includes('!incomplete')
    ? `nsswitch.conf also asks ${remote.join(', ') || source}, which need not list all it has`
    : null;
}

function groupsOf(entry: PasswdEntry, groups: readonly Group[]): string[] {
  return groups
    .filter(({ gid, members }) => gid === entry.gid || members.includes(entry.name))
    .map(({ name }) => name)
    .filter((name, index, all) => all.indexOf(name) === index);
}

const passwordStates = ['usable', 'locked', 'locked-bang', 'star', 'empty', 'none'] as const;

interface ShadowEntry extends Aging {
  readonly password: PasswordState;
}

function parseShadow(text: string): Map<string, ShadowEntry> {
  return new Map(
    text.split('\n').flatMap((line): [string, ShadowEntry][] => {
      const [name = '', word, changed, , max, , inactive, expires] = line.split(':');
      const password = passwordStates.find((state) => state === word);
      return password === undefined
        ? []
        : [
            [
              name,
              {
                password,
                changed: toDay(changed),
                max: toDay(max),
                inactive: toDay(inactive),
                expires: toDay(expires),
              },
            ],
          ];
    }),
  );
}

function toDay(field: string | undefined): number | null {
  return field !== undefined && /^\d{1,9}$/.test(field) ? Number(field) : null;
}

function passwordOf(
  entry: PasswdEntry,
  shadow: ShadowEntry | undefined,
): Pick<Account, 'password' | 'aging'> {
  if (shadow !== undefined) {
    const { password, ...aging } = shadow;
    return { password, aging };
  }
  const own = passwordStates.find((state) => state === entry.password) ?? 'none';
  return { password: own, aging: null };
}

const shellStates = ['ok', 'missing', 'not-executable'] as const;

function parseShells(text: string): Map<string, (typeof shellStates)[number]> {
  return new Map(
    text.split('\n').flatMap((line): [string, (typeof shellStates)[number]][] => {
      const [word = ''] = line.split(' ', 1);
      const state = shellStates.find((one) => one === word);
      return state === undefined ? [] : [[line.slice(word.length + 1), state]];
    }),
  );
}

function uniqueByName<T extends { readonly name: string }>(all: readonly T[]): T[] {
  return [...new Map(all.toReversed().map((one) => [one.name, one])).values()].toReversed();
}
