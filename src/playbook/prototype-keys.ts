import type { Diagnostic } from '../core/diagnostic.ts';
import { unknownKey, type Validated } from './issues.ts';
import type { Path } from './source.ts';

/** Validators pass over `__proto__`; a playbook that has it is refused like any unknown key. */
export function prototypeKeys(validated: Validated): readonly Diagnostic[] {
  return find(validated.data, []).map((path) => unknownKey('__proto__', path, validated));
}

function find(value: unknown, path: Path): readonly Path[] {
  if (typeof value !== 'object' || value === null) {
    return [];
  }
  const here = Object.hasOwn(value, '__proto__') ? [path] : [];
  const inside = Object.entries(value).flatMap(([key, each]: [string, unknown]) =>
    find(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return [...here, ...inside];
}
