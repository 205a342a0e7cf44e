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
  readonly type: 'file' | 'directory' | 'link' | 'other';
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

/** Where sshd looks unless it is told otherwise (sshd_config(5)). */
export const defaultKeyPatterns = ['.ssh/authorized_keys', '.ssh/authorized_keys2'] as const;

/** Most accounts whose key files are looked at; further ones are not known. */
export const maxFollowedAccounts = 500;

// Patterns are looked for in all of /etc/ssh: a Match block may set its own.
const patternsSh = `key_patterns() {
  printf '%s\\n' ${defaultKeyPatterns.join(' ')}
  grep -rhiE '^[[:space:]]*"?(authorizedkeysfile|revokedkeys|chrootdirectory)"?[[:space:]=]' /etc/ssh /usr/etc/ssh 2>/dev/null |
    sed -e 's/^[[:space:]]*[^[:space:]=]*[[:space:]=]*//' -e 's/#.*//' | tr -d '"' | tr '\\t\\r ' '\\n\\n\\n'
}`;

// Tokens as in sshd_config(5): %% %h %u %U; other paths are below the home folder.
const expandSh = `# expand PATTERN USER UID HOME: leaves the path in $path.
expand() {
  path=; rest=$1
  while :; do
    case $rest in
      *%*)
        path=$path\${rest%%\\%*}; rest=\${rest#*\\%}
        case $rest in
          h*) path=$path$4 ;;
          u*) path=$path$2 ;;
          U*) path=$path$3 ;;
          %*) path=$path% ;;
        esac
        rest=\${rest#?} ;;
      *) path=$path$rest; break ;;
    esac
  done
  case $path in /*) ;; *) path=$4/$path ;; esac
  while :; do
    case $path in *//*) path=\${path%%//*}/\${path#*//} ;; *) break ;; esac
  done
}`;

// One line for each path on the way to a file, and `real` where a link is among them.
const waySh = `# way PATH: it and every folder above it.
way() {
  at=$1; linked=
  while :; do
    printf '%s\\n' "$at"
    [ ! -L "$at" ] || linked=1
    case $at in / | '' | [!/]*) break ;; esac
    at=\${at%/*}; [ -n "$at" ] || at=/
  done
  [ -n "$linked" ] || return 0
  at=$(readlink -f -- "$1" 2>/dev/null)
  printf 'real|%s|%s\\n' "$1" "$at"
  while [ -n "$at" ]; do
    printf '%s\\n' "$at"
    [ "$at" != / ] || break
    at=\${at%/*}; [ -n "$at" ] || at=/
  done
}`;

// `passwd` lines come on standard input. Each existing path is looked at by one stat for all.
const lookSh = `${patternsSh}
${expandSh}
${waySh}
look() {
  nl='
'
  patterns=$(key_patterns | grep -v '^[Nn][Oo][Nn][Ee]$' | grep . | sort -u | head -n 20)
  printf '%s\\n' "$patterns" | sed 's/^/pattern|/'
  [ ! -f /etc/debian_version ] || echo 'private-groups|'
  list=$(
    head -n ${maxFollowedAccounts} | while IFS=: read -r user _ uid _ _ home _; do
      case $home in /*) ;; *) continue ;; esac
      way "\${home%/}"
      printf '%s\\n' "$patterns" | while IFS= read -r pattern; do
        expand "$pattern" "$user" "$uid" "$home"
        way "$path"
      done
    done | sort -u
  )
  set -f; IFS=$nl
  # shellcheck disable=SC2086 # One word for each line.
  set -- $list
  IFS=' '
  for at; do
    shift
    case $at in real\\|*) printf '%s\\n' "$at"; continue ;; esac
    [ -e "$at" ] || [ -L "$at" ] || continue
    [ ! -d "$at" ] || [ -x "$at" ] || printf 'shut|%s\\n' "$at"
    set -- "$@" "$at"
  done
  [ $# -gt 0 ] || return 0
  stat -c 'stat|%F|%u|%g|%a|%n' -- "$@" 2>/dev/null
  # shellcheck disable=SC2012 # The eleventh character says whether there is a list; stat does not.
  ls -dn -- "$@" 2>/dev/null | sed -n 's/^.\\{10\\}+[^/]*\\(\\/.*\\)$/acl|\\1/p'
  files=0
  for at; do
    [ -f "$at" ] && [ ! -L "$at" ] && [ "$files" -lt 200 ] || continue
    files=$((files + 1))
    key_file "$at"
  done
}
# Only lines that hold a public key are shown, and of these only the options: a link may lead anywhere.
# t tells a success of the last s alone once it was taken, hence clear.
key_file() {
  printf 'keys|%s\\n' "$1"
  if have ssh-keygen; then
    limit 10 ssh-keygen -lf "$1" 2>/dev/null | sed -n -e 's/^\\([0-9]* SHA256:[^ ]*\\) .*(\\([A-Z0-9-]*\\))$/print|\\1 \\2/p;t' -e 's/^\\([0-9]* SHA256:[^ ]*\\) .*/print|\\1 /p'
    echo 'asked|'
  fi
  limit 10 head -c 262144 "$1" | sed -n -e '/^[[:space:]]*#/d' -e 's/\\\\"//g' \\
    -e 's/\\([Cc][Oo][Mm][Mm][Aa][Nn][Dd]\\)="[^"]*"/\\1=""/g' -e 's/\\([Ee][Nn][Vv][Ii][Rr][Oo][Nn][Mm][Ee][Nn][Tt]\\)="[^"]*"/\\1=""/g' \\
    -e 's/^[[:space:]]*/ /' -e 't clear' -e ':clear' -e 's/^\\(.*\\)[[:space:]]\\([a-z][a-z0-9@.-]*\\)[[:space:]]\\{1,\\}AAAA[A-Za-z0-9+\\/]*=*\\([[:space:]].*\\)\\{0,1\\}$/\\1/;t keep' -e d -e ':keep' \\
    -e h -e 's/"[^"]*"//g' -e '/"/d' -e g -e 's/^/options|/p'
  echo
}`;

/** The key files of all accounts of /etc/passwd, with the folders above them. */
export const loginPathsFact: Fact<undefined, LoginPaths> = {
  name: 'login-paths',
  summary:
    'the authorized_keys files of all accounts: owners and modes up to /, keys, restrictions',
  slow: false,
  read: () => [{ part: 'look', sh: `${lookSh}\nlook </etc/passwd` }],
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
      type: toType(match[1] ?? ''),
      uid: Number(match[2]),
      gid: Number(match[3]),
      mode: Number.parseInt(match[4] ?? '', 8),
      acl: false,
    };
  }
}

function toType(text: string): PathEntry['type'] {
  switch (text) {
    case 'directory':
      return 'directory';
    case 'regular file':
    case 'regular empty file':
      return 'file';
    case 'symbolic link':
      return 'link';
    default:
      return 'other';
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
