/** A place in a text that a person wrote. Lines and columns count from 1, in UTF-16 units. */
export interface Location {
  /** The file as the user would name it, or `--var port` for a flag. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Length of what is wrong, in characters, for the underline; at least 1. */
  readonly length: number;
  /** The whole line, for showing; null where there is none (a flag). */
  readonly lineText: string | null;
}

/** One problem in what a user wrote. Problems are collected; loading never stops at the first. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** Stable, kebab-case: `unknown-key`, `unknown-module`, `duplicate-step` … */
  readonly code: string;
  /** A fixed short sentence without user data: `Unknown module`. */
  readonly summary: string;
  /** What is wrong here and why it matters, in full sentences. */
  readonly detail: string;
  /** What to do; a command stands on its own line. Empty where the detail says it all. */
  readonly hint: string;
  readonly location: Location | null;
}
