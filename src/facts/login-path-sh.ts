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

/**
 * `key_file PATH` prints the keys of one file as ssh-keygen shows them, and the options of its lines.
 * Only lines that hold a public key are shown, and of these only the options, with values cut that may
 * be secret: a link may lead anywhere. In sed `t` asks about every `s` of a line so far, hence `clear`.
 */
export const keyFileSh = `key_file() {
  printf 'keys|%s\\n' "$1"
  if have ssh-keygen; then
    limit 10 head -c 262144 "$1" | ssh-keygen -lf /dev/stdin 2>/dev/null | sed -n -e 's/^\\([0-9]* SHA256:[^ ]*\\) .*(\\([A-Z0-9-]*\\))$/print|\\1 \\2/p;t' -e 's/^\\([0-9]* SHA256:[^ ]*\\) .*/print|\\1 /p'
    echo 'asked|'
  fi
  limit 10 head -c 262144 "$1" | sed -n -e '/^[[:space:]]*#/d' -e 's/\\\\"//g' \\
    -e 's/\\([Cc][Oo][Mm][Mm][Aa][Nn][Dd]\\)="[^"]*"/\\1=""/g' -e 's/\\([Ee][Nn][Vv][Ii][Rr][Oo][Nn][Mm][Ee][Nn][Tt]\\)="[^"]*"/\\1=""/g' \\
    -e 's/^[[:space:]]*/ /' -e 't clear' -e ':clear' -e 's/^\\(.*\\)[[:space:]]\\([a-z][a-z0-9@.-]*\\)[[:space:]]\\{1,\\}AAAA[A-Za-z0-9+\\/]*=*\\([[:space:]].*\\)\\{0,1\\}$/\\1/;t keep' -e d -e ':keep' \\
    -e h -e 's/"[^"]*"//g' -e '/"/d' -e g -e 's/^/options|/p'
  echo
}`;

// `passwd` lines come on standard input. Each existing path is looked at by one stat for all.
export const lookSh = `${patternsSh}
${expandSh}
${waySh}
${keyFileSh}
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
`;
