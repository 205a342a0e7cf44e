import type { Change } from '../core/change.ts';
import type { FactRequest, FactSet } from '../facts/fact.ts';
import type { PlanContext } from '../modules/module.ts';
import {
  compileStagePlan,
  queueSteps,
  requestsFor,
  type QueuedStep,
  type StagePlan,
} from '../plan/compile.ts';
import type { PlannedStep } from '../plan/plan.ts';
import { loginPort } from '../playbook/bind.ts';
import type { BoundPlaybook, Check, Requirement } from '../playbook/playbook.ts';

/** What a run is to do on a host, decided stage by stage. Pure. */
export interface Work {
  /** One line for receipts and for the next person at the console. */
  readonly title: string;
  /** What must hold in the end; earlier stages are judged by their steps alone. */
  readonly checks: readonly Check[];
  readonly requires: Requirement | null;
  /** False where more stages follow that the plan of this one does not know of. */
  readonly isLast: boolean;
  /** The port on which a login proves it; null for the endpoint's own. */
  readonly proofPort: number | null;
  /** Everything that must be observed to decide. */
  requests(context: PlanContext): readonly FactRequest[];
  /** Decides the next stage on what was observed. */
  plan(facts: FactSet, context: PlanContext): StagePlan;
  /** The steps of a stage that was made, decided again on new facts: none may have anything to do. */
  again(plan: StagePlan, facts: FactSet, context: PlanContext): readonly PlannedStep[];
  /** What is left after a stage. */
  after(plan: StagePlan): Work;
}

/** The steps of playbooks. */
export function playbookWork(playbooks: readonly BoundPlaybook[]): Work {
  return stepsWork(queueSteps(playbooks), {
    title: `playbooks: ${playbooks.map(({ name }) => name).join(', ')}`,
    checks: playbooks.flatMap(({ checks }) => checks),
    requires: playbooks.find(({ requires }) => requires !== null)?.requires ?? null,
  });
}

type Head = Pick<Work, 'title' | 'checks' | 'requires'>;

function stepsWork(queue: readonly QueuedStep[], head: Head): Work {
  return {
    ...head,
    proofPort: loginPort(head.checks),
    isLast: true,
    requests: (context) => requestsFor(queue, context),
    plan: (facts, context) => compileStagePlan(queue, facts, context),
    again: (plan, facts, context) => {
      const made = queue.filter((one) => !plan.later.some(({ step }) => step === one.step));
      return compileStagePlan(made, facts, context).steps;
    },
    after: (plan) => stepsWork(plan.later, head),
  };
}

/** The changes of a stage in the order they are made. */
export function changesOf(plan: StagePlan): readonly Change[] {
  return plan.steps.flatMap(({ changes }) => changes);
}

/** Whether a plan holds all that is left of the work. */
export function isWhole(work: Work, plan: StagePlan): boolean {
  return work.isLast && plan.later.length === 0;
}

/** Whether what comes after a stage is begun only after a fresh login. */
export function waitsForProof(work: Work, plan: StagePlan): boolean {
  return !work.isLast || plan.later.some(({ waitsFor }) => waitsFor === 'proof');
}
