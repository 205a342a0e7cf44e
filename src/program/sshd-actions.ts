import { quote } from '../core/quote.ts';
import { findSshd, fullClient } from '../facts/sshd-run.ts';

// Runs in a mount namespace of its own, so nobody else sees any of it and all of it ends with it. With
// a candidate, that lies in the file's place; /dev/null stands for no file. A new file must be found by
// its folder's Include pattern, so the folder is shown as a view: its entries, bound one by one (no copy
// of a host key is made), and the candidate.
const trialScript = String.raw`
mount --make-rprivate / || exit 125
bin=$1; file=$2; new=$3; shift 3
if [ -d /run ] && [ ! -d /run/sshd ]; then mount -t tmpfs none /run && mkdir -m 755 /run/sshd || exit 125; fi
if [ -n "$file" ]; then
  if [ "$new" != /dev/null ] && [ -e "$file" ]; then mount --bind "$new" "$file" || exit 125
  else
    dir=${'${file%/*}'}; name=${'${file##*/}'}
    mount -t tmpfs none /tmp && mkdir -m 755 /tmp/view || exit 125
    for one in "$dir"/* "$dir"/.[!.]*; do
      to=/tmp/view/${'${one##*/}'}
      if [ "$one" = "$file" ]; then continue
      elif [ -L "$one" ]; then cp -P -- "$one" "$to" || exit 125
      elif [ -d "$one" ]; then mkdir -- "$to" && mount --bind "$one" "$to" || exit 125
      elif [ -f "$one" ]; then : >"$to" && mount --bind "$one" "$to" || exit 125
      fi
    done
    [ "$new" = /dev/null ] || cat -- "$new" >"/tmp/view/$name" || exit 125
    mount --bind /tmp/view "$dir" || exit 125
  fi
fi
"$bin" "$@" -t && "$bin" "$@" -T -C ${fullClient} >/dev/null
`;

/**
 * The shell functions that gate, reload and take back changes of sshd's configuration; `$R` is the
 * run's folder. Exit status 0 is good, 3 drift, all else a failure with its reason on standard error.
 */
export const sshdActionFunctions = String.raw`
${findSshd}

# sshd_trial FILE NEW [ARG...]: "sshd -t" and "sshd -T" with NEW in the place of FILE, seen by nobody
# else; FILE "" tries what is there. 125: this host allows no namespaces.
sshd_trial() {
  st_bin=$(sshd_path) || { echo 'sshd is not installed' >&2; return 127; }
  unshare -m true 2>/dev/null || return 125
  limit 60 unshare -m sh -c ${quote(trialScript)} sh "$st_bin" "$@"
}

# sshd_gate FILE [ARG...] NEW: whether sshd takes its configuration with NEW in the place of FILE
# (/dev/null: with FILE gone). What it refused before already is no reason to refuse the change.
sshd_gate() {
  sg_file=$1; shift
  sg_new=; sg_n=$#
  for sg_word in "$@"; do
    shift
    sg_n=$((sg_n - 1))
    if [ "$sg_n" -eq 0 ]; then sg_new=$sg_word; else set -- "$@" "$sg_word"; fi
  done
  sg_out=$(sshd_trial "$sg_file" "$sg_new" "$@" 2>&1); sg_status=$?
  [ "$sg_status" -ne 0 ] || return 0
  if [ "$sg_status" -eq 125 ]; then sshd_gate_alone "$sg_file" "$sg_new" "$@"; return; fi
  sshd_trial '' '' "$@" >/dev/null 2>&1 && { printf '%s\n' "$sg_out" >&2; return 1; }
  sg_bad=$(printf '%s\n' "$sg_out" | sshd_new_faults "$sg_file" "$sg_new")
  [ -n "$sg_bad" ] || return 0
  printf '%s\n' "$sg_bad" >&2; return 1
}

# sshd_new_faults FILE NEW: of the complaints on standard input, where sshd was not content before either,
# those that NEW is to blame for: about a line of it that FILE does not have word for word. What names
# no line may have hidden behind an earlier one; before a reload or a start sshd is asked again.
sshd_new_faults() {
  while IFS= read -r sf; do
    sf=$(printf '%s\n' "$sf" | tr -d '\r')
    sf_where=$(printf '%s\n' "$sf" | sed -n 's/^\(\/[^:]*\):\{0,1\} line \([0-9][0-9]*\):\{0,1\} .*/\2 \1/p')
    case $sf in
      *': terminating, '*) continue ;;
      "Invalid Match address argument '"*' at line '*)
        sf_word=$(printf '%s\n' "$sf" | sed "s/.*argument '//; s/' at line.*//")
        if sed -n "${'${sf##* }'}p" "$2" | grep -qF -- "$sf_word"; then sf_where="${'${sf##* }'} $1"; fi ;;
    esac
    [ "${'${sf_where#* }'}" = "$1" ] || continue
    sf_line=$(sed -n "${'${sf_where%% *}'}p" "$2")
    grep -qxF -- "$sf_line" "$1" 2>/dev/null || printf '%s\n' "$sf"
  done
}

# Where no namespace can be had, the new file is tried alone; the whole tree is tried before the reload.
sshd_gate_alone() {
  sga_bin=$(sshd_path) || return 127
  sga_file=$1; sga_new=$2; shift 2
  [ "$sga_new" != /dev/null ] || return 0
  sga_out=$(limit 20 "$sga_bin" -t -f "$sga_new" 2>&1) && return 0
  case $sga_out in
    *'Missing privilege separation directory'*)
      echo 'sshd cannot try a configuration here: it is stopped, and this host allows no mount namespace (unshare -m)' >&2
      return 1 ;;
  esac
  limit 20 "$sga_bin" -t -f "$sga_file" >/dev/null 2>&1 && { printf '%s\n' "$sga_out" >&2; return 1; }
  sga_bad=$(printf '%s\n' "$sga_out" | sed "s|^$sga_new|$sga_file|" | sshd_new_faults "$sga_file" "$sga_new")
  [ -n "$sga_bad" ] || return 0
  printf '%s\n' "$sga_bad" >&2; return 1
}

uptime_seconds() { read -r us _ </proc/uptime; echo "${'${us%%.*}'}"; }

# A short wait where sleep takes fractions.
moment() { sleep 0.2 2>/dev/null || sleep 1; }

under_systemd() { [ -d /run/systemd/system ]; }

# While the host boots, its own start of sshd comes after us and reads what is then there.
is_booting() {
  case $(systemctl is-system-running 2>/dev/null) in initializing | starting) return 0 ;; esac
  return 1
}

# sshd_pid UNIT: the process that listens, or nothing where it does not run.
sshd_pid() {
  if under_systemd; then
    sp_pid=$(limit 20 systemctl show -p MainPID "$1" | sed -n 's/^MainPID=\([1-9][0-9]*\)$/\1/p')
  else
    sp_pid=$(sed -n 's/^\([1-9][0-9]*\)$/\1/p;1q' /run/sshd.pid 2>/dev/null || sed -n 's/^\([1-9][0-9]*\)$/\1/p;1q' /var/run/sshd.pid 2>/dev/null)
  fi
  [ -n "$sp_pid" ] && grep -q sshd "/proc/$sp_pid/comm" 2>/dev/null && printf '%s\n' "$sp_pid"
}

# image_of PID: changes when the process executes its program again.
image_of() { sed -n '1p;/\[vdso\]/p' "/proc/$1/maps" 2>/dev/null; }

# sockets_on PORT: inodes of the sockets that listen there.
sockets_on() {
  so_hex=$(printf '%04X' "$1")
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    sed -n "s/^ *[0-9]*: [0-9A-F]*:$so_hex [0-9A-F]*:[0-9A-F]* 0A [^ ]* [^ ]* [^ ]*  *[0-9]*  *[0-9]* \([0-9]*\) .*/\1/p"
}

# holds_port PID PORT
holds_port() {
  for hp in $(sockets_on "$2"); do
    stat -c %N "/proc/$1/fd"/* 2>/dev/null | grep -qF "socket:[$hp]" && return 0
  done
  return 1
}

# foreign_ports PID PORT...: those that another program has and this process has not.
foreign_ports() {
  fp_pid=$1; shift
  for fp in "$@"; do
    if [ -n "$(sockets_on "$fp")" ] && ! holds_port "$fp_pid" "$fp"; then printf '%s ' "$fp"; fi
  done
}

missing_ports() {
  mp_pid=$1; shift
  for mp in "$@"; do holds_port "$mp_pid" "$mp" || printf '%s ' "$mp"; done
}

last_words() {
  if have journalctl && under_systemd; then limit 20 journalctl --no-pager -q -n 6 -o cat -u "$1" >&2; fi
}

# sshd_reload UNIT PORT...: makes a running sshd read its configuration again and listen on all ports.
# That a reload ended well proves nothing: the process must have started its program anew, live and
# hold the ports.
sshd_reload() {
  sr_unit=$1; shift
  sr_pid=$(sshd_pid "$sr_unit")
  if [ -z "$sr_pid" ]; then echo "$sr_unit does not run, so there is nothing to reload"; return 0; fi
  : >"$R/sshd-ran"
  sr_bin=$(sshd_path) || { echo 'sshd is not installed' >&2; return 1; }
  sr_out=$(limit 20 "$sr_bin" -t 2>&1) || { printf 'sshd -t refuses the configuration: %s\n' "$sr_out" >&2; return 1; }
  sr_socket=$(socket_of "$sr_unit")
  if [ -n "$sr_socket" ]; then stop_for_socket "$sr_socket" "$sr_unit" "$@"; return; fi
  sr_foreign=$(foreign_ports "$sr_pid" "$@")
  if [ -n "$sr_foreign" ]; then echo "another program has port $sr_foreign" >&2; return 1; fi
  sr_image=$(image_of "$sr_pid")
  sshd_hang_up "$sr_unit" || { last_words "$sr_unit"; return 1; }
  sshd_settled "$sr_unit" "$sr_pid" "$sr_image" "$@"
}

# socket_of UNIT: the socket unit that listens for it.
socket_of() {
  under_systemd || return 0
  for so_unit in $(systemctl show -p TriggeredBy "$1" | sed -n 's/^TriggeredBy=//p'); do
    case $so_unit in *.socket) if systemctl is-active --quiet "$so_unit"; then echo "$so_unit"; return; fi ;; esac
  done
}

# ends_sessions SERVICE: whether a stop of it would end open sessions too.
ends_sessions() {
  es=$(systemctl show -p KillMode "$1" | sed -n 's/^KillMode=//p')
  case $es in
    control-group | mixed) echo "a stop of $1 would end every session (KillMode=$es)" >&2; return 0 ;;
  esac
  return 1
}

# stop_for_socket SOCKET SERVICE PORT...: a daemon whose port systemd holds cannot bind it again and dies
# of a reload. It is stopped; the next connection starts one that reads the files. Sessions live on.
stop_for_socket() {
  ssk=$1; ssk_service=$2; shift 2
  if ends_sessions "$ssk_service"; then return 1; fi
  limit 60 systemctl stop "$ssk_service" 2>/dev/null || { last_words "$ssk_service"; return 1; }
  [ -n "$(missing_ports 1 "$@")" ] || return 0
  echo "$ssk does not listen on port $(missing_ports 1 "$@")" >&2; return 1
}

# sshd_hang_up UNIT: by the service manager, never by a signal of ours.
sshd_hang_up() {
  if under_systemd; then limit 60 systemctl reload "$1"
  elif have rc-service && [ -e "/etc/init.d/${'${1%.service}'}" ]; then limit 60 rc-service "${'${1%.service}'}" reload
  elif [ -x "/etc/init.d/${'${1%.service}'}" ]; then
    if have service; then limit 60 service "${'${1%.service}'}" reload
    else limit 60 "/etc/init.d/${'${1%.service}'}" reload; fi
  else echo 'no service manager is here that could reload sshd' >&2; return 1; fi
}

# sshd_settled UNIT PID IMAGE PORT...: waits, for at most 15 seconds, until the reload is done.
sshd_settled() {
  ss_unit=$1; ss_pid=$2; ss_image=$3; shift 3
  ss_end=$(($(uptime_seconds) + 15))
  while :; do
    ss_now=$(sshd_pid "$ss_unit")
    if [ -z "$ss_now" ]; then
      # A new process may be on its way: the old one of a fork has gone.
      [ "$(uptime_seconds)" -lt "$((ss_end - 12))" ] || { echo "$ss_unit died when it read its configuration" >&2; last_words "$ss_unit"; return 1; }
    elif [ "$ss_now" != "$ss_pid" ] || [ "$(image_of "$ss_now")" != "$ss_image" ]; then
      [ -n "$(missing_ports "$ss_now" "$@")" ] || return 0
    fi
    [ "$(uptime_seconds)" -lt "$ss_end" ] || break
    moment
  done
  if [ "$ss_now" = "$ss_pid" ] && [ "$(image_of "$ss_now")" = "$ss_image" ]; then
    echo "$ss_unit did not read its configuration within 15 seconds" >&2
  else
    echo "$ss_unit does not listen on port $(missing_ports "$ss_now" "$@")" >&2
  fi
  last_words "$ss_unit"
  return 1
}

# sshd_reload_back UNIT PORT...: the files are back; makes the daemon read them. One that ran before the
# change and died of it is started.
sshd_reload_back() {
  if under_systemd && is_booting; then return 0; fi
  if sb_pid=$(sshd_pid "$1"); then
    # What was refused before the change is refused now that it is back: the daemon lives on with what it
    # has read, as it did before.
    if sb_bin=$(sshd_path) && ! sb_out=$(limit 20 "$sb_bin" -t 2>&1); then
      sb_unit=$1; shift
      if [ -z "$(missing_ports "$sb_pid" "$@")" ]; then printf '%s goes on as it is; its files are back, and sshd -t refuses them: %s\n' "$sb_unit" "$sb_out"; return 0; fi
      set -- "$sb_unit" "$@"
    fi
    sshd_reload "$@"; return
  fi
  [ -e "$R/sshd-ran" ] || return 0
  sb_unit=$1; shift
  if under_systemd; then
    systemctl reset-failed "$sb_unit" 2>/dev/null
    limit 60 systemctl start "$sb_unit" || { last_words "$sb_unit"; return 1; }
  elif have rc-service; then limit 60 rc-service "${'${sb_unit%.service}'}" restart || return 1
  elif have service; then limit 60 service "${'${sb_unit%.service}'}" restart || return 1
  else echo 'no service manager is here that could start sshd' >&2; return 1; fi
  sshd_settled "$sb_unit" none none "$@"
}

# sshd_stop UNIT: stops it. systemd takes the unit's /run/sshd away with it; where another sshd still
# runs, that one would take no login any more.
sshd_stop() {
  st_mode=$(stat -c %a /run/sshd 2>/dev/null)
  limit 60 systemctl stop "$1" || { last_words "$1"; return 1; }
  if [ -n "$st_mode" ] && [ ! -d /run/sshd ] && pidof sshd >/dev/null 2>&1; then mkdir -m "$st_mode" /run/sshd; fi
}

# socket_restart SOCKET SERVICE PORT...: the socket unit takes its new addresses. Only while the service
# is stopped can it be restarted; open sessions live on, for a moment nothing listens.
socket_restart() {
  sk=$1; sk_service=$2; shift 2
  under_systemd || { echo "$sk is a unit of systemd, which does not run here" >&2; return 1; }
  limit 60 systemctl daemon-reload || return 1
  if is_booting; then return 0; fi
  if [ -n "$(sshd_pid "$sk_service")" ] && ends_sessions "$sk_service"; then return 1; fi
  sk_foreign=
  for sk_port in "$@"; do
    if [ -n "$(sockets_on "$sk_port")" ] && ! holds_port 1 "$sk_port" && ! holds_port "$(sshd_pid "$sk_service")" "$sk_port"; then
      sk_foreign="$sk_foreign $sk_port"
    fi
  done
  if [ -n "$sk_foreign" ]; then echo "another program has port$sk_foreign" >&2; return 1; fi
  systemctl reset-failed "$sk" "$sk_service" 2>/dev/null
  limit 60 systemctl stop "$sk_service" 2>/dev/null || return 1
  limit 60 systemctl restart "$sk" || { last_words "$sk"; return 1; }
  sk_end=$(($(uptime_seconds) + 10))
  while [ -n "$(missing_ports 1 "$@")" ]; do
    [ "$(uptime_seconds)" -lt "$sk_end" ] || { echo "$sk does not listen on port $(missing_ports 1 "$@")" >&2; return 1; }
    moment
  done
}
`;
