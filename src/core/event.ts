import type { Change } from './change.ts';
import type { Failure } from './failure.ts';

/** What a run tells its renderer while it works. Renderers are interchangeable; none is asked. */
export type RunEvent =
  | { readonly type: 'phase'; readonly phase: Phase; readonly detail: string }
  | { readonly type: 'phase-done'; readonly phase: Phase; readonly detail: string }
  | { readonly type: 'phase-failed'; readonly phase: Phase; readonly failure: Failure }
  | {
      readonly type: 'plan';
      readonly steps: readonly StepSummary[];
      readonly later: readonly LaterSummary[];
      /** What the later steps will likely do. */
      readonly foreseen: readonly StepSummary[];
    }
  | {
      readonly type: 'change-started';
      readonly index: number;
      readonly total: number;
      readonly summary: string;
    }
  | {
      readonly type: 'change-done';
      readonly index: number;
      readonly total: number;
      readonly summary: string;
    }
  /** From here on the host takes everything back by itself unless the run is confirmed. */
  | {
      readonly type: 'armed';
      readonly runId: string;
      readonly by: string;
      readonly boot: string;
      /** The confirm window, in seconds, which begins after the last change. */
      readonly seconds: number;
    }
  | { readonly type: 'reverting'; readonly runId: string; readonly why: string }
  /** The stage needs no word any more: it was confirmed, or taken back. */
  | { readonly type: 'settled'; readonly runId: string; readonly how: 'confirmed' | 'reverted' }
  | { readonly type: 'notice'; readonly text: string };

/** A planned step as a renderer shows it. */
export interface StepSummary {
  readonly id: string;
  readonly playbook: string;
  readonly action: 'none' | 'change' | 'skipped' | 'blocked';
  readonly reason: string;
  readonly changes: readonly Change[];
}

/** A step that is decided only after another one was made. */
export interface LaterSummary {
  readonly id: string;
  readonly playbook: string;
  readonly after: string;
  /** What must come before it: a proof by login, or another look at the host. */
  readonly waitsFor: 'proof' | 'facts';
}

/** The stations of the pipeline, in order. */
export type Phase =
  | 'connect'
  | 'observe'
  | 'plan'
  | 'gate'
  | 'probe'
  | 'apply'
  | 'check'
  | 'prove'
  | 'confirm'
  | 'revert';

/** Receives the events of a run. */
export type Emit = (event: RunEvent) => void;
