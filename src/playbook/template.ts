import Handlebars from 'handlebars';
import type { Endpoint } from '../core/endpoint.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { TextProblem } from './problem.ts';
import type { Value, Values } from './playbook.ts';

/** The fields of `endpoint` that a playbook may name. */
export const endpointFields = ['host', 'address', 'port', 'user', 'from'] as const;

/** A field of `endpoint` that a playbook may name. */
export type EndpointField = (typeof endpointFields)[number];

/** One `{{ path }}`, with its offsets in the text. */
export interface TemplatePath {
  readonly root: 'vars' | 'endpoint';
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** A text with paths in it. With one part that is a path, the value keeps its type. */
export interface Template {
  readonly parts: readonly (string | TemplatePath)[];
}

const pathForm = /^\{\{\s*(vars|endpoint)\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;

/** True where a text has to be parsed as a template at all. */
export function isTemplate(value: unknown): value is string {
  return typeof value === 'string' && value.includes('{{');
}

/** Parses a text with Handlebars' own parser and refuses everything but plain paths. */
export function parseTemplate(text: string): Result<Template, TextProblem[]> {
  const escaped = [...text.matchAll(/\\\{\{/g)].map(({ index }) => misuse(index, index + 3));
  if (escaped.length > 0) {
    return fail(escaped);
  }
  let body: readonly hbs.AST.Statement[];
  try {
    body = Handlebars.parseWithoutProcessing(text).body;
  } catch {
    return fail(brokenParts(text));
  }
  const parts = body.map((statement) => readStatement(text, statement));
  const problems = parts.flatMap((part) => (part.ok ? [] : [part.error]));
  return problems.length > 0
    ? fail(problems)
    : ok({ parts: parts.flatMap((part) => (part.ok ? [part.value] : [])) });
}

/** The paths in a template. */
export function templatePaths(template: Template): readonly TemplatePath[] {
  return template.parts.filter((part) => typeof part !== 'string');
}

/** Puts values in. No JavaScript is generated or run; the error says what is not known. */
export function renderTemplate(
  template: Template,
  values: Values,
  endpoint: Endpoint,
): Result<Value, string> {
  const rendered: Value[] = [];
  for (const part of template.parts) {
    const value = typeof part === 'string' ? ok(part) : lookUp(part, values, endpoint);
    if (!value.ok) {
      return value;
    }
    rendered.push(value.value);
  }
  const [first] = rendered;
  return ok(rendered.length === 1 && first !== undefined ? first : rendered.map(String).join(''));
}

/** The value of a field of `endpoint`, or null where nobody knows it. */
export function endpointValue(endpoint: Endpoint, field: EndpointField): string | number | null {
  return field === 'from' ? (endpoint.from?.address ?? null) : endpoint[field];
}

/** True for a field of `endpoint` that may be named. */
export function isEndpointField(name: string): name is EndpointField {
  return (endpointFields as readonly string[]).includes(name);
}

function lookUp(path: TemplatePath, values: Values, endpoint: Endpoint): Result<Value, string> {
  if (path.root === 'vars') {
    const value = values.get(path.name);
    return value === undefined ? fail(`The variable «${path.name}» has no value.`) : ok(value);
  }
  const value = isEndpointField(path.name) ? endpointValue(endpoint, path.name) : null;
  return value === null ? fail(unknownEndpoint(path.name)) : ok(value);
}

function unknownEndpoint(name: string): string {
  return name === 'from'
    ? 'The address that clients come from is not known. Give it with --from ADDRESS.'
    : `The endpoint's ${name} is not known.`;
}

function readStatement(
  text: string,
  statement: hbs.AST.Statement,
): Result<string | TemplatePath, TextProblem> {
  const start = offset(text, statement.loc.start);
  const end = offset(text, statement.loc.end);
  if (statement.type === 'ContentStatement') {
    const { value } = statement as hbs.AST.ContentStatement;
    return ok(value);
  }
  // The parser says what it is; the text itself must be plain too, as `{{ vars.[x] }}` is not.
  const match = pathForm.exec(text.slice(start, end));
  if (match === null || !isPlainPath(statement)) {
    return fail(misuse(start, end, text));
  }
  return ok({ root: match[1] === 'vars' ? 'vars' : 'endpoint', name: match[2] ?? '', start, end });
}

/** True for a statement that is nothing but a path: no helper call, no raw or stripping braces. */
function isPlainPath(statement: hbs.AST.Statement): boolean {
  if (statement.type !== 'MustacheStatement') {
    return false;
  }
  const { path, params, hash, escaped, strip } = statement as hbs.AST.MustacheStatement;
  const plain = path.type === 'PathExpression' && params.length === 0 && hash === undefined;
  return plain && escaped && !strip.open && !strip.close;
}

/** Handlebars gives no usable place for a syntax error: each `{{ … }}` is tried alone to find it. */
function brokenParts(text: string): TextProblem[] {
  const found: TextProblem[] = [];
  for (let start = text.indexOf('{{'); start !== -1;) {
    const close = text.indexOf('}}', start);
    const end = close === -1 ? text.length : text[close + 2] === '}' ? close + 3 : close + 2;
    if (!parses(text.slice(start, end))) {
      found.push(misuse(start, end));
    }
    start = text.indexOf('{{', end);
  }
  return found.length > 0 ? found : [misuse(0, text.length)];
}

function parses(piece: string): boolean {
  try {
    const [statement, ...rest] = Handlebars.parseWithoutProcessing(piece).body;
    return statement !== undefined && rest.length === 0 && readStatement(piece, statement).ok;
  } catch {
    return false;
  }
}

function misuse(start: number, end: number, text = ''): TextProblem {
  return {
    code: 'template-syntax',
    summary: 'Invalid template',
    detail:
      'Between «{{» and «}}» stands one path, as in «{{ vars.port }}» or «{{ endpoint.user }}»: ' +
      'no helpers, blocks, partials or comments, and no third brace.',
    hint: '',
    start,
    // Handlebars ends a `}}}` one brace too early.
    end: text[end] === '}' ? end + 1 : end,
  };
}

function offset(text: string, position: hbs.AST.Position): number {
  let start = 0;
  for (let line = 1; line < position.line; line += 1) {
    start = text.indexOf('\n', start) + 1;
  }
  return start + position.column;
}
