import type { Location } from '../core/diagnostic.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { Argv } from '../core/quote.ts';
import type { Module } from '../modules/module.ts';
import type { Condition } from './condition.ts';
import type { Source } from './source.ts';

/** What a playbook may name: known before any host is contacted. */
export interface Registry {
  readonly modules: ReadonlyMap<string, Module>;
  /** Facts that take no arguments, and so may be named in a `when`. */
  readonly facts: ReadonlySet<string>;
}

/** What must be so before the first write of a playbook. */
export const requirements = ['key-login'] as const;

/** What must be so before the first write: `key-login`, a login by key that works. */
export type Requirement = (typeof requirements)[number];

/** The kinds of values a variable can hold. */
export const variableTypes = [
  'port',
  'cidr',
  'address',
  'user',
  'path',
  'unit',
  'string',
  'boolean',
  'integer',
  'choice',
] as const;

/** One of the kinds of values a variable can hold. */
export type VariableType = (typeof variableTypes)[number];

/** The value of a variable: a port and an integer are numbers, a boolean is one, the rest is text. */
export type Value = string | number | boolean;

/** The values of a playbook's variables by name. A map, so that no name can reach a prototype. */
export type Values = ReadonlyMap<string, Value>;

/** A variable as a playbook declares it. */
export interface Variable {
  readonly name: string;
  readonly type: VariableType;
  readonly summary: string;
  /** True where `--var` must give it: there is no default. */
  readonly required: boolean;
  /** Null where it is required. Text may be a template over `endpoint`. */
  readonly default: Value | null;
  /** What a `choice` allows; empty for other types. */
  readonly values: readonly string[];
  readonly location: Location;
}

/** A step as it was written, checked against its module but with templates still in place. */
export interface Step {
  readonly id: string;
  readonly summary: string | null;
  readonly when: Condition | null;
  /** True where a later stage begins with it, after a proof by login. */
  readonly afterProof: boolean;
  readonly module: Module;
  /** The arguments as written. */
  readonly with: Readonly<Record<string, unknown>>;
  /** Where the step's id stands. */
  readonly location: Location;
}

/** A check as it was written: values may still be templates. */
export type CheckSource =
  | { readonly kind: 'listener'; readonly port: number | string }
  | { readonly kind: 'login'; readonly port: number | string | null }
  | { readonly kind: 'banner' }
  | { readonly kind: 'command'; readonly argv: readonly string[] };

/** What must hold after a stage. */
export type Check =
  | { readonly kind: 'listener'; readonly port: number; readonly location: Location }
  /** The port is null where it is the endpoint's. */
  | { readonly kind: 'login'; readonly port: number | null; readonly location: Location }
  | { readonly kind: 'banner'; readonly location: Location }
  | { readonly kind: 'command'; readonly argv: Argv; readonly location: Location };

/** A playbook that was read and checked; ready for values. */
export interface Playbook {
  readonly name: string;
  readonly summary: string;
  readonly description: string | null;
  /** The file as the user would name it. */
  readonly file: string;
  /** SHA-256 of the text, in hex: what a plan pins. */
  readonly digest: string;
  readonly requires: Requirement | null;
  readonly vars: ReadonlyMap<string, Variable>;
  readonly steps: readonly Step[];
  readonly checks: readonly CheckSource[];
  /** Finds the place of a key or value, so that a late problem still points at its line. */
  readonly source: Source;
}

/** A step with its arguments rendered and validated. */
export interface BoundStep {
  readonly id: string;
  /** The name of the playbook it belongs to. */
  readonly playbook: string;
  readonly summary: string | null;
  readonly when: Condition | null;
  /** True where it is made only after a fresh login has proven the stage before. */
  readonly afterProof: boolean;
  readonly module: Module;
  /** The output of the module's schema. */
  readonly args: unknown;
  readonly location: Location;
}

/** A playbook with values: what a plan is made of. */
export interface BoundPlaybook {
  readonly name: string;
  readonly summary: string;
  readonly file: string;
  readonly digest: string;
  readonly values: Values;
  readonly endpoint: Endpoint;
  readonly requires: Requirement | null;
  readonly steps: readonly BoundStep[];
  readonly checks: readonly Check[];
}
