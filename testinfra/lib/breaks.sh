# shellcheck shell=bash
# Breaks: named ways to shut a host. Each is a line of help and a function break_<name>.

BREAK_NAMES=()
declare -A BREAK_HELP=()

# describe NAME HELP: stands above the function it is about.
describe() {
  BREAK_NAMES+=("$1")
  BREAK_HELP[$1]=$2
}

# shellcheck source=breaks/firewall.sh
source "$LIB/breaks/firewall.sh"
# shellcheck source=breaks/sshd.sh
source "$LIB/breaks/sshd.sh"
# shellcheck source=breaks/sshd-config.sh
source "$LIB/breaks/sshd-config.sh"
# shellcheck source=breaks/keys.sh
source "$LIB/breaks/keys.sh"
# shellcheck source=breaks/host-keys.sh
source "$LIB/breaks/host-keys.sh"
# shellcheck source=breaks/fail2ban.sh
source "$LIB/breaks/fail2ban.sh"
# shellcheck source=breaks/disk.sh
source "$LIB/breaks/disk.sh"
# shellcheck source=breaks/guard.sh
source "$LIB/breaks/guard.sh"
# shellcheck source=breaks/misc.sh
source "$LIB/breaks/misc.sh"

show_break_help() {
  cat <<'HELP'
Examples:
  lab break web ufw-enable
  lab break web fail2ban-two-jails --from 10.77.0.9
  lab break web authorized-keys-corrupt home-modes --user admin

  --from A[,B]   the addresses that are shut out (default: both of controller ctl)
  --user U       whose keys or home (default: root and admin)

Breaks:
HELP
  local name
  for name in "${BREAK_NAMES[@]}"; do
    printf '  %-24s %s\n' "$name" "${BREAK_HELP[$name]}"
  done
}

command_break() {
  local host='' wanted=() from='' users='root admin' name
  while (($#)); do
    case $1 in
      --from) from=${2:?--from needs an address}; shift ;;
      --user) users=${2:?--user needs a name}; shift ;;
      -h | --help) show_break_help; return ;;
      -*) fail "lab break does not know '$1'" 'lab break --help' ;;
      *) if [[ -z $host ]]; then host=$1; else wanted+=("$1"); fi ;;
    esac
    shift
  done
  ((${#wanted[@]})) || fail 'what is to break?' 'lab break --help lists the breaks'
  for name in "${wanted[@]}"; do
    [[ -n ${BREAK_HELP[$name]:-} ]] || fail "there is no break '$name'" 'lab break --help lists the breaks'
  done
  require_host "$host"
  BREAK_HOST=$host
  BREAK_USERS=$users
  BREAK_FROM=${from//,/ }
  [[ -n $BREAK_FROM ]] || BREAK_FROM=$(addresses_of_ctl)
  for name in "${wanted[@]}"; do
    BREAK_NAME=$name
    "break_${name//-/_}"
  done
}

addresses_of_ctl() {
  local file=$LAB/controllers/ctl/info
  printf '%s %s\n' "$(recall "$file" address4)" "$(recall "$file" address6)"
}

# inside [ARG...]: runs the script on stdin in the host; its arguments are $1...
inside() {
  local pid
  pid=$(leader "$BREAK_HOST") || fail "$BREAK_HOST is not running"
  (exec_in "$pid" sh -eu -s "$@") >/dev/null || fail "break $BREAK_NAME did not work on $BREAK_HOST"
}

is_ipv6() {
  [[ $1 == *:* ]]
}
