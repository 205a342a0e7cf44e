# shellcheck shell=bash
# Hosts: real systemd in namespaces, on an overlay that is thrown away.

show_up_help() {
  cat <<'HELP'
Examples:
  lab up web
  lab up old --port 22 --port 2222 --sudo password --use-pty
  lab up six --ipv6-only --root debian13
  lab up far --vm; lab console far

  --root ROOT         debian12 (default), debian13, debian12-iptables, debian13-iptables
  --sudo HOW          what admin may do: nopasswd (default), password, none
  --use-pty           sudo runs its command under a pty
  --port N            sshd's port; may be given more than once
  --ipv6-only         no IPv4 address
  --no-ipv6           IPv6 is off
  --broken ipv4|ipv6  the family is there and the name has it, but packets are lost on the way
  --no-wait-ssh       return when systemd is up; sshd need not answer
  --vm                a virtual machine: its own kernel, its console a serial line (up in about 20 s);
                      lab exec goes in by its sshd; no reboot, mark or reset
HELP
}

command_up() {
  local name='' root=debian12 sudo=nopasswd pty=0 ports=() family=both broken='' wait_ssh=1 vm=0
  while (($#)); do
    case $1 in
      --root) root=${2:?--root needs a name}; shift ;;
      --sudo) sudo=${2:?--sudo needs a word}; shift ;;
      --use-pty) pty=1 ;;
      --port) ports+=("${2:?--port needs a number}"); shift ;;
      --ipv6-only) family=6 ;;
      --no-ipv6) family=4 ;;
      --broken) broken=${2:?--broken needs ipv4 or ipv6}; shift ;;
      --no-wait-ssh) wait_ssh=0 ;;
      --vm) vm=1 ;;
      -h | --help) show_up_help; return ;;
      -*) fail "lab up does not know '$1'" 'lab up --help lists the options' ;;
      *) name=$1 ;;
    esac
    shift
  done
  check_name 'host name' "$name"
  check_root "$root"
  [[ $sudo =~ ^(nopasswd|password|none)$ ]] || fail "--sudo is nopasswd, password or none, not '$sudo'"
  [[ $broken =~ ^(|ipv4|ipv6)$ ]] || fail "--broken is ipv4 or ipv6, not '$broken'"
  ((${#ports[@]})) || ports=(22)
  require_machine
  if ((vm)) && [[ $family != both || ${ports[*]} != 22 ]]; then
    fail 'a virtual machine has both families, and its sshd port 22'
  fi
  ensure_roots "$root"
  ((!vm)) || ensure_kernel
  ensure_lab
  [[ ! -d $LAB/hosts/$name && ! -d $LAB/controllers/$name ]] || fail "'$name' exists already in lab '$LAB_ID'"
  with_lab_lock prepare_host
  start_host "$name"
  await_host "$name" "$wait_ssh"
}

# Reads the options of command_up.
prepare_host() {
  local number dir=$LAB/hosts/$name address4='' address6=''
  number=$(next_number)
  [[ $family == 6 ]] || address4=$(address4_of "$number")
  [[ $family == 4 ]] || address6=$(address6_of "$number")
  mkdir -p "$dir/mount"
  ssh-keygen -q -t ed25519 -N '' -C "root@$name" -f "$dir/ssh_host_ed25519_key"
  ssh-keygen -q -t ecdsa -N '' -C "root@$name" -f "$dir/ssh_host_ecdsa_key"
  # RSA takes a second to make: all hosts share the base root's.
  cp "$(root_path "$root")"/etc/ssh/ssh_host_rsa_key* "$dir/"
  if ((vm)); then
    attach_tap "$number"
  else
    create_namespace "$name"
    attach "$name" "$number" "$address4" "$address6"
  fi
  if [[ $broken == ipv4 ]]; then drop_on_the_way "$address4"; fi
  if [[ $broken == ipv6 ]]; then drop_on_the_way "$address6"; fi
  remember "$dir/info" "name=$name" "kind=host" "number=$number" "root=$root" "base=$(root_path "$root")" "sudo=$sudo" "pty=$pty" \
    "ports=${ports[*]}" "address4=$address4" "address6=$address6" "broken=$broken" "machine=$(machine_name "$name")" "vm=$vm" \
    "serial=$( ((!vm)) || echo "$dir/serial")"
  write_address_book
}

# Each systemd takes about eight; the kernel's usual 128 end the boot of the seventeenth host.
allow_many_hosts() {
  local limit=/proc/sys/fs/inotify/max_user_instances
  (($(<"$limit") >= 1024)) || echo 1024 >"$limit" || true
}

# dtach holds the console, so that it can be attached to at any time.
start_host() {
  local dir=$LAB/hosts/$1
  allow_many_hosts
  if is_vm "$1"; then
    start_vm "$1"
    return
  fi
  dtach -n "$dir/console" -r none unshare --mount --propagation private -- \
    bash "$LIB/boot-host.sh" "$LIB" "$LAB" "$1" "$(host_cgroup "$1")" </dev/null >/dev/null 2>&1 7>&- 9>&-
}

cgroup_root() {
  if [[ $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]]; then
    echo /sys/fs/cgroup
  else
    echo /sys/fs/cgroup/unified
  fi
}

# A control group for each host: two systemds in one group would end each other's services.
host_cgroup() {
  printf '%s/remedy-lab.%s.%s\n' "$(cgroup_root)" "$LAB_ID" "$1"
}

# The host's process 1, as the machine sees it.
leader() {
  local boot
  boot=$(recorded_process "$LAB/hosts/$1/boot.pid") || return 1
  local nspawn child
  for nspawn in $(children "$boot"); do
    for child in $(children "$nspawn"); do
      [[ $(process_name "$child") == systemd ]] || continue
      printf '%s\n' "$child"
      return
    done
  done
  return 1
}

children() {
  cat "/proc/$1/task/"*/children 2>/dev/null || true
}

process_name() {
  cat "/proc/$1/comm" 2>/dev/null || true
}

await_host() {
  local name=$1 wait_ssh=$2
  if is_vm "$name"; then
    await_vm "$name" "$wait_ssh"
    return
  fi
  wait_until 60 host_settled "$name" || fail "$name did not come up in 60 s" "see $LAB/hosts/$name/boot.log"
  ((wait_ssh)) || return 0
  local file=$LAB/hosts/$name/info address port
  address=$(recall "$file" address4)
  [[ -n $address && $(recall "$file" broken) != ipv4 ]] || address=$(recall "$file" address6)
  port=$(recall "$file" ports)
  in_namespace ctl timeout 20 bash "$LIB/await-banner.sh" "$address" "${port%% *}" ||
    fail "sshd on $name does not answer at $address port ${port%% *}" "lab exec $name systemctl status ssh"
}

host_settled() {
  local pid result
  recorded_process "$LAB/hosts/$1/boot.pid" >/dev/null || [[ ! -f $LAB/hosts/$1/boot.pid ]] ||
    fail "$1 ended while booting: $(tail -n 3 "$LAB/hosts/$1/boot.log")" "lab down $1"
  pid=$(leader "$1") || return 1
  # Waits inside, by the bus, once the bus is there.
  result=$(nsenter -t "$pid" -a -- timeout 30 /usr/bin/systemctl is-system-running --wait 2>/dev/null) || true
  [[ $result == running || $result == degraded ]]
}

require_host() {
  require_lab
  [[ -d $LAB/hosts/$1 ]] || fail "there is no host '$1' in lab '$LAB_ID'" "lab up $1 makes it"
}

command_exec() {
  local name=${1:-}
  [[ -n $name ]] || fail 'in which host?' 'usage: lab exec NAME [--] [CMD...]'
  shift
  [[ ${1:-} != -- ]] || shift
  (($#)) || set -- bash -l
  require_host "$name"
  if is_vm "$name"; then exec_in_vm "$name" "$@"; fi
  local pid
  pid=$(leader "$name") || fail "$name is not running" "lab down $name; lab up $name"
  exec_in "$pid" "$@"
}

# A lost caller hangs up on the command, as a lost SSH connection does.
exec_in() {
  local pid=$1
  shift
  exec nsenter -t "$pid" -a -- /usr/bin/env -i -C /root HOME=/root USER=root LOGNAME=root SHELL=/bin/bash \
    TERM="${TERM:-dumb}" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --pdeathsig HUP -- "$@"
}

command_console() {
  local name=${1:?usage: lab console NAME}
  require_host "$name"
  recorded_process "$LAB/hosts/$name/boot.pid" >/dev/null || fail "$name is not running"
  if is_vm "$name"; then exec socat "$(if [[ -t 0 ]]; then echo 'STDIO,raw,echo=0,escape=0x1c'; else echo STDIO; fi)" "UNIX-CONNECT:$LAB/hosts/$name/serial"; fi
  if [[ -t 0 ]]; then exec dtach -a "$LAB/hosts/$name/console" -E -z -r none; fi
  # dtach attaches a terminal only; a program's pipes go through this.
  exec perl "$LIB/console.pl" "$LAB/hosts/$name/console"
}

command_login() {
  local name='' user=root options=() timeout=5
  while (($#)); do
    case $1 in
      --) shift; break ;;
      -4 | -6) options+=("$1") ;;
      --port) options+=(-p "${2:?--port needs a number}"); shift ;;
      --timeout) timeout=${2:?--timeout needs seconds}; shift ;;
      -*) fail "lab login does not know '$1'" 'usage: lab login NAME [USER] [-4|-6] [--port N] [--timeout S] [-- CMD...]' ;;
      *) if [[ -z $name ]]; then name=$1; else user=$1; fi ;;
    esac
    shift
  done
  require_host "$name"
  run_in_controller ctl ssh -F "$LAB/ssh_config" -o ConnectTimeout="$timeout" "${options[@]}" -l "$user" -- "$name" "$@"
}

command_reboot() {
  local name='' hard=0 before
  while (($#)); do
    case $1 in
      --hard) hard=1 ;;
      -*) fail "lab reboot does not know '$1'" 'usage: lab reboot NAME [--hard]' ;;
      *) name=$1 ;;
    esac
    shift
  done
  [[ -n $name ]] || fail 'which host?' 'usage: lab reboot NAME [--hard]'
  require_host "$name"
  require_container "$name" reboot
  before=$(leader "$name") || fail "$name is not running"
  if ((hard)); then
    cut_power "$name" "$before"
  else
    (exec_in "$before" systemctl --no-block reboot)
  fi
  await_restart "$name" "$before"
}

# reset: power cut, the disk as it was at the last mark (or new), boot.
command_reset() {
  local name=${1:?usage: lab reset NAME} before
  require_host "$name"
  require_container "$name" reset
  before=$(leader "$name") || fail "$name is not running"
  : >"$LAB/hosts/$name/rewind"
  cut_power "$name" "$before"
  await_restart "$name" "$before"
}

# Nothing is stopped or told: no process ends by itself, no connection is closed towards its other end.
cut_power() {
  local name=$1 leader=$2 port
  port=$(port_of "$name")
  : >"$LAB/hosts/$name/again"
  cut_link "$port:power"
  kill -KILL "$leader"
  wait_until 20 power_is_back "$name" || fail "$name does not start again" "see $LAB/hosts/$name/boot.log"
  mend_link "$port:power"
}

power_is_back() {
  [[ ! -e $LAB/hosts/$1/again ]]
}

await_restart() {
  wait_until 60 leader_changed "$1" "$2" || fail "$1 did not restart in 60 s"
  await_host "$1" 0
}

# The disk only: what runs, and the kernel's rules, come anew with the boot after a reset.
command_mark() {
  local name=${1:?usage: lab mark NAME} dir boot
  require_host "$name"
  require_container "$name" mark
  dir=$LAB/hosts/$name
  boot=$(recorded_process "$dir/boot.pid") || fail "$name is not running"
  rm -rf "$dir/mark"
  mkdir "$dir/mark"
  nsenter -t "$boot" --mount -- cp -a "$dir/mount/upper/." "$dir/mark/"
}

command_cut() {
  require_host "${1:?usage: lab cut NAME}"
  cut_link "$(port_of "$1")"
}

command_mend() {
  require_host "${1:?usage: lab mend NAME}"
  mend_link "$(port_of "$1")"
}

port_of() {
  printf 'port%s\n' "$(recall "$LAB/hosts/$1/info" number)"
}

leader_changed() {
  local now
  now=$(leader "$1") && [[ $now != "$2" ]]
}

command_down() {
  local name=${1:-}
  require_machine
  case $name in
    '') fail 'which host or controller?' 'usage: lab down NAME | --all' ;;
    --all) [[ ! -e $LAB ]] || with_lab_lock remove_lab ;;
    *) [[ ! -e $LAB ]] || with_lab_lock remove_one "$name" ;;
  esac
}

remove_one() {
  [[ $1 != ctl ]] || fail 'ctl ends with the lab' 'lab down --all'
  check_name name "$1"
  [[ -d $LAB ]] || return 0
  if [[ -d $LAB/hosts/$1 ]]; then remove_host "$1"; fi
  if [[ -d $LAB/controllers/$1 ]]; then remove_controller "$1"; fi
  write_address_book
}

remove_lab() {
  local dir
  for dir in "$LAB"/hosts/*/; do
    [[ ! -d $dir ]] || remove_host "$(basename "$dir")"
  done
  for dir in "$LAB"/controllers/*/; do
    [[ ! -d $dir ]] || remove_controller "$(basename "$dir")"
  done
  for dir in "$LAB"/net/*; do
    [[ ! -e $dir ]] || remove_namespace "$(basename "$dir")"
  done
  rm -rf "$LAB" "$LAB.lock"
}

# Works on whatever is left, so that it also cleans up after a crash.
remove_host() {
  local name=$1 dir=$LAB/hosts/$1 group
  group=$(host_cgroup "$name")
  end_host "$dir" "$group"
  if [[ -f $dir/info ]] && is_vm "$name"; then remove_vm "$name"; fi
  end_processes_in "$name"
  remove_namespace "$name"
  remove_cgroups "$group"
  rm -rf "/run/systemd/nspawn/propagate/$(machine_name "$name")" "$dir"
}

# Unique on the machine, and short: a machine name has 64 characters at most.
machine_name() {
  printf 'remedy-lab-%s\n' "$(printf '%s' "$LAB/$1" | sha256sum | cut -c1-16)"
}

end_host() {
  local dir=$1 group=$2 pid file
  # One write ends all in the group; the ids are for kernels that lack it.
  if [[ -w $group/cgroup.kill ]]; then echo 1 >"$group/cgroup.kill"; fi
  for file in boot console; do
    pid=$(recorded_process "$dir/$file.pid") || continue
    if [[ $file == boot ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
    wait_until 10 process_gone "$dir/$file.pid" || say "process $pid of $(basename "$dir") does not end"
  done
}

process_gone() {
  ! recorded_process "$1" >/dev/null
}

remove_cgroups() {
  [[ -d $1 ]] || return 0
  wait_until 5 cgroup_empty "$1" || true
  find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

cgroup_empty() {
  ! grep -q '^populated 1' "$1/cgroup.events" 2>/dev/null
}
