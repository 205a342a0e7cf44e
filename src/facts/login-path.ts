import { quote } from '../core/quote.ts';
import { fileType, type FileType } from './file-type.ts';
import { lookSh } from './login-path-sh.ts';
import {
  known,
  request,
  unknown,
  type Fact,
  type FactRequest,
  type Observed,
  type Parts,
} from './fact.ts';

/** Where sshd looks for the keys of the accounts, with every folder on the way. */
export interface LoginPaths {
  /**
   * The words of `AuthorizedKeysFile` lines that were looked up for each account, and those of
   * `RevokedKeys` and `ChrootDirectory`.
   */
  readonly patterns: readonly string[];
  /** True on Debian and its children, whose sshd tolerates group write by a group of one's own. */
  readonly privateGroups: boolean;
  /** What is there, by path, without following links. What was looked up and is not here is missing. */
  readonly entries: Readonly<Record<string, PathEntry>>;
  /** The path without links, for each path that has one on its way; empty where it leads nowhere. */
  readonly real: Readonly<Record<string, string>>;
  /** Folders that root itself may not enter, as on some network file systems. */
  readonly shut: readonly string[];
  /** What the key files hold, by path without links. */
  readonly keys: Readonly<Record<string, KeyFile>>;
}

/** One entry on a path. */
export interface PathEntry {
  readonly type: FileType;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  /** True where an access control list says more than the bits. */
  readonly acl: boolean;
}

/** One file of public keys, in the format of authorized_keys. */
export interface KeyFile {
  /** Each valid key in order; null where nobody could ask ssh-keygen. */
  readonly keys: readonly PublicKey[] | null;
  /** Lines that look like a key: the options before it. Values that may be secret are cut. */
  readonly options: readonly string[];
}

/** One public key, as `ssh-keygen -l` shows it. */
export interface PublicKey {
  /** `SHA256:…` */
  readonly fingerprint: string;
  /** `ED25519`, `RSA`, `ECDSA`, `ED25519-SK`, `RSA-CERT` …; empty where it is not shown. */
  readonly type: string;
  readonly bits: number;
}

/** The key files of all accounts of /etc/passwd, with the folders above them. */
export const loginPathsFact: Fact<undefined, LoginPaths> = {
  name: 'login-paths',
  summary:
    'the authorized_keys files of all accounts: owners and modes up to /, keys, restrictions',
  slow: false,
  read: () => [{ part: 'look', sh: `${lookSh}\nlook </etc/passwd`, long: true }],
  parse: parseLoginPaths,
};

/** The request for the key files of all accounts. */
export const loginPathsRequest = request(loginPathsFact, undefined);

/** The same for one account that a directory service holds; nothing where /etc/passwd has it. */
export const loginPathFact: Fact<string, LoginPaths> = {
  name: 'login-path',
  summary: 'the authorized_keys files of one account of a directory service',
  slow: false,
  read: (user) => [
    {
      part: 'look',
      sh: `${lookSh}
u=${quote(user)}
if cut -d : -f 1 /etc/passwd | grep -qFx -- "$u" || ! have getent; then look </dev/null
else limit 10 getent passwd -- "$u" | look; fi`,
      long: true,
    },
  ],
  parse: parseLoginPaths,
};

/** The request for the key files of one account. */
export function loginPathRequest(user: string): FactRequest<LoginPaths> {
  return request(loginPathFact, user);
}

function parseLoginPaths(parts: Parts): Observed<LoginPaths> {
  const look = parts.get('look');
  const text = look?.text ?? '';
  if (look === undefined || look.cut || !text.startsWith('pattern|')) {
    return unknown(`the key files could not be looked at: ${look?.errors || 'no answer'}`);
  }
  const lines = text.split('\n');
  const entries = record<PathEntry>();
  const real = record<string>();
  const shut: string[] = [];
  for (const line of lines) {
    const [kind] = line.split('|', 1);
    const rest = line.slice((kind?.length ?? 0) + 1);
    if (kind === 'stat') {
      addEntry(entries, rest);
    } else if (kind === 'real') {
      // No path of sshd's holds a bar; one that does is not looked up.
      const [from = '', to = ''] = rest.split('|');
      real[from] = to;
    } else if (kind === 'shut') {
      shut.push(rest);
    } else if (kind === 'acl' && entries[rest] !== undefined) {
      entries[rest] = { ...entries[rest], acl: true };
    }
  }
  return known({
    patterns: lines.flatMap((line) => (line.startsWith('pattern|') ? [line.slice(8)] : [])),
    privateGroups: lines.includes('private-groups|'),
    entries,
    real,
    shut,
    keys: parseKeys(text),
  });
}

function addEntry(entries: Record<string, PathEntry>, rest: string): void {
  const match = /^([a-z ]+)\|(\d{1,10})\|(\d{1,10})\|([0-7]{1,5})\|(\/.*)$/.exec(rest);
  if (match !== null) {
    entries[match[5] ?? ''] = {
      type: fileType(match[1] ?? ''),
      uid: Number(match[2]),
      gid: Number(match[3]),
      mode: Number.parseInt(match[4] ?? '', 8),
      acl: false,
    };
  }
}

function parseKeys(text: string): Record<string, KeyFile> {
  const keys = record<KeyFile>();
  for (const section of text.split(/^keys\|/m).slice(1)) {
    const [path = '', ...lines] = section.split('\n');
    const values = (kind: string): string[] =>
      lines.flatMap((line) => (line.startsWith(`${kind}|`) ? [line.slice(kind.length + 1)] : []));
    keys[path] = {
      keys: lines.includes('asked|') ? values('print').flatMap(toKey) : null,
      options: values('options').map((options) => options.trim()),
    };
  }
  return keys;
}

function toKey(text: string): PublicKey[] {
  const match = /^(\d{1,6}) (SHA256:\S+) (\S*)$/.exec(text);
  return match === null
    ? []
    : [{ bits: Number(match[1]), fingerprint: match[2] ?? '', type: match[3] ?? '' }];
}

function record<V>(): Record<string, V> {
  return Object.create(null) as Record<string, V>;
}
