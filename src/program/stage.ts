import { createHash } from 'node:crypto';
import type { Action, Change, Undo } from '../core/change.ts';
import { quote, quoteArgv } from '../core/quote.ts';
import { actionFunctions } from './actions.ts';
import { printBytes } from './bytes.ts';
import { commonFunctions, environment } from './runtime.ts';
import { wrapProgram } from './wrap.ts';

/** Where runs keep what they need to undo themselves; root only. */
export const stateFolder = '/var/lib/remedy';

/** What a stage program is made of. */
export interface StageInput {
  readonly runId: string;
  /** Random, hex; tags the journal's records. */
  readonly token: string;
  readonly changes: readonly Change[];
}

/**
 * Compiles the changes of one stage into one program. It runs detached from the session that brought
 * it: losing the connection cannot leave half a repair. The outer program puts the inner one into the
 * run's folder, starts it, and passes its journal on.
 */
export function compileStage(input: StageInput): string {
  const inner = Buffer.from(compileApplier(input), 'utf8').toString('latin1');
  const sha256 = createHash('sha256').update(inner, 'latin1').digest('hex');
  const body = [
    `T=${input.token}; S=${stateFolder}; I=${input.runId}; R=$S/$I`,
    'prepare || exit 0',
    `content_program >"$R/program" || { refuse state "the program could not be written to $R (is the disk full?)"; exit 0; }`,
    `[ "$(digest <"$R/program")" = ${sha256} ] || { refuse state "the program did not arrive whole"; exit 0; }`,
    'follow',
  ].join('\n');
  const content = `content_program() {\n${printBytes(inner)}\n}`;
  return wrapProgram([environment, commonFunctions, loaderFunctions, content].join('\n'), body);
}

// The folder and each of its parents must be root's and closed to others, or a local user could put
// a program of his own in our place. `mkdir` without -p makes a second run of the same id fail.
const loaderFunctions = String.raw`
refuse() { echo; line "$T refuse $1 $2"; }

safe_folder() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %u -- "$1")" = 0 ] || return 1
  case "$(stat -c %A -- "$1")" in ?????w*|????????w*) return 1 ;; esac
}

prepare() {
  umask 077
  for tool in stat cut head digest_tool; do
    case $tool in
      digest_tool) printf x | digest >/dev/null 2>&1 || { refuse state "no tool for SHA-256 is here"; return 1; } ;;
      *) have "$tool" || { refuse state "$tool is not here"; return 1; } ;;
    esac
  done
  [ -d "$S" ] || mkdir "$S" 2>/dev/null || { refuse state "$S cannot be made: $(mkdir "$S" 2>&1 | head -c 300)"; return 1; }
  for folder in /var /var/lib "$S"; do
    safe_folder "$folder" || { refuse state "$folder is not root's alone, so nothing safe can be kept there"; return 1; }
  done
  mkdir "$R" 2>/dev/null || { refuse state "$R cannot be made: $(mkdir "$R" 2>&1 | head -c 300)"; return 1; }
  : >"$R/journal" || { refuse state "$R cannot be written (is the disk full?)"; return 1; }
}

# Root processes of a user's session die with it under KillUserProcesses=yes, so the applier gets a
# unit of its own where systemd can give one. The journal on disk says how it ended, not the unit.
start_applier() {
  if [ -d /run/systemd/system ] && systemd_can_wait; then
    systemd-run --quiet --wait --collect "--unit=remedy-$I" sh "$R/program"
  elif have setsid; then setsid sh "$R/program"
  else ( trap '' HUP PIPE; sh "$R/program" ); fi
}

# --collect came with systemd 236.
systemd_can_wait() {
  version=$(systemd-run --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9][0-9]*\).*/\1/p')
  [ "${'${version:-0}'}" -ge 236 ]
}

follow() {
  exec 3<"$R/journal"
  start_applier </dev/null >"$R/start" 2>&1 &
  applier=$!
  ( trap 'exit 0' TERM; while :; do cat <&3; sleep 1; done ) &
  follower=$!
  wait "$applier"
  kill "$follower" 2>/dev/null; wait "$follower" 2>/dev/null
  cat <&3
  grep -q '^[0-9a-f]\{32\} end ' "$R/journal" || { echo; line "$T lost $(head -c 500 "$R/start" | tr '\n' ' ')"; }
}
`;

const applierFunctions = String.raw`
say() { echo; line "$T $*"; }

# The lock belongs to a process: boot id, pid and start time name it, whatever the clock says. It is
# a link to a file that is written already, so that there is never a lock without its owner.
boot_id() { cat /proc/sys/kernel/random/boot_id; }
start_time() { s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; s=${'${s##*) }'}; set -- $s; echo "${'${20}'}"; }

take_lock() {
  printf '%s\n' "$(boot_id) $$ $(start_time $$) $I" >"$R/owner" || { say refuse state "$R cannot be written"; return 1; }
  ln "$R/owner" "$S/lock" 2>/dev/null && return 0
  lock_owner=$(cat "$S/lock" 2>/dev/null)
  set -- $lock_owner
  if [ $# -lt 4 ] || { [ "$1" = "$(boot_id)" ] && [ "$(start_time "$2")" = "$3" ]; }; then
    say refuse locked "run ${'${4:-of another kind}'} (process ${'${2:-unknown}'}) holds $S/lock"
    return 1
  fi
  # Its owner is dead. Another run may have seen that too and be quicker: only the dead one's lock goes.
  mv "$S/lock" "$R/lock-of-the-dead" 2>/dev/null
  if [ "$(cat "$R/lock-of-the-dead" 2>/dev/null)" = "$lock_owner" ] && ln "$R/owner" "$S/lock" 2>/dev/null; then return 0; fi
  ln "$R/lock-of-the-dead" "$S/lock" 2>/dev/null
  say refuse locked 'another run was quicker'
  return 1
}

drop_lock() { cmp -s "$R/owner" "$S/lock" 2>/dev/null || [ "$(cat "$S/lock")" = "$(cat "$R/owner")" ] && rm -f -- "$S/lock"; }

# Output of a command goes into the journal as one record, so that it cannot be taken for ours.
attempt() {
  a_out=$("$@" 2>&1); a_status=$?
  [ -z "$a_out" ] || say output "$(printf '%s' "$a_out" | tail -c 1500 | tr '\n' ' ')"
  return "$a_status"
}

take_back() {
  k=$1; stuck=0
  while [ "$k" -gt 0 ]; do
    if attempt "undo_$k"; then say undone "$k"; else say undo-failed "$k" "$?"; stuck=1; fi
    k=$((k - 1))
  done
  return "$stuck"
}

run_all() {
  n=1
  while [ "$n" -le "$N" ]; do
    say start "$n"
    attempt "do_$n"; status=$?
    if [ "$status" -ne 0 ]; then
      say failed "$n" "$status"
      # It may have come half-way; that its undo finds nothing to take back is no failure.
      attempt "undo_$n" && say undone "$n"
      if take_back $((n - 1)); then say end reverted; else say end stuck; fi
      return
    fi
    say 'done' "$n"
    n=$((n + 1))
  done
  say end applied
}
`;

function compileApplier(input: StageInput): string {
  const functions = input.changes.flatMap((change, index) => changeFunctions(change, index + 1));
  const body = [
    `T=${input.token}; S=${stateFolder}; I=${input.runId}; R=$S/$I; N=${input.changes.length}`,
    "trap '' HUP PIPE INT TERM",
    'exec >>"$R/journal" 2>&1',
    'umask 077; cd /',
    'take_lock || { say end refused; exit 0; }',
    'run_all',
    'drop_lock',
  ].join('\n');
  return wrapProgram(
    [environment, commonFunctions, actionFunctions, applierFunctions, ...functions].join('\n'),
    body,
  );
}

function changeFunctions(change: Change, number: number): string[] {
  const content =
    change.action.type === 'write'
      ? [`content_${number}() {\n${printBytes(change.action.content)}\n}`]
      : [];
  return [
    ...content,
    `do_${number}() {\n${actionText(change.action, number)}\n}`,
    `undo_${number}() {\n${undoText(change.undo, change.action, number)}\n}`,
  ];
}

function actionText(action: Action, number: number): string {
  switch (action.type) {
    case 'run':
      return action.explain === undefined
        ? `limit 120 ${quoteArgv(action.argv)}`
        : `limit 120 ${quoteArgv(action.argv)} || { status=$?; limit 20 ${quoteArgv(action.explain)}; return "$status"; }`;
    case 'write': {
      const gate = action.gate === undefined ? '' : ` ${quoteArgv(action.gate)}`;
      return `write_file ${writeArguments(action, number)}${gate}`;
    }
    case 'attributes':
      return quoteArgv([
        'set_attributes',
        action.directory,
        action.directoryInode,
        action.name,
        action.before.inode,
        String(action.before.uid),
        String(action.before.gid),
        plainMode(action.before.mode),
        String(action.uid),
        String(action.gid),
        plainMode(action.mode),
      ]);
    case 'nft-delete':
      return quoteArgv(['nft_delete', action.family, action.table, action.chain, action.comment]);
    case 'host-key':
      return quoteArgv(['make_host_key', action.path, action.keyType, action.aside ?? '']);
  }
}

function undoText(undo: Undo, action: Action, number: number): string {
  switch (undo.type) {
    case 'none':
      return ':';
    case 'snapshot':
      return snapshotUndo(action, number);
    default:
      return actionText(undo, number);
  }
}

function snapshotUndo(action: Action, number: number): string {
  if (action.type === 'write') {
    return `unwrite_file ${writeArguments(action, number)}`;
  }
  return action.type === 'host-key'
    ? quoteArgv(['unmake_host_key', action.path, action.aside ?? ''])
    : ':';
}

function writeArguments(action: Extract<Action, { type: 'write' }>, number: number): string {
  const after = createHash('sha256').update(action.content, 'latin1').digest('hex');
  return [String(number), action.path, action.beforeSha256 ?? 'absent', after].map(quote).join(' ');
}

// stat prints modes without a leading zero, so both sides are compared that way.
function plainMode(mode: string): string {
  return mode.replace(/^0+(?=.)/, '');
}
