import { known, request, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** The PAM stacks that a login by sshd runs through, and the files that their modules read. */
export interface Pam {
  /** The service files that were looked for, by name; null where there is none. */
  readonly services: Readonly<Record<string, PamFile | null>>;
  /** Modules, by the name or path that the stacks use: whether the file is there. */
  readonly modules: Readonly<Record<string, boolean>>;
  /** Lines of the modules' own files that say something, by path; nothing for a file that is not there. */
  readonly files: Readonly<Record<string, readonly PamLine[]>>;
}

/** One file of /etc/pam.d, or of the vendor's folder. */
export interface PamFile {
  readonly path: string;
  readonly lines: readonly PamLine[];
}

/** One line that is neither empty nor a comment. A line that ends with a backslash goes on in the next. */
export interface PamLine {
  readonly line: number;
  readonly text: string;
}

// Files of modules that decide about logins; their values are no secrets.
const moduleFiles = [
  '/etc/security/access.conf',
  '/etc/security/access.d/*.conf',
  '/etc/security/limits.conf',
  '/etc/security/limits.d/*.conf',
  '/etc/security/time.conf',
  '/etc/shells',
] as const;

// Lines that say something, with their numbers, as `line|FILE|NUMBER|TEXT`; `file|FILE` for each file.
const printLines = `show_lines() {
  [ -f "$2" ] || return 1
  printf 'file|%s|%s\\n' "$1" "$2"
  limit 5 head -c 262144 "$2" | sed -n -e '/^[[:space:]]*$/d' -e '/^[[:space:]]*#/d' -e = -e p | sed -e 'N;s/\\n/|/' -e 's/^/line|/'
}`;

// pam.d(5): a name is looked for in /etc/pam.d, then in the vendor's folders.
const stacksSh = `${printLines}
find_service() {
  case $1 in /*) show_lines "$1" "$1"; return ;; esac
  show_lines "$1" "/etc/pam.d/$1" || show_lines "$1" "/usr/lib/pam.d/$1" || show_lines "$1" "/usr/share/pam.d/$1" || printf 'none|%s\\n' "$1"
}
includes() {
  sed -n -e 's/^line|[0-9]*|[[:space:]]*@include[[:space:]]\\{1,\\}\\([^[:space:]#]*\\).*/\\1/p' \\
    -e 's/^line|[0-9]*|[[:space:]]*-\\{0,1\\}[a-z]\\{4,8\\}[[:space:]]\\{1,\\}include[[:space:]]\\{1,\\}\\([^[:space:]#]*\\).*/\\1/p' \\
    -e 's/^line|[0-9]*|[[:space:]]*-\\{0,1\\}[a-z]\\{4,8\\}[[:space:]]\\{1,\\}substack[[:space:]]\\{1,\\}\\([^[:space:]#]*\\).*/\\1/p'
}
set -f
seen=' '
todo='sshd other'
count=0
while [ -n "$todo" ] && [ "$count" -lt 60 ]; do
  next=
  for name in $todo; do
    case $seen in *" $name "*) continue ;; esac
    seen="$seen$name "; count=$((count + 1))
    out=$(find_service "$name")
    printf '%s\\n' "$out"
    next="$next $(printf '%s\\n' "$out" | includes | tr '\\n' ' ')"
  done
  todo=$(printf '%s' "$next" | sed 's/^ *$//')
done
:`;

// A module without a folder is looked for where libpam was told to look when it was built.
const modulesSh = `for d in /etc/pam.d /usr/lib/pam.d /usr/share/pam.d; do
  [ ! -d "$d" ] || grep -rhoE '[^[:space:]]+\\.so([[:space:]]|$)' "$d"
done | tr -d ' \\t' | sort -u | head -n 500 | while IFS= read -r module; do
  case $module in
    /*) [ ! -e "$module" ] || printf 'there|%s\\n' "$module" ;;
    *)
      for d in /usr/lib/*/security /lib/*/security /usr/lib64/security /lib64/security /usr/lib/security /lib/security; do
        [ -e "$d/$module" ] || continue
        printf 'there|%s\\n' "$module"
        break
      done ;;
  esac
done
:`;

/** The PAM stacks of sshd with all they include, and whether their modules are there. */
export const pamFact: Fact<undefined, Pam> = {
  name: 'pam',
  summary:
    'the PAM stacks of sshd: files with all they include, missing modules, access and limits',
  slow: false,
  read: () => [
    { part: 'stacks', sh: stacksSh },
    { part: 'modules', sh: modulesSh },
    {
      part: 'files',
      sh: `${printLines}\nfor f in ${moduleFiles.join(' ')}; do show_lines "$f" "$f" || :; done`,
    },
  ],
  parse: parsePam,
};

/** The request for the PAM stacks. */
export const pamRequest = request(pamFact, undefined);

function parsePam(parts: Parts): Observed<Pam> {
  const stacks = parts.get('stacks');
  if (stacks === undefined || stacks.status !== 0 || stacks.cut || stacks.text.trim() === '') {
    return unknown(`the PAM stacks could not be read: ${stacks?.errors || 'no answer'}`);
  }
  const services = record<PamFile | null>();
  for (const [, name = ''] of stacks.text.matchAll(/^none\|(.*)$/gm)) {
    services[name] = null;
  }
  for (const { name, path, lines } of sections(stacks.text)) {
    services[name] = { path, lines };
  }
  if (!('sshd' in services) || !('other' in services)) {
    return unknown('the PAM stacks could not be read: the answer is not whole');
  }
  const files = record<readonly PamLine[]>();
  for (const { name, lines } of sections(parts.get('files')?.text ?? '')) {
    files[name] = lines;
  }
  return known({ services, files, modules: modulesOf(services, parts.get('modules')?.text ?? '') });
}

function sections(text: string): { name: string; path: string; lines: PamLine[] }[] {
  return text
    .split(/^file\|/m)
    .slice(1)
    .map((section) => {
      const [header = '', ...rest] = section.split('\n');
      const [name = '', path = ''] = header.split('|');
      const lines = rest.flatMap((one): PamLine[] => {
        const match = /^line\|(\d{1,7})\|(.*)$/.exec(one);
        return match === null ? [] : [{ line: Number(match[1]), text: match[2] ?? '' }];
      });
      return { name, path, lines };
    });
}

function modulesOf(
  services: Readonly<Record<string, PamFile | null>>,
  text: string,
): Record<string, boolean> {
  const there = new Set([...text.matchAll(/^there\|(.*)$/gm)].map(([, module = '']) => module));
  const modules = record<boolean>();
  for (const file of Object.values(services)) {
    for (const { text: line } of file?.lines ?? []) {
      for (const [word] of line.matchAll(/[^\s\]]+\.so(?=\s|$)/g)) {
        modules[word] = there.has(word);
      }
    }
  }
  return modules;
}

function record<V>(): Record<string, V> {
  return Object.create(null) as Record<string, V>;
}
