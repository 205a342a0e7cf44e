import type { Diagnostic, Location } from '../core/diagnostic.ts';

/** A problem inside one scalar: offsets count in its value, not in the file. */
export interface TextProblem {
  readonly code: string;
  readonly summary: string;
  readonly detail: string;
  readonly hint: string;
  readonly start: number;
  readonly end: number;
}

/** What is said about a problem, apart from where it is. */
export type ProblemText = Pick<Diagnostic, 'code' | 'summary' | 'detail'> & {
  readonly hint?: string;
};

/** Makes an error out of its text and its place. */
export function problem(text: ProblemText, location: Location | null): Diagnostic {
  const { code, summary, detail, hint = '' } = text;
  return { severity: 'error', code, summary, detail, hint, location };
}

/** Lists names for a message: `«a», «b» and «c»`. */
export function listNames(names: Iterable<string>): string {
  const quoted = [...names].map((name) => `«${name}»`);
  const last = quoted.pop();
  if (last === undefined) {
    return 'none';
  }
  return quoted.length === 0 ? last : `${quoted.join(', ')} and ${last}`;
}
