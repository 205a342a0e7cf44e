/**
 * The shell functions that keep the state of a run on the host. `$R` is the run's folder, `$S` the
 * folder of all runs, `$I` the run's id, `$T` the token of the journal's records.
 *
 * The state is one file whose name is the state: prepared, armed, reverting, confirmed, reverted or
 * stuck. It changes by a rename, which only one of two can win; the loser stops.
 */
export const stateFunctions = String.raw`
say() { echo; line "$T $*"; }

# uptime_s: seconds since boot. No clock that anybody can set, and none that sleep stops.
uptime_s() { read -r us_now _ </proc/uptime; echo "${'${us_now%%.*}'}"; }

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# start_time PID: when it started, in ticks since boot; nothing for a process that is gone.
start_time() {
  st=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  st=${'${st##*) }'}; set -- $st
  [ "$1" != Z ] && [ "$1" != X ] && echo "${'${20}'}"
}

# identify FILE: writes who we are: boot id, pid, start time, run. FILE is there whole or not at all.
identify() {
  printf '%s\n' "$(boot_id) $$ $(start_time $$) $I" >"$1.$$" 2>/dev/null && mv -f -- "$1.$$" "$1"
}

# alive FILE: does the process that FILE names still run?
alive() {
  al_boot=; { read -r al_boot al_pid al_start _ <"$1"; } 2>/dev/null
  [ -n "$al_boot" ] && [ "$al_boot" = "$(boot_id)" ] && [ -n "$al_start" ] && [ "$(start_time "$al_pid")" = "$al_start" ]
}

is_gone() { ! alive "$R/$1"; }

# safe_folder FOLDER: root's, no link, and closed to the writes of others.
safe_folder() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %u -- "$1")" = 0 ] || return 1
  case "$(stat -c %A -- "$1")" in ?????w*|????????w*) return 1 ;; esac
}

# state [FOLDER]: the state of a run, or "none".
state() {
  for sf in prepared armed reverting confirmed reverted stuck; do
    if [ -e "${'${1:-$R}'}/$sf" ]; then echo "$sf"; return; fi
  done
  echo none
}

# forget_secrets: contents that nobody may see go as soon as nobody needs them.
forget_secrets() { rm -f -- "$R"/secret-*; }

# sweep_secrets: those of runs that died before they were armed go too.
sweep_secrets() {
  for sw in "$S"/*/secret-*; do
    [ -e "$sw" ] || continue
    sw_run=${'${sw%/*}'}
    [ "$sw_run" != "$R" ] || continue
    alive "$sw_run/loader" || alive "$sw_run/applier" || alive "$sw_run/guard" || rm -f -- "$sw"
  done
}

settled() { case $(state) in confirmed|reverted|stuck|none) ;; *) return 1 ;; esac; }

# to_state FROM TO: one rename; only one of two who try can win.
to_state() { mv -- "$R/$1" "$R/$2" 2>/dev/null || return 1; to_disk "$R"; }

# set_deadline SECONDS: from now; whoever reads it sees the old one or the new one.
set_deadline() {
  echo "$(( $(uptime_s) + $1 ))" >"$R/deadline.new" && mv -f -- "$R/deadline.new" "$R/deadline"
}

# seconds_left [FOLDER]: until the deadline; never less than 0.
seconds_left() {
  sl=; { read -r sl <"${'${1:-$R}'}/deadline"; } 2>/dev/null
  sl=$(( ${'${sl:-0}'} - $(uptime_s) ))
  [ "$sl" -gt 0 ] || sl=0
  echo "$sl"
}

# claim NAME: makes us the one process that does NAME; a dead one's claim is taken over.
claim() {
  identify "$R/$1-$$" || return 1
  if ln "$R/$1-$$" "$R/$1" 2>/dev/null; then rm -f "$R/$1-$$"; return 0; fi
  if alive "$R/$1"; then rm -f "$R/$1-$$"; return 1; fi
  take_over "$R/$1" "$R/$1-$$" "$(cat "$R/$1" 2>/dev/null)"; cl_status=$?
  rm -f "$R/$1-$$"
  return "$cl_status"
}

# take_over PLACE OURS DEAD: puts a link to our file where a dead one's is, whose content is DEAD. Another
# one may have seen the same and been quicker: only the dead one's goes.
take_over() {
  mv "$1" "$2-dead" 2>/dev/null
  if [ "$(cat "$2-dead" 2>/dev/null)" = "$3" ] && ln "$2" "$1" 2>/dev/null; then rm -f "$2-dead"; return 0; fi
  ln "$2-dead" "$1" 2>/dev/null
  rm -f "$2-dead"
  return 1
}

# The lock is a link to a file that is written already, so that there is never a lock without its
# owner. It is held until the run is settled, also while nobody but the guard is at work.
take_lock() {
  identify "$R/owner" || { say refuse state "$R cannot be written"; return 1; }
  ln "$R/owner" "$S/lock" 2>/dev/null && return 0
  lock_owner=$(cat "$S/lock" 2>/dev/null)
  lock_run=${'${lock_owner##* }'}
  case $lock_run in ''|*[!A-Za-z0-9-]*) say refuse locked "$S/lock is not one of ours; look at it, then remove it"; return 1 ;; esac
  if alive "$S/lock" || alive "$S/$lock_run/guard" || alive "$S/$lock_run/reverter"; then
    say refuse locked "run $lock_run holds this host: $(state "$S/$lock_run"), $(seconds_left "$S/$lock_run") s left. To settle it: remedy confirm $lock_run, or remedy revert $lock_run"
    return 1
  fi
  case $(state "$S/$lock_run") in
    prepared)
      # It died before its first write: its own program tidies up after it.
      sh "$S/$lock_run/program" revert >/dev/null 2>&1 </dev/null
      ln "$R/owner" "$S/lock" 2>/dev/null && return 0 ;;
    armed|reverting)
      # Nobody looks after that run any more. What it left half done is taken back first.
      sh "$S/$lock_run/program" revert >/dev/null 2>&1 </dev/null
      say refuse settled "run $lock_run had died half-way; now it is $(state "$S/$lock_run")"
      return 1 ;;
  esac
  take_over "$S/lock" "$R/owner" "$lock_owner" && return 0
  say refuse locked 'another run was quicker'
  return 1
}

has_lock() { [ "$(cat "$S/lock" 2>/dev/null)" = "$(cat "$R/owner" 2>/dev/null)" ]; }

drop_lock() { if has_lock; then rm -f -- "$S/lock"; fi; }
`;
