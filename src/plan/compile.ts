import type { FactRequest, FactSet } from '../facts/fact.ts';
import { facts as conditionFacts } from '../facts/index.ts';
import type { PlanContext } from '../modules/module.ts';
import type { BoundPlaybook, BoundStep } from '../playbook/playbook.ts';
import type { PlannedStep } from './plan.ts';

/** The steps that could be decided, those that need another look at the host, and the facts after. */
export interface StagePlan {
  readonly steps: readonly PlannedStep[];
  readonly facts: FactSet;
  /** Steps that need a fact that nobody can foresee; a new stage begins with them. */
  readonly later: readonly LaterStep[];
}

/** A step that is decided only after another one was made. */
export interface LaterStep {
  readonly playbook: BoundPlaybook;
  readonly step: BoundStep;
  readonly after: string;
}

/** A step with the playbook it belongs to. */
export interface QueuedStep {
  readonly playbook: BoundPlaybook;
  readonly step: BoundStep;
}

/** The steps of several playbooks in the order they are made: what starts daemons comes last. */
export function queueSteps(playbooks: readonly BoundPlaybook[]): QueuedStep[] {
  const all = playbooks.flatMap((playbook) => playbook.steps.map((step) => ({ playbook, step })));
  return [
    ...all.filter(({ step }) => step.module.runsLast !== true),
    ...all.filter(({ step }) => step.module.runsLast === true),
  ];
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
 * ends the stage.
 */
export function compileStagePlan(
  queue: readonly QueuedStep[],
  observed: FactSet,
  context: PlanContext,
): StagePlan {
  const steps: PlannedStep[] = [];
  let facts = observed;
  const unforeseen = new Map<string, string>();
  for (const [index, queued] of queue.entries()) {
    const hidden = requestsFor([queued], context).find(({ key }) => unforeseen.has(key));
    if (hidden !== undefined) {
      const after = unforeseen.get(hidden.key) ?? '';
      return { steps, facts, later: queue.slice(index).map((one) => ({ ...one, after })) };
    }
    const stop = steps.find(
      ({ action, playbook }) => action === 'blocked' && playbook === queued.playbook.name,
    );
    const planned =
      stop === undefined ? planStep(queued, facts, context) : undecided(queued, stop.id);
    steps.push(planned);
    for (const change of planned.changes) {
      facts = facts
        .with(change.factsAfter)
        .without(change.invalidates, `not known before step ${planned.id} is made`);
      change.invalidates.forEach((key) => unforeseen.set(key, planned.id));
    }
  }
  return { steps, facts, later: [] };
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
