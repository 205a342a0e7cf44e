import type { Diagnostic } from '../core/diagnostic.ts';
import { didYouMean } from '../core/suggest.ts';
import { parseCondition, type Condition } from './condition.ts';
import { checkArguments } from './arguments.ts';
import type { Registry, VariableType } from './playbook.ts';
import { listNames, problem, type TextProblem } from './problem.ts';
import type { PlaybookData } from './schema.ts';
import type { Path, Source } from './source.ts';
import { checkTemplate, templateLeaves } from './template-check.ts';
import { checkVariables } from './variable-rules.ts';

/** What the steps of a playbook may name. */
export interface Names {
  readonly registry: Registry;
  readonly variables: ReadonlyMap<string, VariableType>;
}

/** Rules across fields. They run on unchecked data, so that one report holds every problem. */
export function checkRules(data: unknown, source: Source, names: Names): readonly Diagnostic[] {
  const root = record(data);
  const steps = list(root['steps']).map(record);
  return [
    ...checkVariables(record(root['vars']), source),
    ...duplicateSteps(steps, source),
    ...unprovableStep(steps, source),
    ...steps.flatMap((step, index) => [
      ...checkModule(step, index, source, names),
      ...checkWhen(step, index, source, names),
      ...checkTemplates(step['with'], ['steps', index, 'with'], source, names),
    ]),
    ...misplacedTemplates(root, source),
    ...checkTemplates(root['checks'], ['checks'], source, names),
  ];
}

/** The conditions of a playbook that has passed the rules, by step. */
export function readConditions(data: PlaybookData, names: Names): readonly (Condition | null)[] {
  return data.steps.map(({ when }) => {
    const condition = when === undefined ? null : parseCondition(when, conditionScope(names));
    return condition?.ok ? condition.value : null;
  });
}

/** Turns problems inside a text value into diagnostics with places in the file. */
export function locateAll(
  problems: readonly TextProblem[],
  path: Path,
  source: Source,
): readonly Diagnostic[] {
  return problems.map(({ start, end, ...text }) => problem(text, source.within(path, start, end)));
}

function conditionScope({ registry, variables }: Names): Parameters<typeof parseCondition>[1] {
  return { facts: registry.facts, variables };
}

function duplicateSteps(
  steps: readonly Record<string, unknown>[],
  source: Source,
): readonly Diagnostic[] {
  const seen = new Map<unknown, number>();
  return steps.flatMap(({ id }, index) => {
    const first = seen.get(id);
    if (first === undefined || typeof id !== 'string') {
      seen.set(id, index);
      return [];
    }
    const { line } = source.at(['steps', first, 'id']);
    const detail = `The step «${id}» is already in line ${line}. A plan names its steps by id.`;
    return [
      problem(
        { code: 'duplicate-step', summary: 'Duplicate step', detail },
        source.at(['steps', index, 'id']),
      ),
    ];
  });
}

/** Before the first step there is nothing that a login could prove. */
function unprovableStep(
  steps: readonly Record<string, unknown>[],
  source: Source,
): readonly Diagnostic[] {
  if (steps[0]?.['after'] !== 'proof') {
    return [];
  }
  const detail =
    'The first step cannot come after a proof: no step before it changes anything that a login could prove.';
  return [
    problem(
      { code: 'invalid-value', summary: 'Nothing to prove', detail },
      source.at(['steps', 0, 'after']),
    ),
  ];
}

function checkModule(
  step: Record<string, unknown>,
  index: number,
  source: Source,
  { registry }: Names,
): readonly Diagnostic[] {
  const { uses } = step;
  if (typeof uses !== 'string' || uses === '') {
    return [];
  }
  const module = registry.modules.get(uses);
  if (module !== undefined) {
    return checkArguments(module, step['with'] ?? {}, { source, base: ['steps', index, 'with'] });
  }
  const names = [...registry.modules.keys()];
  const detail = `There is no module «${uses}», so the playbook cannot be planned.${didYouMean(uses, names)}`;
  const hint = `The modules are ${listNames(names)}.\nTo read about them, run:\n    remedy docs`;
  return [
    problem(
      { code: 'unknown-module', summary: 'Unknown module', detail, hint },
      source.at(['steps', index, 'uses']),
    ),
  ];
}

function checkWhen(
  { when }: Record<string, unknown>,
  index: number,
  source: Source,
  names: Names,
): readonly Diagnostic[] {
  const path = ['steps', index, 'when'];
  if (typeof when !== 'string' || when === '') {
    return [];
  }
  const brace = when.indexOf('{{');
  if (brace !== -1) {
    const detail =
      'A condition is no template: write the path without braces, as in «vars.port == 22».';
    return [
      problem(
        { code: 'template-syntax', summary: 'Template in a condition', detail },
        source.within(path, brace, brace + 2),
      ),
    ];
  }
  const condition = parseCondition(when, conditionScope(names));
  return condition.ok ? [] : locateAll(condition.error, path, source);
}

function checkTemplates(
  tree: unknown,
  base: Path,
  source: Source,
  { variables }: Names,
): readonly Diagnostic[] {
  const declared = new Set(variables.keys());
  return templateLeaves(tree, base).flatMap(({ path, text }) =>
    locateAll(checkTemplate(text, declared), path, source),
  );
}

/** Templates where nothing would render them: in names and summaries. */
function misplacedTemplates(root: Record<string, unknown>, source: Source): readonly Diagnostic[] {
  const paths: Path[] = [['name'], ['summary'], ['description']];
  list(root['steps']).forEach((_, index) =>
    paths.push(['steps', index, 'id'], ['steps', index, 'summary'], ['steps', index, 'uses']),
  );
  Object.keys(record(root['vars'])).forEach((name) => paths.push(['vars', name, 'summary']));
  return paths.flatMap((path) => {
    const value = path.reduce<unknown>(
      (each, key) => (Array.isArray(each) ? each[Number(key)] : record(each)[String(key)]),
      root,
    );
    const start = typeof value === 'string' ? value.indexOf('{{') : -1;
    const detail =
      'Templates are rendered in «with», in «checks» and in the default of a variable, and nowhere else.';
    return start === -1
      ? []
      : [
          problem(
            { code: 'template-syntax', summary: 'Misplaced template', detail },
            source.within(path, start, start + 2),
          ),
        ];
  });
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
