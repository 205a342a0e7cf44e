import type { Change } from '../core/change.ts';
import type { Check } from '../playbook/playbook.ts';

/** All changes for one host, and why there are none where there are none. */
export interface Plan {
  /** Version of this shape. */
  readonly version: 1;
  readonly host: string;
  readonly runId: string;
  readonly playbooks: readonly { readonly name: string; readonly digest: string }[];
  readonly stages: readonly Stage[];
}

/** What one program applies. Nearly every plan has one stage. */
export interface Stage {
  readonly steps: readonly PlannedStep[];
  readonly checks: readonly Check[];
}

/** One step of a playbook, decided. */
export interface PlannedStep {
  readonly id: string;
  readonly playbook: string;
  readonly module: string;
  readonly action: 'none' | 'change' | 'skipped' | 'blocked';
  readonly reason: string;
  /** For a blocked step: what to do about it, where that is known. */
  readonly todo?: string;
  readonly changes: readonly Change[];
}

/** The changes of a stage in the order they are made. */
export function stageChanges(stage: Stage): readonly Change[] {
  return stage.steps.flatMap(({ changes }) => changes);
}
