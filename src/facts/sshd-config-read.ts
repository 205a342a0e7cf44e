import type { HostFile } from './files.ts';

/** What one word of an `Include` line finds: the pattern that sshd hands to glob(3), and its files. */
export interface IncludeGlob {
  readonly pattern: string;
  readonly files: readonly string[];
}

/** A name in the tree that is no plain readable file. */
export interface OddFile {
  readonly path: string;
  readonly why: 'missing' | 'not-a-file' | 'unreadable' | 'too-large';
}

/** Longest file that is read, in bytes; sshd_config is a few thousand. */
const fileCap = 512 * 1024;

// Follows Include as sshd does: argv_split() of misc.c word by word, then the shell's own expansion in
// the C locale, which sorts as glob(3) does. The lists are checked again by the parser. Each file is
// read once, whatever the depth; a tree of more than 200 files is not read on.
export const readTreeSh = String.raw`
nl='
'
include_words() {
  iw=$1; iw_word=; iw_in=; iw_q=; iw_all=
  while [ -n "$iw" ]; do
    iw_c=${'${iw%"${iw#?}"}'}; iw=${'${iw#?}'}
    if [ -z "$iw_in" ]; then
      case $iw_c in ' ' | '	') continue ;; '#') break ;; esac
      iw_in=1
    fi
    case $iw_c in
      \\)
        iw_n=${'${iw%"${iw#?}"}'}
        case $iw_n in
          "'" | '"' | \\) iw_word=$iw_word$iw_n; iw=${'${iw#?}'}; continue ;;
          ' ') if [ -z "$iw_q" ]; then iw_word="$iw_word "; iw=${'${iw#?}'}; continue; fi ;;
        esac
        iw_word=$iw_word\\ ;;
      ' ' | '	')
        if [ -n "$iw_q" ]; then iw_word=$iw_word$iw_c
        else iw_all=$iw_all$iw_word$nl; iw_word=; iw_in=; fi ;;
      "'" | '"')
        if [ -z "$iw_q" ]; then iw_q=$iw_c
        elif [ "$iw_q" = "$iw_c" ]; then iw_q=
        else iw_word=$iw_word$iw_c; fi ;;
      *) iw_word=$iw_word$iw_c ;;
    esac
  done
  [ -z "$iw_q" ] || return 0
  [ -z "$iw_in" ] || iw_all=$iw_all$iw_word$nl
  printf '%s' "$iw_all"
}
includes_of() {
  sed -n 's/^[ 	]*"\{0,1\}[Ii][Nn][Cc][Ll][Uu][Dd][Ee]"\{0,1\}\([ 	=]\)/\1/p' "$1" |
    sed 's/[ 	]*$//; s/^[ 	]*=\{0,1\}[ 	]*//'
}
cr=$(printf '\r')
tree_queue=/etc/ssh/sshd_config$nl
tree_file=$(tree_main 2>/dev/null)
[ -z "$tree_file" ] || tree_queue=$tree_file$nl
printf 'main %s\n' "${'${tree_queue%"$nl"}'}"
tree_seen=$nl; tree_patterns=$nl; tree_count=0
while [ -n "$tree_queue" ]; do
  f=${'${tree_queue%%"$nl"*}'}; tree_queue=${'${tree_queue#*"$nl"}'}
  case $tree_seen in *"$nl$f$nl"*) continue ;; esac
  tree_seen=$tree_seen$f$nl
  tree_count=$((tree_count + 1))
  [ "$tree_count" -le 200 ] || { echo 'more than 200 files' >&2; exit 1; }
  if [ ! -e "$f" ]; then printf 'odd missing %s\n' "$f"; continue; fi
  if [ ! -f "$f" ]; then printf 'odd not-a-file %s\n' "$f"; continue; fi
  if [ ! -r "$f" ]; then printf 'odd unreadable %s\n' "$f"; continue; fi
  size=$(wc -c <"$f" | tr -d ' ')
  if [ "$size" -gt ${fileCap} ]; then printf 'odd too-large %s\n' "$f"; continue; fi
  printf 'file %s %s %s\n' "$(digest <"$f")" "$size" "$f"
  cat "$f"; echo
  set -f; IFS=$nl
  for line in $(includes_of "$f"); do
    line=${'${line%"$cr"}'}
    for word in $(include_words "$line"); do
      case $word in /* | '~'*) pattern=$word ;; *) pattern=/etc/ssh/$word ;; esac
      case $tree_patterns in *"$nl$pattern$nl"*) continue ;; esac
      tree_patterns=$tree_patterns$pattern$nl
      printf 'include %s\n' "$pattern"
      IFS=; set +f
      for found in $pattern; do
        if [ ! -e "$found" ] && [ ! -L "$found" ]; then continue; fi
        case $found in *"$nl"*) echo 'a file name with a newline' >&2; exit 1 ;; esac
        printf 'found %s\n' "$found"
        tree_queue=$tree_queue$found$nl
      done
      set -f; IFS=$nl
    done
  done
  set +f; unset IFS
done`;

/** What `readTreeSh` printed, as latin1; null where it does not hold together. */
export function parseTree(latin1: string): {
  readonly main: string;
  readonly files: readonly HostFile[];
  readonly includes: readonly IncludeGlob[];
  readonly odd: readonly OddFile[];
} | null {
  let main = '';
  const files: HostFile[] = [];
  const includes: { pattern: string; files: string[] }[] = [];
  const odd: OddFile[] = [];
  for (let at = 0; at < latin1.length;) {
    const end = latin1.indexOf('\n', at);
    const header = latin1.slice(at, end < 0 ? latin1.length : end);
    at = end < 0 ? latin1.length : end + 1;
    const file = /^file ([0-9a-f]{64}) (\d{1,7}) (\/.*)$/.exec(header);
    if (file !== null) {
      const text = latin1.slice(at, at + Number(file[2]));
      at += Number(file[2]) + 1;
      if (text.length !== Number(file[2]) || (at <= latin1.length && latin1[at - 1] !== '\n')) {
        return null;
      }
      files.push({ path: file[3] ?? '', sha256: file[1] ?? '', text });
      continue;
    }
    const [, word, value = ''] = /^(main|include|found|odd) (.*)$/.exec(header) ?? [];
    if (word === 'main') {
      main = value;
    } else if (word === 'include') {
      includes.push({ pattern: value, files: [] });
    } else if (word === 'found') {
      includes.at(-1)?.files.push(value);
    } else if (word === 'odd') {
      const [, why, path = ''] =
        /^(missing|not-a-file|unreadable|too-large) (\/.*)$/.exec(value) ?? [];
      odd.push({ path, why: (why ?? 'missing') as OddFile['why'] });
    } else if (header !== '') {
      return null;
    }
  }
  return main === '' ? null : { main, files, includes, odd };
}
