import { sealChange } from '../core/seal.ts';
import type { FactRequest, FactSet } from '../facts/fact.ts';
import { facts as conditionFacts } from '../facts/index.ts';
import type { PlanContext } from '../modules/module.ts';
import type { BoundPlaybook, BoundStep } from '../playbook/playbook.ts';
import type { PlannedStep } from './plan.ts';

/** The steps that could be decided, those that need another look at the host, and the facts after. */
export interface StagePlan {
  readonly steps: readonly PlannedStep[];
  readonly facts: FactSet;
  /** Steps that wait for a proof, or need a fact that nobody can foresee: a new stage begins. */
  readonly later: readonly LaterStep[];
  /**
   * What the later steps will likely do, decided on the facts as this stage leaves them, as far as
   * those can be foreseen. They are decided anew when their stage begins.
   */
  readonly foreseen: readonly PlannedStep[];
}

/** A step that is decided only after another one was made. */
export interface LaterStep extends QueuedStep {
  /** The id of the step after which it is decided. */
  readonly after: string;
  /** A login must have proven what was made before, or the host must be looked at again. */
  readonly waitsFor: 'proof' | 'facts';
}

/** A step with the playbook it belongs to. */
export interface QueuedStep {
  readonly playbook: BoundPlaybook;
  readonly step: BoundStep;
  /** How many proofs must have been made before it. */
  readonly proofs: number;
}

/**
 * The steps of several playbooks in the order they are made: what waits for a proof comes behind all
 * that does not, and between two proofs what starts daemons comes last.
 */
export function queueSteps(playbooks: readonly BoundPlaybook[]): QueuedStep[] {
  const all = playbooks.flatMap(countProofs);
  const place = ({ proofs, step }: QueuedStep): number =>
    2 * proofs + (step.module.runsLast === true ? 1 : 0);
  return all.toSorted((left, right) => place(left) - place(right));
}

function countProofs(playbook: BoundPlaybook): QueuedStep[] {
  let proofs = 0;
  return playbook.steps.map((step) => {
    proofs += step.afterProof ? 1 : 0;
    return { playbook, step, proofs };
  });
}

/** Everything that must be observed to decide about the steps; each request once. */
export function requestsFor(queue: readonly QueuedStep[], context: PlanContext): FactRequest[] {
  const requests = queue.flatMap(({ step }) => [
    ...conditionRequests(step),
    ...step.module.facts(step.args, context),
  ]);
  return [...new Map(requests.map((one) => [one.key, one])).values()];
}

function conditionRequests(step: BoundStep): FactRequest[] {
  return (step.when?.facts ?? []).flatMap((name) => conditionFacts.get(name) ?? []);
}

/**
 * Decides about the steps in order. Pure: each change states the facts as it leaves them, and the
 * next step is decided on those. A step that needs a fact which an earlier change made unforeseeable
 * ends the stage, and so does one that waits for a proof which the first step of the queue did not
 * wait for.
 */
export function compileStagePlan(
  queue: readonly QueuedStep[],
  observed: FactSet,
  context: PlanContext,
): StagePlan {
  const proofs = queue[0]?.proofs ?? 0;
  const nothing: Decided = { steps: [], facts: observed, unforeseen: new Map(), hiddenBy: null };
  const now = decide(
    queue.filter((queued) => queued.proofs === proofs),
    nothing,
    context,
  );
  const { steps, facts, hiddenBy } = now;
  const behind = queue.slice(steps.length);
  const whole = hiddenBy === null ? decide(behind, now, context) : now;
  if (whole.steps.length === queue.length && changesNothing(whole)) {
    // Where nothing is to be made there is nothing to prove.
    return { steps: whole.steps, facts: whole.facts, later: [], foreseen: [] };
  }
  const lastId = steps.at(-1)?.id ?? '';
  return {
    steps,
    facts,
    later: behind.map((one) =>
      one.proofs > proofs
        ? { ...one, after: lastId, waitsFor: 'proof' }
        : { ...one, after: hiddenBy ?? '', waitsFor: 'facts' },
    ),
    foreseen: whole.steps.slice(steps.length),
  };
}

/** What could be decided about some steps. */
interface Decided {
  readonly steps: readonly PlannedStep[];
  readonly facts: FactSet;
  /** The facts that nobody can foresee, by key, with the step that makes them so. */
  readonly unforeseen: ReadonlyMap<string, string>;
  /** The step whose change hides what the next one needs; null where all could be decided. */
  readonly hiddenBy: string | null;
}

function changesNothing({ steps }: Decided): boolean {
  return steps.every(({ changes }) => changes.length === 0);
}

/** Decides about steps behind those that were decided already, as far as facts can be foreseen. */
function decide(queue: readonly QueuedStep[], before: Decided, context: PlanContext): Decided {
  const steps = [...before.steps];
  const unforeseen = new Map(before.unforeseen);
  let { facts } = before;
  for (const queued of queue) {
    const hidden = requestsFor([queued], context).find(({ key }) => unforeseen.has(key));
    if (hidden !== undefined) {
      return { steps, facts, unforeseen, hiddenBy: unforeseen.get(hidden.key) ?? '' };
    }
    const stop = steps.find(
      ({ action, playbook }) => action === 'blocked' && playbook === queued.playbook.name,
    );
    const planned =
      stop === undefined ? planStep(queued, facts, context) : undecided(queued, stop.id);
    steps.push({ ...planned, changes: planned.changes.map(sealChange) });
    for (const change of planned.changes) {
      facts = facts
        .with(change.factsAfter)
        .without(change.invalidates, `not known before step ${planned.id} is made`);
      change.invalidates.forEach((key) => unforeseen.set(key, planned.id));
    }
  }
  return { steps, facts, unforeseen, hiddenBy: null };
}

// What a blocked step would have left behind is not known, so its playbook is not decided further.
function undecided({ playbook, step }: QueuedStep, stop: string): PlannedStep {
  return {
    id: step.id,
    playbook: playbook.name,
    module: step.module.name,
    action: 'skipped',
    reason: `not decided: step ${stop} is blocked`,
    changes: [],
  };
}

function planStep(
  { playbook, step }: QueuedStep,
  facts: FactSet,
  context: PlanContext,
): PlannedStep {
  const head = { id: step.id, playbook: playbook.name, module: step.module.name };
  const verdict = step.when?.evaluate(facts, playbook.values, context.endpoint) ?? {
    result: 'true' as const,
  };
  if (verdict.result === 'unknown') {
    return {
      ...head,
      action: 'blocked',
      reason: `cannot tell whether it applies: ${verdict.because}`,
      changes: [],
    };
  }
  if (verdict.result === 'false') {
    return {
      ...head,
      action: 'skipped',
      reason: `does not apply: ${step.when?.source ?? ''} is false here`,
      changes: [],
    };
  }
  const plan = step.module.plan(step.args, facts, context);
  return {
    ...head,
    action: plan.action,
    reason: plan.reason,
    ...(plan.action === 'blocked' && plan.todo !== undefined ? { todo: plan.todo } : {}),
    changes: plan.action === 'change' ? plan.changes : [],
  };
}
