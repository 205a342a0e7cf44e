import { didYouMean } from '../core/suggest.ts';
import { listNames, type TextProblem } from './problem.ts';
import {
  endpointFields,
  isEndpointField,
  isTemplate,
  parseTemplate,
  templatePaths,
  type TemplatePath,
} from './template.ts';
import type { Path } from './source.ts';

/** A text in a tree of plain data, and the way to it. */
export interface Leaf {
  readonly path: Path;
  readonly text: string;
}

/** Every text in a tree that holds a `{{`. */
export function templateLeaves(tree: unknown, path: Path): readonly Leaf[] {
  if (isTemplate(tree)) {
    return [{ path, text: tree }];
  }
  if (Array.isArray(tree)) {
    return tree.flatMap((item: unknown, index) => templateLeaves(item, [...path, index]));
  }
  if (typeof tree === 'object' && tree !== null) {
    return Object.entries(tree).flatMap(([key, value]) => templateLeaves(value, [...path, key]));
  }
  return [];
}

/**
 * Checks a template's syntax and its names. `variables` is null where none may be named: a default
 * is known before the variables are.
 */
export function checkTemplate(
  text: string,
  variables: ReadonlySet<string> | null,
): readonly TextProblem[] {
  const template = parseTemplate(text);
  const paths = template.ok ? templatePaths(template.value) : plainPaths(text);
  const unknown = paths.flatMap((path) => checkPath(path, variables));
  return template.ok ? unknown : [...template.error, ...unknown];
}

/** The paths that can be read in a template whose syntax is broken elsewhere. */
function plainPaths(text: string): readonly TemplatePath[] {
  return [...text.matchAll(/(?<!\{)\{\{[^{}]*\}\}(?!\})/g)].flatMap((match) => {
    const piece = parseTemplate(match[0]);
    const paths = piece.ok ? templatePaths(piece.value) : [];
    return paths.map((path) => ({
      ...path,
      start: match.index,
      end: match.index + match[0].length,
    }));
  });
}

function checkPath(
  path: TemplatePath,
  variables: ReadonlySet<string> | null,
): readonly TextProblem[] {
  const { start, end, name } = path;
  if (path.root === 'endpoint') {
    return isEndpointField(name) ? [] : [{ ...unknownField(name), start, end }];
  }
  if (variables === null) {
    const detail =
      'A default may use the endpoint only, as in «{{ endpoint.port }}»: variables have no order.';
    return [
      { code: 'unknown-variable', summary: 'Variable in a default', detail, hint: '', start, end },
    ];
  }
  return variables.has(name) ? [] : [{ ...unknownVariable(name, variables), start, end }];
}

/** What is said where a playbook names a variable that it does not declare. */
export function unknownVariable(
  name: string,
  variables: ReadonlySet<string>,
): Omit<TextProblem, 'start' | 'end'> {
  const known = variables.size === 0 ? 'It declares none.' : `It declares ${listNames(variables)}.`;
  return {
    code: 'unknown-variable',
    summary: 'Unknown variable',
    detail: `The playbook declares no variable «${name}».${didYouMean(name, variables)} ${known}`,
    hint: '',
  };
}

/** What is said where a playbook names a field that `endpoint` does not have. */
export function unknownField(name: string): Omit<TextProblem, 'start' | 'end'> {
  return {
    code: 'unknown-variable',
    summary: 'Unknown endpoint field',
    detail: `The endpoint has no field «${name}».${didYouMean(name, endpointFields)} It has ${listNames(endpointFields)}.`,
    hint: '',
  };
}
