import type { Action, Change, Undo } from '../core/change.ts';
import { sha256Of } from '../core/digest.ts';
import { quote, quoteArgv } from '../core/quote.ts';
import { digestOf } from '../core/secret-text.ts';
import { actionFunctions } from './actions.ts';
import { applierFunctions } from './applier.ts';
import { printBytes } from './bytes.ts';
import { guardFunctions } from './guard.ts';
import { commonFunctions, environment } from './runtime.ts';
import { stateFunctions } from './run-state.ts';
import { contentText, loadSecrets, secretNumbers } from './secrets.ts';
import { settleFunctions } from './settle.ts';
import { sshdActionFunctions } from './sshd-actions.ts';
import { wrapProgram } from './wrap.ts';

/** Where runs keep what they need to undo themselves; root only. */
export const stateFolder = '/var/lib/remedy';

/** What a stage program is made of. */
export interface StageInput {
  readonly runId: string;
  /** Random, hex; tags the journal's records. */
  readonly token: string;
  /** SHA-256, in hex, of the one-use token that confirms the run; the token itself never goes along. */
  readonly confirmSha256: string;
  /** The confirm window: seconds from the last change until the guard takes everything back. */
  readonly guardSeconds: number;
  readonly changes: readonly Change[];
  /** For the next person at the console: what this run is, in whole lines. */
  readonly about: readonly string[];
}

/**
 * Compiles the changes of one stage into one program. It runs detached from the session that brought
 * it: losing the connection cannot leave half a repair. The outer program puts the inner one into the
 * run's folder, starts it, and passes its journal on. The inner one stays there: it is the applier,
 * the guard, the boot unit's program, and what confirms or takes back.
 */
export function compileStage(input: StageInput): string {
  const secrets = loadSecrets(input.changes);
  const inner = Buffer.from(compileInner(input), 'utf8').toString('latin1');
  const body = [
    ...names(input),
    'prepare || exit 0',
    `content_program >"$R/program" || { refuse state "the program could not be written to $R (is the disk full?)"; exit 0; }`,
    `[ "$(digest <"$R/program")" = ${sha256Of(inner)} ] || { refuse state "the program did not arrive whole"; exit 0; }`,
    'content_readme >"$R/README" || { refuse state "$R cannot be written (is the disk full?)"; exit 0; }',
    ...secrets.body,
    'follow',
  ].join('\n');
  const readme = Buffer.from(readmeText(input), 'utf8').toString('latin1');
  const contents = [
    `content_program() {\n${printBytes(inner)}\n}`,
    `content_readme() {\n${printBytes(readme)}\n}`,
  ];
  return wrapProgram(
    [
      environment,
      commonFunctions,
      stateFunctions,
      guardFunctions,
      loaderFunctions,
      ...secrets.functions,
      ...contents,
    ].join('\n'),
    body,
  );
}

function names(input: StageInput): string[] {
  return [`T=${input.token}; S=${stateFolder}; I=${input.runId}; R=$S/$I`, 'umask 077; cd /'];
}

// The folder and each of its parents must be root's and closed to others, or a local user could put
// a program of his own in our place. `mkdir` without -p makes a second run of the same id fail.
const loaderFunctions = String.raw`
refuse() { echo; line "$T refuse $1 $2"; }

prepare() {
  for tool in stat cut head grep digest_tool; do
    case $tool in
      digest_tool) printf x | digest >/dev/null 2>&1 || { refuse state "no tool for SHA-256 is here"; return 1; } ;;
      *) have "$tool" || { refuse state "$tool is not here"; return 1; } ;;
    esac
  done
  [ -r /proc/uptime ] || { refuse state "/proc is not mounted, so no guard can tell the time"; return 1; }
  [ -d "$S" ] || mkdir "$S" 2>/dev/null || { refuse state "$S cannot be made: $(mkdir "$S" 2>&1 | head -c 300)"; return 1; }
  for folder in /var /var/lib "$S"; do
    safe_folder "$folder" || { refuse state "$folder is not root's alone, so nothing safe can be kept there"; return 1; }
  done
  mkdir "$R" 2>/dev/null || { refuse state "$R cannot be made: $(mkdir "$R" 2>&1 | head -c 300)"; return 1; }
  : >"$R/journal" || { refuse state "$R cannot be written (is the disk full?)"; return 1; }
}

# The journal on disk says how it ended, not the unit's status: it is followed until it says so, or
# until nobody is left who could.
follow() {
  exec 4<"$R/journal"
  detach apply || { forget_secrets; refuse start "no program can run here outside of this login: $(tail -n 3 "$R/start" | tr '\n' ' ')"; return; }
  # From here on the applier looks after the secrets.
  trap - HUP INT PIPE TERM
  # One that comes later than this finds that it must not begin.
  if ! wait_for is_up apply 30 && mkdir "$R/begun" 2>/dev/null; then
    forget_secrets; refuse start "the program did not start within 30 seconds: $(tail -n 3 "$R/start" | tr '\n' ' ')"; return
  fi
  until grep -q '^[0-9a-f]\{32\} end ' "$R/journal"; do
    if is_gone applier && is_gone guard; then
      sleep 1
      # Nobody is left: its own program settles it.
      sh "$R/program" revert >/dev/null 2>>"$R/start" </dev/null
      grep -q '^[0-9a-f]\{32\} end ' "$R/journal" || { forget_secrets; cat <&4; echo; line "$T lost $(head -c 500 "$R/start" | tr '\n' ' ')"; return; }
    fi
    cat <&4 || return
    sleep 0.2 2>/dev/null || sleep 1
  done
  cat <&4
}
`;

const verbs = String.raw`
case ${'${1-}'} in
  apply|guard|boot) exec >>"$R/journal" 2>&1; "$@" ;;
  ask) ASKED=yes; read -r T <&3; read -r verb <&3; case $verb in confirm|revert|status) "$verb" ;; esac ;;
  keep|revert|status) "$1" ;;
  *) echo "usage: sh $R/program status|keep|revert" >&2; exit 64 ;;
esac
`;

function compileInner(input: StageInput): string {
  const { changes } = input;
  const seen = new Set<string>();
  const functions = changes.flatMap((change, index) => changeFunctions(change, index + 1, seen));
  const order = undoOrder(changes);
  const body = [
    ...names(input),
    `N=${changes.length}; W=${input.guardSeconds}; D=${input.confirmSha256}; ASKED=`,
    `UNDO_FILES='${order.files.join(' ')}'; UNDO_REST='${order.rest.join(' ')}'`,
    `SECRET='${secretNumbers(changes).join(' ')}'`,
    verbs,
  ].join('\n');
  return wrapProgram(
    [
      environment,
      commonFunctions,
      stateFunctions,
      actionFunctions,
      sshdActionFunctions,
      guardFunctions,
      settleFunctions,
      applierFunctions,
      ...functions,
    ].join('\n'),
    body,
  );
}

/** The numbers of the changes, from 1, in the order in which they are taken back. */
function undoOrder(changes: readonly Change[]): { files: number[]; rest: number[] } {
  const numbered = changes.map((change, index) => ({ number: index + 1, kind: change.kind }));
  const last = (kinds: readonly Change['kind'][]): number[] =>
    numbered
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ number }) => number)
      .toReversed();
  return {
    files: last(['file', 'attributes', 'host-key', 'account']),
    rest: [...last(['unit']), ...last(['rule', 'ban', 'label'])],
  };
}

function changeFunctions(change: Change, number: number, seen: Set<string>): string[] {
  const { action, undo } = change;
  const content =
    action.type === 'write' ? [`content_${number}() {\n${contentText(change, number)}\n}`] : [];
  const holds = change.holds === null ? 'false' : `limit 20 ${quoteArgv(change.holds)}`;
  const ready = readyText(change, number, seen);
  return [
    ...content,
    `ready_${number}() {\n${ready}\n}`,
    `do_${number}() {\n${unheard(change, action, actionText(action, number))}\n}`,
    `undo_${number}() {\n${holdsFirst(change, number)}${unheard(change, undo, undoText(undo, action, number))}\n}`,
    `holds_${number}() {\n${holds}\n}`,
    `mend_${number}() {\n${mendText(change)}\n}`,
  ];
}

// What was cut off may have reached the tool's files and not the kernel, or only one family.
function mendText({ undo }: Change): string {
  return undo.type === 'run' && undo.mend !== undefined ? quoteArgv(undo.mend) : ':';
}

// What a command says about a secret may quote it. The functions that write files say nothing of it;
// their gates are silenced where they are called.
function unheard({ sensitive }: Change, { type }: Action | Undo, text: string): string {
  return !sensitive || type === 'write' || type === 'snapshot' || type === 'none'
    ? text
    : `(\n${text}\n) >/dev/null 2>&1 || { status=$?; echo 'what the command said is not shown, since it may quote a secret'; return "$status"; }`;
}

// An undo may be run twice, and a change that was cut off may not have been made: a command that says
// clearly that the change does not hold leaves nothing to take back.
function holdsFirst(change: Change, number: number): string {
  return (change.undo.type === 'run' || change.undo.type === 'firewalld-remove') &&
    change.holds !== null
    ? `[ "$TB_CUT" = yes ] || { holds_${number} >/dev/null 2>&1; case $? in 1|3) return 0 ;; esac; }\n`
    : '';
}

// What the undo needs must be here before the first write. A later change of the same file starts
// from what an earlier one writes, so only the first can be compared with the host as it is now.
function readyText(change: Change, number: number, seen: Set<string>): string {
  const { action, undo } = change;
  if (action.type === 'write') {
    const first = !seen.has(action.path);
    seen.add(action.path);
    return first
      ? quoteArgv(['snapshot_file', String(number), action.path, action.beforeSha256 ?? 'absent'])
      : ':';
  }
  const tools = [action, undo].flatMap((one) => (one.type === 'run' ? one.argv.slice(0, 1) : []));
  return tools.length === 0
    ? ':'
    : tools.map((tool) => quoteArgv(['tool_here', tool])).join(' && ');
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
    case 'sshd-reload':
      return quoteArgv(['sshd_reload', action.unit, ...action.ports.map(String)]);
    case 'socket-restart':
      return quoteArgv([
        'socket_restart',
        action.socket,
        action.service,
        ...action.ports.map(String),
      ]);
    case 'nft-delete':
      return quoteArgv(['nft_delete', action.family, action.table, action.chain, action.comment]);
    case 'firewalld-remove':
      return quoteArgv(['firewalld_remove', action.place, action.zone, action.removal]);
    case 'move':
      return quoteArgv(['move_file', action.from, action.to]);
    case 'sshd-stop':
      return quoteArgv(['sshd_stop', action.unit]);
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
    case 'sshd-reload':
      return quoteArgv(['sshd_reload_back', undo.unit, ...undo.ports.map(String)]);
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
  const after = action.content === null ? 'absent' : digestOf(action.content);
  return [String(number), action.path, action.beforeSha256 ?? 'absent', after].map(quote).join(' ');
}

// stat prints modes without a leading zero, so both sides are compared that way.
function plainMode(mode: string): string {
  return mode.replace(/^0+(?=.)/, '');
}

function readmeText(input: StageInput): string {
  const folder = `${stateFolder}/${input.runId}`;
  return [
    `remedy, run ${input.runId}`,
    '',
    ...input.about,
    '',
    'What it changes here, in this order:',
    ...input.changes.map(({ summary }, index) => `  ${index + 1}. ${summary}`),
    '',
    `Unless it is confirmed within ${input.guardSeconds} seconds after the last change, it takes`,
    'all of this back by itself; also after a reboot.',
    '',
    'As root on this machine:',
    `  sh ${folder}/program status     how it stands, and the seconds left`,
    `  sh ${folder}/program keep       keep the changes`,
    `  sh ${folder}/program revert     take them back now`,
    '',
    `What happened: ${folder}/journal, ${folder}/receipt. Files as they were: ${folder}/files.`,
    'Not done by hand: a change of /etc or of a firewall that is not listed above is not ours.',
    '',
  ].join('\n');
}
