import { createTwoFilesPatch } from 'diff';
import type { Change, FactAfter } from '../core/change.ts';
import { cleanText } from '../core/clean.ts';
import { sealChange } from '../core/seal.ts';
import { digestOf } from '../core/secret-text.ts';
import { request, type FactRequest, type FactSet } from '../facts/fact.ts';
import { runFilesFact, type RunFiles } from '../facts/run-files.ts';
import type { StagePlan } from './compile.ts';
import type { PlannedStep } from './plan.ts';
import { touchedKeys, type StageReceipt } from './receipt.ts';

/** What must be observed to undo a stage. */
export function undoRequest(stage: StageReceipt): FactRequest<RunFiles> {
  return request(runFilesFact, {
    runId: stage.runId,
    paths: stage.changes.flatMap(({ action }) => (action.type === 'write' ? [action.path] : [])),
    holds: stage.changes.flatMap(({ holds }, index) =>
      holds === null ? [] : [{ number: index + 1, argv: holds }],
    ),
  });
}

/**
 * Plans the inverse of a stage that was kept, last change first. What is undone already is left alone;
 * what someone else edited since is not touched: the step is then blocked and shows the edit.
 *
 * @param undoId the id of the run that undoes: a suffix for what is moved aside.
 */
export function planUndo(stage: StageReceipt, facts: FactSet, undoId: string): StagePlan {
  const files = facts.get(undoRequest(stage));
  if (!files.known) {
    return onlyStep(stage, facts, { action: 'blocked', reason: files.because, changes: [] });
  }
  const parts = stage.changes
    .map((change, index) => inverse(change, index + 1, { stage, files: files.value, undoId }))
    .toReversed();
  const edits = parts.flatMap((part) => (part.type === 'edited' ? [part.reason] : []));
  if (edits.length > 0) {
    return onlyStep(stage, facts, { action: 'blocked', reason: edits.join('\n'), changes: [] });
  }
  // Files first, so that daemons read the files that are back; rules last, as in a revert.
  const changes = parts
    .flatMap((part) => (part.type === 'changes' ? part.changes : []))
    .toSorted((left, right) => undoRank(left) - undoRank(right));
  const [known, unforeseen] = foresee(stage, facts);
  const last = changes.at(-1);
  const whole =
    last === undefined
      ? []
      : [...changes.slice(0, -1), { ...last, factsAfter: known, invalidates: unforeseen }];
  const reason = changes.length === 0 ? 'nothing of it is left' : `takes back ${stage.runId}`;
  const step = {
    action: changes.length === 0 ? 'none' : 'change',
    reason,
    changes: whole,
  } as const;
  const after =
    last === undefined
      ? facts
      : facts.with(known).without(unforeseen, 'not known before it is undone');
  return onlyStep(stage, after, step);
}

function undoRank({ kind }: Change): number {
  return kind === 'unit' ? 1 : kind === 'rule' || kind === 'ban' || kind === 'label' ? 2 : 0;
}

type Part =
  | { readonly type: 'nothing' }
  | { readonly type: 'edited'; readonly reason: string }
  | { readonly type: 'changes'; readonly changes: readonly Change[] };

interface Context {
  readonly stage: StageReceipt;
  readonly files: RunFiles;
  readonly undoId: string;
}

const nothing: Part = { type: 'nothing' };

function inverse(change: Change, number: number, context: Context): Part {
  const { action, undo } = change;
  if (context.files.holds.get(number) === false || undo.type === 'none') {
    return nothing;
  }
  if (action.type === 'write') {
    return inverseWrite(change, number, context);
  }
  if (action.type === 'host-key') {
    const { undoId, files } = context;
    const moves = ['', '.pub'].flatMap((end) => {
      const path = `${action.path}${end}`;
      const kept = files.aside.has(path.slice(path.lastIndexOf('/') + 1));
      return inverseKey(change, path, kept ? action.aside : null, undoId);
    });
    return { type: 'changes', changes: moves };
  }
  return undo.type === 'snapshot'
    ? nothing
    : {
        type: 'changes',
        changes: [{ ...turned(change), action: undo, undo: action, holds: null }],
      };
}

function turned(change: Change): Change {
  return {
    ...change,
    summary: `take back: ${change.summary}`,
    before: change.after,
    after: change.before,
    factsAfter: [],
    invalidates: [],
  };
}

function inverseWrite(change: Change, number: number, { files, stage }: Context): Part {
  const { action } = change;
  if (action.type !== 'write') {
    return nothing;
  }
  // Of several changes of one file only the first has the old bytes; it stands for all.
  const same = stage.changes.filter(
    (other) => other.action.type === 'write' && other.action.path === action.path,
  );
  if (same[0] !== change) {
    return nothing;
  }
  // Once a secret stood in it, nobody may see what else does.
  const sensitive = same.some((one) => one.sensitive);
  const written = same.at(-1)?.action;
  const wanted =
    written?.type === 'write' && written.content !== null ? digestOf(written.content) : null;
  const now = files.now.find(({ path }) => path === action.path) ?? null;
  const nowSha = now?.sha256 ?? null;
  if (nowSha === action.beforeSha256) {
    return nothing;
  }
  if (nowSha !== wanted) {
    const ours = written?.type === 'write' ? (written.content ?? '') : '';
    const shown = sensitive || typeof ours !== 'string' ? null : { ours, now: now?.text ?? '' };
    return { type: 'edited', reason: editedReason(change, shown) };
  }
  const old = files.kept.get(number) ?? null;
  if (action.beforeSha256 !== null && old?.sha256 !== action.beforeSha256) {
    return {
      type: 'edited',
      reason: `the copy of ${action.path} that the run kept is gone or was changed`,
    };
  }
  const content = action.beforeSha256 === null ? null : (old?.text ?? null);
  const back: Change = {
    ...turned(change),
    summary: `put ${action.path} back as it was before run ${stage.runId}`,
    before: now?.text ?? '',
    after: content ?? '',
    // No gate: what stood there comes back as it was, and the access gate has said what that means.
    action: { type: 'write', path: action.path, beforeSha256: nowSha, content },
    undo: { type: 'snapshot' },
    holds: null,
    sensitive,
  };
  return { type: 'changes', changes: [sealChange(back)] };
}

function editedReason(
  change: Change,
  shown: { readonly ours: string; readonly now: string } | null,
): string {
  const first = `${change.target} was edited since by someone else`;
  if (shown === null) {
    return first;
  }
  const { ours, now } = shown;
  const patch = createTwoFilesPatch('as the run left it', 'as it is now', ours, now, '', '', {
    context: 2,
  });
  return `${first}:\n${cleanText(Buffer.from(patch, 'latin1').toString('utf8')).split('\n').slice(1, 40).join('\n')}`;
}

// The fresh key is kept too: an undo may itself be undone.
function inverseKey(change: Change, path: string, aside: string | null, undoId: string): Change[] {
  const move = (from: string, to: string): Change => ({
    ...turned(change),
    kind: 'file',
    summary: `move ${from} to ${to}`,
    before: `${from}\n`,
    after: `${to}\n`,
    action: { type: 'move', from, to },
    undo: { type: 'move', from: to, to: from },
    holds: null,
  });
  const fresh = move(path, `${path}.remedy-${undoId}`);
  return aside === null ? [fresh] : [fresh, move(`${path}.${aside}`, path)];
}

/** The facts that an undo touches: as they were, where nobody changed them since; else unforeseeable. */
function foresee(stage: StageReceipt, facts: FactSet): [FactAfter[], string[]] {
  const known: FactAfter[] = [];
  const unforeseen: string[] = [];
  for (const key of touchedKeys(stage.changes)) {
    const now = facts.byKey(key);
    const after = stage.after.find((one) => one.key === key);
    const before = stage.before.find((one) => one.key === key);
    const same =
      now?.known === true &&
      after !== undefined &&
      JSON.stringify(now.value) === JSON.stringify(after.value);
    if (same && before !== undefined) {
      known.push(before);
    } else {
      unforeseen.push(key);
    }
  }
  return [known, unforeseen];
}

function onlyStep(
  stage: StageReceipt,
  facts: FactSet,
  step: Pick<PlannedStep, 'action' | 'reason' | 'changes'>,
): StagePlan {
  const planned: PlannedStep = {
    id: stage.runId,
    playbook: 'undo',
    module: 'undo',
    ...step,
    ...(step.action === 'blocked' && {
      todo: 'Look at the edit. Take it back or undo the run by hand; the old files are kept on the host.',
    }),
  };
  return { steps: [planned], facts, later: [], foreseen: [] };
}
