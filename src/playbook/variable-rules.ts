import type { Diagnostic } from '../core/diagnostic.ts';
import { variableTypes, type VariableType } from './playbook.ts';
import { problem } from './problem.ts';
import type { Source } from './source.ts';
import { checkTemplate } from './template-check.ts';
import { isTemplate } from './template.ts';
import { readDefault } from './variable-types.ts';

/** Rules of variables that no single field shows: defaults of the right type, choices with values. */
export function checkVariables(
  vars: Readonly<Record<string, unknown>>,
  source: Source,
): readonly Diagnostic[] {
  return Object.entries(vars).flatMap(([name, data]) =>
    typeof data === 'object' && data !== null
      ? checkVariable(name, data as Record<string, unknown>, source)
      : [],
  );
}

function checkVariable(
  name: string,
  data: Readonly<Record<string, unknown>>,
  source: Source,
): readonly Diagnostic[] {
  const type = variableTypes.find((known) => known === data['type']);
  return [
    ...(type === undefined
      ? []
      : [...checkChoice(name, type, data, source), ...checkDefault(name, type, data, source)]),
    ...checkRequired(name, data, source),
  ];
}

function checkChoice(
  name: string,
  type: VariableType,
  data: Readonly<Record<string, unknown>>,
  source: Source,
): readonly Diagnostic[] {
  const given = data['values'] !== undefined;
  if (given === (type === 'choice')) {
    return [];
  }
  const detail = given
    ? `The variable «${name}» is of type ${type}; only a choice has «values».`
    : `The variable «${name}» is a choice: list what it allows in «values».`;
  const code = given ? 'unknown-key' : 'missing-key';
  return [
    problem(
      { code, summary: given ? 'Unknown key' : 'Missing key', detail },
      source.at(['vars', name, 'values'], 'key'),
    ),
  ];
}

function checkDefault(
  name: string,
  type: VariableType,
  data: Readonly<Record<string, unknown>>,
  source: Source,
): readonly Diagnostic[] {
  const path = ['vars', name, 'default'];
  const value = data['default'];
  if (isTemplate(value)) {
    return checkTemplate(value, null).map(({ start, end, ...text }) =>
      problem(text, source.within(path, start, end)),
    );
  }
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    return [];
  }
  const values = Array.isArray(data['values']) ? data['values'].map(String) : [];
  const read = readDefault(value, { type, values });
  return read.ok
    ? []
    : [
        problem(
          { code: 'invalid-value', summary: 'Invalid default', detail: read.error },
          source.at(path),
        ),
      ];
}

function checkRequired(
  name: string,
  data: Readonly<Record<string, unknown>>,
  source: Source,
): readonly Diagnostic[] {
  const hasDefault = data['default'] !== undefined;
  if (data['required'] === undefined || data['required'] !== hasDefault) {
    return [];
  }
  const detail = hasDefault
    ? `The variable «${name}» is required and has a default: one of the two has no effect.`
    : `The variable «${name}» is not required, so it needs a default.`;
  return [
    problem(
      { code: 'invalid-value', summary: 'Contradiction', detail },
      source.at(['vars', name, 'required']),
    ),
  ];
}
