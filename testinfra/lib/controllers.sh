# shellcheck shell=bash
# Controllers: where remedy runs. A controller is the machine's own file system seen from a network
# namespace of the lab, with its own home and the lab's host names.

# Only ever seen inside a controller's private mounts, so the machine needs no such account.
controller_uid=47219

command_controller() {
  local name='' nat='' user=''
  while (($#)); do
    case $1 in
      --nat) nat=1 ;;
      --user) user=1 ;;
      -*) fail "lab controller does not know '$1'" 'usage: lab controller NAME [--nat] [--user]' ;;
      *) name=$1 ;;
    esac
    shift
  done
  check_name 'controller name' "$name"
  require_machine
  install_missing_tools
  ensure_lab
  [[ ! -d $LAB/controllers/$name && ! -d $LAB/hosts/$name ]] || fail "'$name' exists already in lab '$LAB_ID'"
  with_lab_lock create_controller "$name" "$nat" "$user"
}

install_missing_tools() {
  machine_has_tools || (mkdir -p "$CACHE" && flock 9 && install_missing_packages) 9>"$CACHE/lock"
}

create_controller() {
  local name=$1 nat=${2:-} user=${3:-} number address4 address6 own4 own6 dir=$LAB/controllers/$1
  number=$(next_number)
  address4=$(address4_of "$number")
  address6=$(address6_of "$number")
  own4=$address4 own6=$address6
  mkdir -p "$dir"/{home/.ssh,checkout,bin}
  : >"$dir/bin/node"
  create_namespace "$name"
  if [[ $nat ]]; then
    create_namespace "$name-router"
    attach "$name-router" "$number" "$address4" "$address6"
    create_router "$name-router" "$name"
    own4=192.168.77.2 own6=fd78::2
  else
    attach "$name" "$number" "$address4" "$address6"
  fi
  cp "$LAB/key" "$dir/home/.ssh/id_ed25519"
  cp "$LAB/key.pub" "$dir/home/.ssh/id_ed25519.pub"
  chmod 711 "$dir"
  chmod 700 "$dir/home" "$dir/home/.ssh"
  local account=root uid=0
  if [[ $user ]]; then account=remedy-lab uid=$controller_uid; fi
  chown -R "$uid:$uid" "$dir/home"
  write_accounts "$dir" "$account" "$uid"
  remember "$dir/info" "name=$name" "kind=controller" "user=$account" "uid=$uid" "nat=${nat:-0}" \
    "address4=$address4" "address6=$address6" "own4=$own4" "own6=$own6" \
    "home=$dir/home" "checkout=$([[ $user ]] && echo "$dir/checkout" || echo "$CHECKOUT")"
  write_address_book
}

# OpenSSH asks the account data base for the home, not $HOME: so the controller has its own.
write_accounts() {
  local dir=$1 account=$2 uid=$3
  {
    printf '%s:x:%s:%s::%s:/bin/sh\n' "$account" "$uid" "$uid" "$dir/home"
    grep -v "^$account:" /etc/passwd
  } >"$dir/passwd"
  {
    printf '%s:x:%s:\n' "$account" "$uid"
    grep -v "^$account:" /etc/group
  } >"$dir/group"
  # No name server either: a name that the lab does not know is unknown at once.
  printf '%s: files\n' passwd group shadow hosts services protocols >"$dir/nsswitch"
}

command_run() {
  local name=${1:-}
  [[ -n $name ]] || fail 'which controller?' 'usage: lab run CONTROLLER -- CMD...'
  shift
  [[ ${1:-} != -- ]] || shift
  (($#)) || fail 'what is to run there?' 'usage: lab run CONTROLLER -- CMD...'
  require_lab
  [[ -d $LAB/controllers/$name ]] || fail "there is no controller '$name' in lab '$LAB_ID'" "lab controller $name makes it"
  run_in_controller "$name" "$@"
}

# Nothing forks on the way, so a signal to the caller's child reaches the command itself.
run_in_controller() {
  local name=$1
  shift
  exec nsenter --net="$LAB/net/$name" -- unshare --mount --propagation private -- \
    bash "$LIB/enter-controller.sh" "$LAB" "$LAB/controllers/$name" "$CHECKOUT" "$@"
}

remove_controller() {
  local name=$1 netns
  for netns in "$name" "$name-router"; do
    [[ -e $LAB/net/$netns ]] || continue
    end_processes_in "$netns"
    remove_namespace "$netns"
  done
  rm -rf "${LAB:?}/controllers/$name"
}
