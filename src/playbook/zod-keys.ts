import type { z } from 'zod';
import type { Path } from './source.ts';

/** The keys that a schema allows at a path: what an unknown key is compared with. */
export function allowedKeys(schema: z.core.$ZodType, path: Path = []): readonly string[] {
  return [...new Set(descend([schema], path).flatMap(ownKeys))];
}

function descend(schemas: readonly z.core.$ZodType[], path: Path): readonly z.core.$ZodType[] {
  return path.reduce<readonly z.core.$ZodType[]>(
    (level, segment) => level.flatMap((each) => child(each, segment)),
    schemas,
  );
}

function child(schema: z.core.$ZodType, segment: PropertyKey): readonly z.core.$ZodType[] {
  return unwrap(schema).flatMap((each) => {
    const { def } = (each as z.core.$ZodTypes)._zod;
    switch (def.type) {
      case 'object': {
        const found = Object.hasOwn(def.shape, segment) ? def.shape[String(segment)] : undefined;
        return found === undefined ? [] : [found];
      }
      case 'array':
        return [def.element];
      case 'record':
        return [def.valueType];
      default:
        return [];
    }
  });
}

function ownKeys(schema: z.core.$ZodType): readonly string[] {
  return unwrap(schema).flatMap((each) => {
    const { def } = (each as z.core.$ZodTypes)._zod;
    return def.type === 'object' ? Object.keys(def.shape) : [];
  });
}

/** The schemas behind wrappers and unions. */
function unwrap(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return unwrap(def.innerType);
    case 'pipe':
      return unwrap(def.in);
    case 'union':
      return def.options.flatMap(unwrap);
    case 'intersection':
      return [...unwrap(def.left), ...unwrap(def.right)];
    case 'lazy':
      return unwrap(def.getter());
    default:
      return [schema];
  }
}
