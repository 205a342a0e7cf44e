import type { z } from 'zod';
import type { Diagnostic } from '../core/diagnostic.ts';
import { didYouMean } from '../core/suggest.ts';
import { listNames, problem } from './problem.ts';
import type { Path, Source } from './source.ts';
import { allowedKeys } from './zod-keys.ts';

/** What was validated, and where it stands in the file. */
export interface Validated {
  readonly schema: z.core.$ZodType;
  readonly data: unknown;
  /** The path of `data` in the file. */
  readonly base: Path;
  readonly source: Source;
  /** What the keys belong to, for messages: `a playbook`, `the module «ufw-rule»`. */
  readonly owner: string;
  /** True where templates were rendered, so that the value is not what stands in the file. */
  readonly rendered?: boolean;
}

/** Says what a validation found wrong, each with its place. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  validated: Validated,
): readonly Diagnostic[] {
  const misspelt = new Set(
    issues.flatMap(({ code, path }) => (code === 'unrecognized_keys' ? [path.join('.')] : [])),
  );
  return issues
    .filter(({ code, path }) => code !== 'custom' || !misspelt.has(path.join('.')))
    .flatMap((issue) => describeIssue(issue, validated));
}

function describeIssue(issue: z.core.$ZodIssue, validated: Validated): readonly Diagnostic[] {
  const { base, source, data } = validated;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, issue.path, validated));
    case 'invalid_union':
      return describeUnion(issue, validated);
    case 'invalid_key': {
      const location = source.at([...base, ...issue.path], 'key');
      const reasons = issue.issues.map(({ message }) => message).join('; ');
      const detail = `The name «${String(issue.path.at(-1))}» ${reasons}.`;
      return [problem({ code: 'invalid-value', summary: 'Invalid name', detail }, location)];
    }
    default: {
      const found = lookUp(data, issue.path);
      return [
        found === undefined && issue.path.length > 0
          ? missingKey(issue.path, validated)
          : invalidValue(issue, found, validated),
      ];
    }
  }
}

/** The first alternative is the one that people mean; later ones are templates and shorthands. */
function describeUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  validated: Validated,
): readonly Diagnostic[] {
  if (lookUp(validated.data, issue.path) === undefined && issue.path.length > 0) {
    return [missingKey(issue.path, validated)];
  }
  const shallow =
    issue.errors.find((errors) => errors.some(({ path }) => path.length > 0)) ??
    issue.errors[0] ??
    [];
  if (shallow.length === 0) {
    const location = validated.source.at([...validated.base, ...issue.path]);
    const detail = `The value of «${issue.path.join('.')}» fits none of the allowed forms.`;
    return [problem({ code: 'invalid-value', summary: 'Invalid value', detail }, location)];
  }
  const inner = shallow.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
  return describeIssues(inner, validated);
}

/** An unknown key, underlined itself, with the key that was probably meant. */
export function unknownKey(
  key: string,
  path: Path,
  { schema, base, source, owner }: Validated,
): Diagnostic {
  const allowed = allowedKeys(schema, path);
  const where = path.length === 0 ? owner : `«${path.join('.')}» of ${owner}`;
  const list =
    allowed.length === 0 ? 'No keys are allowed here.' : `Allowed are ${listNames(allowed)}.`;
  const detail = `There is no key «${key}» in ${where}.${didYouMean(key, allowed)} ${list}`;
  return problem(
    { code: 'unknown-key', summary: 'Unknown key', detail },
    source.at([...base, ...path, key], 'key'),
  );
}

function missingKey(path: Path, { base, source, owner }: Validated): Diagnostic {
  const key = String(path.at(-1));
  const where = path.length === 1 ? owner : `«${path.slice(0, -1).join('.')}» of ${owner}`;
  const detail = `The key «${key}» is missing in ${where}.`;
  return problem(
    { code: 'missing-key', summary: 'Missing key', detail },
    source.at([...base, ...path], 'key'),
  );
}

function invalidValue(issue: z.core.$ZodIssue, value: unknown, validated: Validated): Diagnostic {
  const { base, source, owner, rendered = false } = validated;
  const name =
    issue.path.length === 0
      ? `${owner.charAt(0).toUpperCase()}${owner.slice(1)}`
      : `«${issue.path.join('.')}»`;
  const text = requirement(issue, value);
  const hint = issue.code === 'invalid_type' && !rendered ? quoteHint(issue.expected, value) : '';
  const detail = `${name}${text.startsWith('must') ? ' ' : ': '}${text}${hint}`;
  const code = issue.code === 'invalid_type' ? 'wrong-type' : 'invalid-value';
  const summary = code === 'wrong-type' ? 'Wrong type' : 'Invalid value';
  return problem({ code, summary, detail }, source.at([...base, ...issue.path]));
}

/** The rest of a sentence that begins with the name of what is wrong. */
function requirement(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeNames[issue.expected] ?? issue.expected}, and is ${describeValue(value)}.`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      const meant = typeof value === 'string' ? didYouMean(value, values) : '';
      return `must be ${values.length === 1 ? '' : 'one of '}${listNames(values)}, and is ${describeValue(value)}.${meant}`;
    }
    case 'too_small':
    case 'too_big':
      return `must have ${limit(issue)}, and is ${describeValue(value)}.`;
    case 'custom':
      return `${issue.message}.`;
    default:
      return `${issue.message.replace(/^Invalid string: /, '')}, and is ${describeValue(value)}.`;
  }
}

function limit(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const bound =
    issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
  const units: Record<string, string> = {
    string: ' characters',
    array: ' entries',
    set: ' entries',
  };
  return `${units[issue.origin] === undefined ? 'a value of ' : ''}${bound}${units[issue.origin] ?? ''}`;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
};

function describeValue(value: unknown): string {
  if (value === null || value === undefined) {
    return 'empty';
  }
  if (typeof value === 'object') {
    return Array.isArray(value) ? 'a list' : 'a mapping';
  }
  const text = String(value);
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return typeof value === 'string'
    ? `the text «${short}»`
    : `${typeof value === 'number' ? 'the number' : 'the value'} ${short}`;
}

function quoteHint(expected: string, value: unknown): string {
  const scalar = typeof value === 'number' || typeof value === 'boolean';
  return expected === 'string' && scalar ? ' Put it in quotes.' : '';
}

/** The value at a path, looking at own properties only. */
export function lookUp(data: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, segment) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, segment)
        ? (value as Record<PropertyKey, unknown>)[segment]
        : undefined,
    data,
  );
}
