import { cleanText } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import { changeDiff } from '../plan/diff.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { HostResult, RunResult, StageResult } from '../run/result.ts';

/** The JSON document of a run: `remedy.run/1`. Additive changes only. */
export function runDocument(run: RunResult, exitCode: number): object {
  return {
    schema: 'remedy.run/1',
    runId: run.runId,
    dryRun: run.dryRun,
    hosts: run.hosts.map(hostDocument),
    failure: failureDocument(run.failure),
    exitCode,
  };
}

function hostDocument(host: HostResult): object {
  return {
    host: host.host,
    route: host.route,
    routeDescription: host.routeDescription,
    routes: host.routes.map(({ kind, description, failure }) => ({
      route: kind,
      description: cleanText(description),
      opened: failure === null,
      failure: failureDocument(failure),
    })),
    outcome: host.outcome,
    stages: host.stages.map(stageDocument),
    proof: host.proof,
    links: host.links.map(({ layer, state, by }) => ({ layer, state, by: cleanText(by) })),
    notices: host.notices.map((notice) => cleanText(notice)),
    failure: failureDocument(host.failure),
  };
}

function stageDocument(stage: StageResult): object {
  return {
    steps: stage.steps.map(stepDocument),
    guard: stage.guard,
    checks: stage.checks.map((check) => ({ ...check, detail: cleanText(check.detail) })),
  };
}

function stepDocument(step: PlannedStep): object {
  return {
    id: step.id,
    playbook: step.playbook,
    module: step.module,
    action: step.action,
    reason: cleanText(step.reason),
    changes: step.changes.map((change) => ({
      kind: change.kind,
      target: cleanText(change.target),
      summary: cleanText(change.summary),
      risk: change.risk,
      diff: changeDiff(change),
    })),
  };
}

function failureDocument(failure: Failure | null): object | null {
  return failure === null
    ? null
    : {
        code: failure.code,
        what: cleanText(failure.what),
        why: cleanText(failure.why),
        access: cleanText(failure.access),
        todo: cleanText(failure.todo),
      };
}
