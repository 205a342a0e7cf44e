# shellcheck shell=bash
# What a lab keeps below $LAB, and the processes it started.

# remember FILE KEY=VALUE...
remember() {
  local file=$1
  shift
  printf '%s\n' "$@" >>"$file"
}

# recall FILE KEY: prints the value, or nothing.
recall() {
  local key value
  while IFS='=' read -r key value; do
    if [[ $key == "$2" ]]; then printf '%s\n' "$value"; fi
  done <"$1"
}

# Runs a function under the lab's lock. The descriptor must not leak into what keeps running.
with_lab_lock() {
  mkdir -p "$STATE/labs"
  local file=$STATE/labs/$LAB_ID.lock
  # The lock's file goes with its lab: whoever waited on a removed one tries the new one.
  while :; do
    exec 7>"$file"
    flock 7
    [[ ! /proc/$$/fd/7 -ef $file ]] || break
  done
  "$@"
  exec 7>&-
}

start_time() {
  local line
  read -r line 2>/dev/null <"/proc/$1/stat" || return 1
  # The command's name, in brackets, may hold blanks: count fields behind it.
  local fields
  read -r -a fields <<<"${line##*) }"
  # A zombie has ended; when its parent takes note is no concern of ours.
  [[ ${fields[0]} != Z ]] || return 1
  printf '%s\n' "${fields[19]}"
}

# The start time tells our process from a later one that was given the same id.
record_process() {
  printf '%s %s\n' "$2" "$(start_time "$2")" >"$1"
}

# Prints the id if the recorded process still runs.
recorded_process() {
  local pid started
  read -r pid started 2>/dev/null <"$1" || return 1
  [[ $(start_time "$pid") == "$started" ]] || return 1
  printf '%s\n' "$pid"
}

# wait_until SECONDS CMD...: polls a condition, with a bound.
wait_until() {
  local deadline=$(($(now_ms) + $1 * 1000))
  shift
  until "$@"; do
    (($(now_ms) < deadline)) || return 1
    sleep 0.05
  done
}

now_ms() {
  local now=$EPOCHREALTIME
  printf '%s\n' "$((${now/./} / 1000))"
}

require_lab() {
  [[ -d $LAB/net ]] || fail "there is no lab '$LAB_ID'" 'lab up NAME makes it'
}

ensure_lab() {
  [[ -f $LAB/ready ]] || with_lab_lock create_lab
}

command_open() {
  require_machine
  install_missing_tools
  ensure_lab
}

create_lab() {
  [[ ! -f $LAB/ready ]] || return 0
  [[ ! -e $LAB ]] || fail "lab '$LAB_ID' is left from a run that broke off" "lab --lab $LAB_ID down --all"
  mkdir -p "$LAB"/{net,hosts,controllers}
  chmod 711 "$STATE" "$STATE/labs" "$LAB" "$LAB/controllers"
  chmod 700 "$LAB/net" "$LAB/hosts"
  ssh-keygen -q -t ed25519 -N '' -C operator@lab -f "$LAB/key"
  ssh-keygen -q -t ecdsa -N '' -C backup@lab -f "$LAB/key-other"
  create_password
  echo 1 >"$LAB/next"
  : >"$LAB/known_hosts"
  : >"$LAB/hosts.txt"
  chmod 644 "$LAB/known_hosts" "$LAB/hosts.txt" "$LAB"/*.pub
  create_switch
  create_controller ctl
  : >"$LAB/ready"
}

create_password() {
  (umask 077 && openssl rand -hex 12 >"$LAB/password" && openssl passwd -6 -stdin <"$LAB/password" >"$LAB/password.hash")
}

# Addresses are never given twice, so a rule or ban left for one host cannot hit the next.
next_number() {
  local number
  number=$(<"$LAB/next")
  ((number < 250)) || fail "lab '$LAB_ID' has used all its addresses" "lab --lab $LAB_ID down --all"
  echo $((number + 1)) >"$LAB/next"
  printf '%s\n' "$number"
}

command_file() {
  require_lab
  case $1 in
    password) cat "$LAB/password" ;;
    known-hosts) printf '%s\n' "$LAB/known_hosts" ;;
    ssh-config) printf '%s\n' "$LAB/ssh_config" ;;
    key | key-other) printf '%s\n' "$LAB/$1" ;;
  esac
}

info_file() {
  require_lab
  local kind
  for kind in hosts controllers; do
    if [[ -f $LAB/$kind/$1/info ]]; then
      printf '%s\n' "$LAB/$kind/$1/info"
      return
    fi
  done
  fail "there is no host or controller '$1' in lab '$LAB_ID'" 'lab list shows what there is'
}

command_ip() {
  local name=${1:?usage: lab ip NAME [4|6]} family=${2:-} file address
  file=$(info_file "$name")
  address=$(recall "$file" "address${family:-4}")
  [[ -n $address || -n $family ]] || address=$(recall "$file" address6)
  [[ -n $address ]] || fail "$name has no IPv${family:-4} address"
  printf '%s\n' "$address"
}

command_info() {
  local file
  file=$(info_file "${1:?usage: lab info NAME}")
  cat "$file"
}

command_labs() {
  local dir
  for dir in "$STATE"/labs/*/; do
    [[ ! -d $dir ]] || basename "$dir"
  done
}

command_list() {
  [[ -d $LAB ]] || return 0
  local file kind
  for kind in host controller; do
    for file in "$LAB/${kind}s"/*/info; do
      [[ -f $file ]] || continue
      printf '%-10s %-12s %-12s %-10s %s\n' "$kind" "$(recall "$file" name)" "$(recall "$file" address4)" \
        "$(recall "$file" address6)" "$(recall "$file" root)"
    done
  done
}

# What ssh and the resolver need to know, written anew from the hosts there are.
write_address_book() {
  local file name address port ports names
  {
    echo '127.0.0.1 localhost'
    echo '::1 localhost'
    for file in "$LAB"/{hosts,controllers}/*/info; do
      [[ -f $file ]] || continue
      for address in $(recall "$file" address4) $(recall "$file" address6); do
        printf '%s %s\n' "$address" "$(recall "$file" name)"
      done
    done
  } >"$LAB/hosts.txt.new"
  {
    printf 'Host *\n  User root\n  IdentityFile %s\n  IdentitiesOnly yes\n  BatchMode yes\n' "$LAB/key"
    printf '  UserKnownHostsFile %s\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n' "$LAB/known_hosts"
  } >"$LAB/ssh_config.new"
  : >"$LAB/known_hosts.new"
  for file in "$LAB"/hosts/*/info; do
    [[ -f $file ]] || continue
    name=$(recall "$file" name)
    ports=$(recall "$file" ports)
    printf 'Host %s\n  Port %s\n' "$name" "${ports%% *}" >>"$LAB/ssh_config.new"
    names=
    for address in "$name" $(recall "$file" address4) $(recall "$file" address6); do
      names+=",$address"
      for port in $ports; do
        [[ $port == 22 ]] || names+=",[$address]:$port"
      done
    done
    sed "s/^/${names#,} /; s/ [^ ]*\$//" "$LAB/hosts/$name"/ssh_host_*_key.pub >>"$LAB/known_hosts.new"
  done
  for file in hosts.txt ssh_config known_hosts; do
    chmod 644 "$LAB/$file.new"
    mv "$LAB/$file.new" "$LAB/$file"
  done
}
