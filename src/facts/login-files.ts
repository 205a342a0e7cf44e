import type { FileIdentity } from '../core/change.ts';
import { quote } from '../core/quote.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { fileType, type FileType } from './file-type.ts';

/** The files of one account that sshd's StrictModes looks at. */
export interface LoginFiles {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** True where nobody but the user is in the user's own group, as Debian's sshd asks. */
  readonly privateGroup: boolean;
  /** Home, `.ssh`, `authorized_keys`, in this order. */
  readonly entries: readonly LoginFile[];
}

/** One of them, as seen without following a link. */
export interface LoginFile {
  readonly path: string;
  /** The folder it was seen in (itself, for a folder), and that folder's `device:inode`. */
  readonly directory: string;
  readonly directoryInode: string;
  readonly name: string;
  readonly type: FileType | 'missing';
  /** Number of names (hard links); more than one on a file is suspicious. */
  readonly links: number;
  readonly identity: FileIdentity;
  /** The name of the account that owns it; null where no account has that number. */
  readonly owner: string | null;
}

/** Home, `.ssh` and `authorized_keys` of a user. The argument is the login name. */
export const loginFilesFact: Fact<string, LoginFiles> = {
  name: 'login-files',
  summary: "owner and modes of a user's home, .ssh and authorized_keys, without following links",
  slow: false,
  read: (user) => [
    {
      part: 'passwd',
      sh: `u=${quote(user)}\nif have getent; then getent passwd "$u"; else grep "^$u:" /etc/passwd; fi`,
    },
    { part: 'group', sh: groupSh(user) },
    { part: 'entries', sh: entriesSh(user) },
  ],
  parse: parseLoginFiles,
};

// Debian's sshd tolerates group write where the group is the user's own (auth_get_user_group patch).
function groupSh(user: string): string {
  return `[ -f /etc/debian_version ] || exit 3
u=${quote(user)}
g=$(getent passwd "$u" | cut -d : -f 4); [ -n "$g" ] || exit 3
getent group "$g"
printf 'sharing %s\\n' "$(getent passwd | cut -d : -f 4 | grep -c "^$g\\$")"`;
}

// `cd -P` resolves links in the way to the home folder; below it nothing is followed.
function entriesSh(user: string): string {
  return `u=${quote(user)}
h=$({ if have getent; then getent passwd "$u"; else grep "^$u:" /etc/passwd; fi; } | cut -d : -f 6)
show() { stat -c "$1 %F|%d:%i|%h|%u|%g|%a|%U" -- "$2" 2>/dev/null || echo "$1 missing"; }
cd -P -- "$h" || exit 3
pwd -P
show home .
if [ -L .ssh ] || [ ! -d .ssh ]; then show ssh .ssh; exit 0; fi
i=$(stat -c %d:%i .ssh)
cd -P -- ./.ssh && [ "$(stat -c %d:%i .)" = "$i" ] || exit 4
show ssh .
show keys authorized_keys`;
}

function parseLoginFiles(parts: Parts, user: string): Observed<LoginFiles> {
  const fields = (parts.get('passwd')?.text.split('\n')[0] ?? '').split(':');
  if (fields.length < 7 || fields[0] !== user) {
    return unknown(`there is no account ${user} on this host`);
  }
  const entries = parts.get('entries');
  if (entries === undefined || entries.status !== 0) {
    const why =
      entries?.status === 4
        ? '.ssh was swapped while it was looked at'
        : entries?.errors || 'no answer';
    return unknown(`the home folder ${fields[5] ?? ''} of ${user} could not be read: ${why}`);
  }
  const home = entries.text.split('\n')[0] ?? '';
  return known({
    user,
    uid: Number(fields[2]),
    gid: Number(fields[3]),
    home,
    privateGroup: isPrivateGroup(parts.get('group')?.text ?? '', user),
    entries: toEntries(entries.text, home),
  });
}

function isPrivateGroup(text: string, user: string): boolean {
  const [group = '', sharing = ''] = text.split('\n');
  const members = (group.split(':')[3] ?? '')
    .split(',')
    .filter((name) => name !== '' && name !== user);
  return group.startsWith(`${user}:`) && members.length === 0 && sharing === 'sharing 1';
}

function toEntries(text: string, home: string): LoginFile[] {
  const homeFile = toEntry(text, 'home', home, '.', null);
  const ssh = toEntry(text, 'ssh', `${home}/.ssh`, '.', null);
  const keys = toEntry(
    text,
    'keys',
    `${home}/.ssh`,
    'authorized_keys',
    ssh?.identity.inode ?? null,
  );
  return [homeFile, ssh, keys].flatMap((entry) => (entry === null ? [] : [entry]));
}

function toEntry(
  text: string,
  key: string,
  directory: string,
  name: string,
  inode: string | null,
): LoginFile | null {
  const line = new RegExp(`^${key} (.+)$`, 'm').exec(text)?.[1];
  if (line === undefined) {
    return null;
  }
  const [
    type = '',
    ownInode = '',
    links = '0',
    uid = '0',
    gid = '0',
    mode = '0',
    owner = 'UNKNOWN',
  ] = line.split('|');
  return {
    path: name === '.' ? directory : `${directory}/${name}`,
    directory,
    directoryInode: inode ?? ownInode,
    name,
    type: type === 'missing' ? 'missing' : fileType(type),
    links: Number(links),
    owner: owner === 'UNKNOWN' ? null : owner,
    identity: { inode: ownInode, uid: Number(uid), gid: Number(gid), mode: mode.padStart(4, '0') },
  };
}
