import type { Endpoint } from '../core/endpoint.ts';
import type { FactSet } from '../facts/fact.ts';
import type { Values } from './playbook.ts';
import { endpointFields, endpointValue } from './template.ts';

/**
 * Thrown where a condition touches what is not known. CEL lets `&&`, `||`, `all` and `exists` absorb
 * an error when the other operand decides, which is the three-valued logic wanted here.
 */
export class UnknownOperand extends Error {
  override readonly name = 'UnknownOperand';
}

/** How many elements of lists and maps one evaluation may look at, so that it ends soon. */
const budget = 200_000;
const maxDepth = 32;

class Meter {
  #left = budget;

  charge(count: number): void {
    this.#left -= count;
    if (this.#left < 0) {
      throw new UnknownOperand('the condition looks at too many values');
    }
  }
}

/** The names a condition sees, as CEL values that throw `UnknownOperand` when they are not known. */
export function conditionContext(
  facts: FactSet,
  values: Values,
  endpoint: Endpoint,
): Record<string, unknown> {
  return {
    facts: lazyMap(factReader(facts)),
    vars: new Map([...values].map(([name, value]) => [name, toCel(value)])),
    endpoint: lazyMap((name) => readEndpoint(endpoint, name)),
  };
}

function factReader(facts: FactSet): (name: string) => unknown {
  const meter = new Meter();
  const read = new Map<string, unknown>();
  return (name) => {
    const observed = facts.byKey(name);
    if (observed === undefined || !observed.known) {
      throw new UnknownOperand(
        observed === undefined ? `${name} was not observed` : observed.because,
      );
    }
    if (!read.has(name)) {
      read.set(name, toCel(observed.value, meter));
    }
    return read.get(name);
  };
}

function readEndpoint(endpoint: Endpoint, name: string): unknown {
  const field = endpointFields.find((candidate) => candidate === name);
  const value = field === undefined ? null : endpointValue(endpoint, field);
  if (value === null) {
    throw new UnknownOperand('the address that clients come from is not known');
  }
  return toCel(value);
}

/** A map for CEL whose values are asked for one by one. */
function lazyMap(read: (name: string) => unknown): ReadonlyMap<string, unknown> {
  const map = new Map<string, unknown>();
  return Object.assign(map, { get: (name: unknown) => read(String(name)) });
}

/**
 * Whole numbers become CEL integers (BigInt), so that `facts.x.port + 1 == 23` works; objects become
 * maps, so that no name reaches a prototype.
 */
function toCel(value: unknown, meter = new Meter(), depth = 0): unknown {
  if (depth > maxDepth) {
    throw new UnknownOperand('the value is nested too deeply');
  }
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'object':
      return value === null ? null : objectToCel(value, meter, depth + 1);
    default:
      throw new UnknownOperand(`a ${typeof value} is no value for a condition`);
  }
}

function objectToCel(value: object, meter: Meter, depth: number): unknown {
  if (Array.isArray(value) || value instanceof Set) {
    return meteredList(
      [...(value as Iterable<unknown>)].map((item) => toCel(item, meter, depth)),
      meter,
    );
  }
  const entries =
    value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  const present = entries.filter(([, item]) => item !== undefined && typeof item !== 'function');
  const converted = present.map(
    ([key, item]) => [toCel(key, meter, depth), toCel(item, meter, depth)] as const,
  );
  return meteredMap(new Map(converted), meter);
}

function meteredList(list: readonly unknown[], meter: Meter): readonly unknown[] {
  return new Proxy(list, {
    get(target, key, receiver): unknown {
      meter.charge(1);
      return Reflect.get(target, key, receiver);
    },
  });
}

function meteredMap(map: Map<unknown, unknown>, meter: Meter): Map<unknown, unknown> {
  const all = (): IterableIterator<[unknown, unknown]> => {
    meter.charge(map.size);
    return Map.prototype.entries.call(map) as IterableIterator<[unknown, unknown]>;
  };
  const keys = (): IterableIterator<unknown> => {
    meter.charge(map.size);
    return Map.prototype.keys.call(map) as IterableIterator<unknown>;
  };
  return Object.assign(map, { keys, entries: all, [Symbol.iterator]: all });
}
