/**
 * The shell functions that end a run: confirm it, or take it back. Each undo may be run again after it
 * was cut off: what is back already is left alone.
 */
export const settleFunctions = String.raw`
number_in() { ni=; { read -r ni <"$R/$1"; } 2>/dev/null; echo "${'${ni:-0}'}"; }

# Output of a command goes into the journal as records, so that it cannot be taken for one of ours.
attempt() {
  a_out=$("$@" 2>&1); a_status=$?
  [ -z "$a_out" ] || printf '%s\n' "$a_out" | tail -n 40 | cut -c 1-1500 | while IFS= read -r a_line; do say output "$a_line"; done
  return "$a_status"
}

# take_back_in_order NUMBER...: undoes those of them that were started.
take_back_in_order() {
  tb_started=$(number_in started); tb_done=$(number_in finished)
  for tb in "$@"; do
    if [ "$tb" -gt "$tb_started" ] || [ -e "$R/undone-$tb" ]; then continue; fi
    # A change, or an undo, that was cut off is half there: then no short way is taken.
    TB_CUT=no
    if [ "$tb" -gt "$tb_done" ] || [ -e "$R/undoing-$tb" ]; then TB_CUT=yes; fi
    : >"$R/undoing-$tb"
    attempt "undo_$tb"; tb_status=$?
    [ "$TB_CUT" = no ] || attempt "mend_$tb" || tb_status=$?
    if [ "$tb_status" -eq 0 ]; then say undone "$tb"; : >"$R/undone-$tb"; continue; fi
    # There may have been nothing to take back.
    if [ "$TB_CUT" = yes ] && [ "$tb_status" -ne 3 ] && ! "holds_$tb" >/dev/null 2>&1; then : >"$R/undone-$tb"; continue; fi
    say undo-failed "$tb" "$tb_status"; : >"$R/undo-failed-$tb"
  done
}

# take_back: files first, then daemons, so that they read the files that are back, then rules: the new
# way stays open until the old one is there again.
take_back() {
  rm -f -- "$R"/undo-failed-*
  take_back_in_order $UNDO_FILES $UNDO_REST
  for tb in "$R"/undo-failed-*; do
    if [ -e "$tb" ]; then finish stuck reverting; return; fi
  done
  finish reverted reverting
}

begin_revert() { to_state armed reverting && say revert "$1" && revert_now; }

revert_now() {
  claim reverter || return 1
  stop_applier
  take_back
}

# The applier looks at the state before each change, so it stops by itself; only one that hangs is ended.
stop_applier() {
  [ -e "$R/applier" ] && ! own applier || return 0
  wait_for is_gone applier 150 && return 0
  read -r _ sa_pid _ <"$R/applier"
  say output "the program that makes the changes hung (process $sa_pid) and was ended"
  if systemd_can_run; then systemctl kill --signal=KILL "remedy-apply-$I" 2>/dev/null; fi
  kill -KILL "-$sa_pid" 2>/dev/null || kill -KILL "$sa_pid" 2>/dev/null
  wait_for is_gone applier 10
}

own() { read -r _ ow_pid _ <"$R/$1" && [ "$ow_pid" = $$ ]; }

# forget_kept: the old bytes of secrets, where nothing is left to undo.
forget_kept() {
  for fk in ${'${SECRET-}'}; do rm -f -- "$R/files/$fk"; done
}

# finish STATE [FROM]: the last of a run; what is not needed any more goes.
finish() {
  forget_secrets
  [ "$#" -lt 2 ] || to_state "$2" "$1" || return 1
  [ "$1" != reverted ] || forget_kept
  printf 'outcome: %s\nat: %s\n' "$1" "$(date -u 2>/dev/null)" >>"$R/receipt"
  tidy
  # Whoever reads this may begin the next run. To the journal also where a person asked for it.
  say end "$1" >>"$R/journal"
}

tidy() { clear_spares; disarm; drop_lock; }

# confirm: the one-use token comes on standard input, never as an argument.
confirm() {
  cf=; read -r cf <&3
  if [ "$(line "$cf" | digest)" != "$D" ]; then say refuse token 'that is not the token of this run'; return; fi
  keep
}

# keep: as confirm, for root at the console of this host.
keep() {
  if [ "$(state)" = armed ] && [ ! -e "$R/applied" ]; then say refuse early 'the changes are still being made'; return; fi
  if to_state armed confirmed; then finish confirmed
  # Too late. How it ends is the better answer; whoever asks may ask again.
  else wait_for settled x 15; fi
  status
}

# revert: the guard does it, outside of this login; without a guard a new one does.
revert() {
  # Before it is armed there is nothing to take back; in a moment there may be.
  wait_for is_begun x 60
  if [ "$(state)" = prepared ] && ! alive "$R/applier"; then give_up; fi
  if to_state armed reverting; then say revert 'it was asked for'; fi
  look_after
  wait_for settled x 300 && wait_for is_unlocked x 5
  status
}

# look_after: a run that is due, and that nobody looks after any more, gets a new guard.
look_after() {
  case $(state) in
    armed) [ "$(seconds_left)" -eq 0 ] || return 0 ;;
    reverting) ;;
    *) return 0 ;;
  esac
  alive "$R/reverter" || alive "$R/guard" || detach guard
}

is_begun() { [ "$(state)" != prepared ] || is_gone applier; }

is_unlocked() { ! has_lock; }

status() {
  look_after
  if [ -n "$ASKED" ]; then
    if [ "$(state)" = stuck ]; then sed -n -e 's/^[0-9a-f]* output //p' -e 's/^[0-9a-f]* undo-failed \([0-9]*\) \([0-9]*\)$/change \1 could not be taken back (exit status \2)/p' "$R/journal" | tail -n 20 | while IFS= read -r sl_line; do say output "$sl_line"; done; fi
    if [ -e "$R/applied" ]; then st_how=applied; else st_how=applying; fi
    say state "$(state)" "$(seconds_left)" "$st_how" "$(cat "$R/guarded-by" 2>/dev/null)"
    return
  fi
  line "run $I: $(state)"
  if [ "$(state)" = armed ]; then line "It takes itself back in $(seconds_left) s."; fi
}
`;
