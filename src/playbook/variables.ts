import type { Diagnostic, Location } from '../core/diagnostic.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { didYouMean } from '../core/suggest.ts';
import type { Playbook, Value, Values, Variable } from './playbook.ts';
import { listNames, problem } from './problem.ts';
import { isTemplate, parseTemplate, renderTemplate } from './template.ts';
import { readDefault, readValue } from './variable-types.ts';

/** What `--var` gave, by name. */
export type Given = Readonly<Record<string, string>>;

/**
 * Shares out what `--var` gave: each playbook gets the variables that it declares. It is an error
 * only where no playbook has one. The answer is in the order of `playbooks`.
 */
export function shareVariables(
  playbooks: readonly Playbook[],
  given: Given,
): Result<readonly Given[], Diagnostic[]> {
  const declared = new Set(playbooks.flatMap(({ vars }) => [...vars.keys()]));
  const unknown = Object.keys(given).filter((name) => !declared.has(name));
  if (unknown.length > 0) {
    return fail(unknown.map((name) => unknownGiven(name, declared)));
  }
  return ok(
    playbooks.map(({ vars }) =>
      Object.fromEntries(Object.entries(given).filter(([name]) => vars.has(name))),
    ),
  );
}

/** Gives every variable of a playbook its value, checked by type. All problems are found at once. */
export function bindVariables(
  playbook: Playbook,
  given: Given,
  endpoint: Endpoint,
): Result<Values, Diagnostic[]> {
  const values = new Map<string, Value>();
  const names = new Set(playbook.vars.keys());
  const problems = Object.keys(given).flatMap((name) =>
    names.has(name) ? [] : [unknownGiven(name, names)],
  );
  for (const variable of playbook.vars.values()) {
    const text = Object.hasOwn(given, variable.name) ? given[variable.name] : undefined;
    const value =
      text === undefined ? bindDefault(playbook, variable, endpoint) : bindGiven(variable, text);
    if (value.ok) {
      values.set(variable.name, value.value);
    } else {
      problems.push(value.error);
    }
  }
  return problems.length > 0 ? fail(problems) : ok(values);
}

function bindGiven(variable: Variable, text: string): Result<Value, Diagnostic> {
  const value = readValue(text, variable);
  return value.ok
    ? value
    : fail(
        problem(
          { code: 'invalid-variable', summary: 'Invalid variable', detail: value.error },
          flag(variable.name),
        ),
      );
}

function bindDefault(
  playbook: Playbook,
  variable: Variable,
  endpoint: Endpoint,
): Result<Value, Diagnostic> {
  if (variable.default === null) {
    return fail(missing(playbook, variable));
  }
  const rendered = renderDefault(variable.default, endpoint);
  const value = rendered.ok ? readDefault(rendered.value, variable) : rendered;
  if (value.ok) {
    return value;
  }
  const detail = `The default of «${variable.name}» does not fit. ${value.error}`;
  const hint = `To give another value, add:\n    --var ${variable.name}=${placeholder(variable)}`;
  const location = playbook.source.at(['vars', variable.name, 'default']);
  return fail(
    problem({ code: 'invalid-variable', summary: 'Invalid default', detail, hint }, location),
  );
}

function renderDefault(value: Value, endpoint: Endpoint): Result<Value, string> {
  const template = isTemplate(value) ? parseTemplate(value) : null;
  return template?.ok ? renderTemplate(template.value, new Map(), endpoint) : ok(value);
}

function missing(playbook: Playbook, variable: Variable): Diagnostic {
  const detail = `The playbook «${playbook.name}» needs the variable «${variable.name}»: ${variable.summary}.`;
  const hint = `To give it, add:\n    --var ${variable.name}=${placeholder(variable)}`;
  return problem(
    { code: 'missing-variable', summary: 'Missing variable', detail, hint },
    flag(variable.name),
  );
}

function placeholder({ type, values }: Variable): string {
  return type === 'choice' ? values.join('|') : type.toUpperCase();
}

function unknownGiven(name: string, known: ReadonlySet<string>): Diagnostic {
  const list =
    known.size === 0 ? 'There are no variables.' : `The variables are ${listNames(known)}.`;
  const detail = `No playbook here has a variable «${name}».${didYouMean(name, known)} ${list}`;
  return problem({ code: 'unknown-variable', summary: 'Unknown variable', detail }, flag(name));
}

function flag(name: string): Location {
  return { file: `--var ${name}`, line: 1, column: 1, length: 1, lineText: null };
}
