/**
 * The shell functions that make the changes of a stage. The applier runs outside the login that
 * brought it: losing the connection cannot leave half a repair.
 */
export const applierFunctions = String.raw`
# Longest time that one change may take, in seconds, with its gates; then the guard fires.
LEASE=300

apply() {
  trap '' HUP PIPE INT
  trap 'forget_secrets; exit 143' TERM
  # A slow way of starting us may come after another one was tried: only one of them ever begins.
  mkdir "$R/begun" 2>/dev/null || return 0
  : >"$R/prepared" && identify "$R/applier" || { forget_secrets; say refuse state "$R cannot be written"; say end refused; return; }
  if take_lock; then
    sweep_secrets
    if ready && arm; then run_all; else abandon; fi
  else
    forget_secrets
    rm -f -- "$R/prepared"; say end refused
  fi
}

# abandon: refused before the first write.
abandon() {
  forget_secrets; forget_kept
  rm -f -- "$R/prepared"
  tidy
  say end refused
}

# ready: everything is still as it was observed, and everything that an undo needs is here.
ready() {
  rd=1
  while [ "$rd" -le "$N" ]; do
    rd_out=$("ready_$rd" 2>&1); rd_status=$?
    if [ "$rd_status" -ne 0 ]; then
      [ "$rd_status" -eq 3 ] && rd_code=drift || rd_code=ready
      printf '%s\n' "$rd_out" | head -n 40 | while IFS= read -r rd_line; do say output "$rd_line"; done
      say refuse "$rd_code" "$rd"
      return 1
    fi
    rd=$((rd + 1))
  done
}

tool_here() { have "$1" || { echo "$1 is not here, so the change could not be taken back"; return 1; }; }

note() { echo "$2" >"$R/$1.new" && mv -f -- "$R/$1.new" "$R/$1" && to_disk "$R/$1"; }

run_all() {
  n=1
  while [ "$n" -le "$N" ]; do
    # Somebody else ends this run: the guard, or a person.
    [ "$(state)" = armed ] || return
    alive "$R/guard" || { begin_revert 'the guard is gone'; return; }
    set_deadline "$LEASE"
    note started "$n" || { begin_revert "$R cannot be written"; return; }
    say start "$n"
    attempt "do_$n"; status=$?
    rm -f -- "$R/secret-$n"
    if [ "$status" -ne 0 ]; then
      say failed "$n" "$status"
      begin_revert 'a change failed'
      return
    fi
    note finished "$n"
    say 'done' "$n"
    n=$((n + 1))
  done
  set_deadline "$W" && : >"$R/applied"
  # A host that loses its power now must come back as it was, or as it is meant to be.
  sync
  [ "$(state)" = armed ] && say end applied "$W"
}
`;
