import type { z } from 'zod';
import type { Change } from '../core/change.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { FactRequest, FactSet } from '../facts/fact.ts';

/** What a module says: nothing to do and why, the changes, or why it cannot tell or must not. */
export type ModulePlan =
  | { readonly action: 'none'; readonly reason: string }
  | { readonly action: 'change'; readonly reason: string; readonly changes: readonly Change[] }
  | { readonly action: 'blocked'; readonly reason: string; readonly todo?: string };

/** What a module may look at besides its arguments and its facts. */
export interface PlanContext {
  readonly endpoint: Endpoint;
  /** The run's id: a suffix for what is moved aside, so that runs never overwrite each other. */
  readonly runId: string;
  /** Renders one of `templates/*.hbs`: the text of a file that is placed on the host. */
  readonly render: Render;
}

/** Renders the template of a name with values; the same values give the same text. */
export type Render = (name: string, values: Readonly<Record<string, string>>) => string;

/**
 * Compares facts with its arguments and returns changes. Pure: no I/O, no clock. A second run with
 * the facts that its changes leave must answer `none`.
 */
export interface Module<S extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly summary: string;
  /** True for what starts a daemon: planned and done after the steps that repair its files. */
  readonly runsLast?: true;
  /** The arguments of `with`; every field has a `.describe()` for the reference. */
  readonly schema: S;
  facts(args: z.output<S>, context: PlanContext): readonly FactRequest[];
  plan(args: z.output<S>, facts: FactSet, context: PlanContext): ModulePlan;
}

/** Nothing to do; the reason is shown. */
export function none(reason: string): ModulePlan {
  return { action: 'none', reason };
}

/**
 * Not to be done, or not knowable; any blocked step stops the run before the first write. `todo` says
 * what helps, where the module knows it.
 */
export function blocked(reason: string, todo?: string): ModulePlan {
  return { action: 'blocked', reason, ...(todo === undefined ? {} : { todo }) };
}

/** Changes to make; without any it is `none` with the same reason. */
export function change(reason: string, changes: readonly Change[]): ModulePlan {
  return changes.length === 0 ? none(reason) : { action: 'change', reason, changes };
}
