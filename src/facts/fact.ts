/** A value that was observed, or the reason why it is not known. Unknown is never taken for no. */
export type Observed<V> =
  | { readonly known: true; readonly value: V }
  | { readonly known: false; readonly because: string };

/** Wraps an observed value. */
export function known<V>(value: V): Observed<V> {
  return { known: true, value };
}

/** Says why a value is not known; the reason is shown to people. */
export function unknown<V>(because: string): Observed<V> {
  return { known: false, because };
}

/** What one part of a fact printed on the host. */
export interface Part {
  /** Standard output, decoded as UTF-8 with replacement characters. */
  readonly text: string;
  /** Standard output byte by byte (latin1): for files that are edited, so that no byte is lost. */
  readonly latin1: string;
  /** Standard error, cleaned; for the reason of an unknown. */
  readonly errors: string;
  /** Exit status; 124 is a time-out, 127 a command that is not there. */
  readonly status: number;
  /** True where the output was longer than the cap and was cut; the status is then not 0. */
  readonly cut: boolean;
}

/** The parts of one fact, by name. */
export type Parts = ReadonlyMap<string, Part>;

/** One thing to read: POSIX sh text made with `quote`, run with stdin from /dev/null. */
export interface Read {
  readonly part: string;
  readonly sh: string;
  /** True where it may print megabytes: that is cut on the host then, not only here. */
  readonly long?: true;
}

/**
 * A piece of observed host state.
 *
 * `read` must change nothing on the host: no file, no lock file, no kernel module or table.
 * `parse` is pure and must survive any text: the host may be hostile.
 */
export interface Fact<A, V> {
  readonly name: string;
  /** One sentence for `remedy docs`. */
  readonly summary: string;
  /** True for tools that take long; they run beside the others. */
  readonly slow: boolean;
  read(args: A): readonly Read[];
  parse(parts: Parts, args: A): Observed<V>;
}

/** A fact with its arguments: what one observation gathers. Equal keys are gathered once. */
export interface FactRequest<V = unknown> {
  readonly key: string;
  readonly name: string;
  readonly slow: boolean;
  readonly reads: readonly Read[];
  parse(parts: Parts): Observed<V>;
}

/** Binds a fact to its arguments. */
export function request<A, V>(fact: Fact<A, V>, args: A): FactRequest<V> {
  return {
    key: factKey(fact.name, args),
    name: fact.name,
    slow: fact.slow,
    reads: fact.read(args),
    parse: (parts) => fact.parse(parts, args),
  };
}

/** The name under which a fact's value is kept: the fact and its arguments. */
export function factKey(name: string, args: unknown): string {
  return args === undefined ? name : `${name}(${JSON.stringify(args)})`;
}

/** The facts of one observation, and those that planned changes have folded in. Immutable. */
export class FactSet {
  readonly #values: ReadonlyMap<string, Observed<unknown>>;

  constructor(values: ReadonlyMap<string, Observed<unknown>>) {
    this.#values = values;
  }

  /** The value of a request, or unknown where it was not gathered. */
  get<V>(wanted: FactRequest<V>): Observed<V> {
    const value = this.#values.get(wanted.key);
    return value === undefined
      ? unknown(`${wanted.name} was not observed`)
      : (value as Observed<V>);
  }

  /** All values by key; `facts.NAME` in a `when` is looked up here. */
  byKey(key: string): Observed<unknown> | undefined {
    return this.#values.get(key);
  }

  /** A copy with some values replaced. */
  with(after: readonly { readonly key: string; readonly value: unknown }[]): FactSet {
    const values = new Map(this.#values);
    for (const { key, value } of after) {
      values.set(key, known(value));
    }
    return new FactSet(values);
  }

  /** A copy in which some facts are unknown. */
  without(keys: readonly string[], because: string): FactSet {
    const values = new Map(this.#values);
    for (const key of keys) {
      values.set(key, unknown(because));
    }
    return new FactSet(values);
  }
}
