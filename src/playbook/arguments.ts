import type { Diagnostic } from '../core/diagnostic.ts';
import type { Module } from '../modules/module.ts';
import { describeIssues, lookUp } from './issues.ts';
import type { Path, Source } from './source.ts';
import { isTemplate } from './template.ts';
import { templateLeaves } from './template-check.ts';

/** Where the arguments of a step stand. */
export interface ArgumentsPlace {
  readonly source: Source;
  readonly base: Path;
}

/**
 * Checks the arguments of a step against its module while templates have no values yet: whatever is
 * said about a template, or about a whole that holds one, is left for `bindPlaybook`.
 */
export function checkArguments(
  module: Module,
  data: unknown,
  { source, base }: ArgumentsPlace,
): readonly Diagnostic[] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    return [];
  }
  const parsed = module.schema.safeParse(data);
  const issues = parsed.success
    ? []
    : parsed.error.issues.filter(({ code, path }) => isSettled(data, code, path));
  return describeIssues(issues, {
    schema: module.schema,
    data,
    base,
    source,
    owner: `the module «${module.name}»`,
  });
}

function isSettled(data: unknown, code: string | undefined, path: Path): boolean {
  if (code === 'unrecognized_keys' || code === 'invalid_type') {
    return !isTemplate(lookUp(data, path));
  }
  return templateLeaves(lookUp(data, path), []).length === 0;
}
