import { z } from 'zod';
import type { Module } from '../modules/module.ts';
import { playbookSchema } from './schema.ts';

/** A JSON Schema, or a part of one, as plain data. */
export type JsonSchema = { [key: string]: unknown };

const templateDefinition: JsonSchema = {
  type: 'string',
  pattern: String.raw`\{\{`,
  description: 'a template over vars and endpoint, as "{{ vars.port }}"',
};

/**
 * The JSON Schema of a playbook for editors: `with` depends on `uses`. Arguments may be templates,
 * whose values are checked when they are known.
 */
export function playbookJsonSchema(modules: ReadonlyMap<string, Module>): JsonSchema {
  const schema = z.toJSONSchema(playbookSchema, { io: 'input' }) as JsonSchema;
  const steps = part(part(schema, 'properties'), 'steps');
  const step = part(steps, 'items');
  const sorted = [...modules.values()].toSorted((left, right) =>
    left.name.localeCompare(right.name, 'en'),
  );
  part(step, 'properties')['uses'] = {
    ...part(part(step, 'properties'), 'uses'),
    enum: sorted.map(({ name }) => name),
  };
  step['oneOf'] = sorted.map(moduleStep);
  return { ...schema, title: 'remedy playbook', $defs: { template: templateDefinition } };
}

function moduleStep(module: Module): JsonSchema {
  const { $schema: _schema, ...schema } = z.toJSONSchema(module.schema, {
    io: 'input',
    unrepresentable: 'any',
  }) as JsonSchema;
  const needed = Array.isArray(schema['required']) && schema['required'].length > 0;
  return {
    title: module.name,
    description: module.summary,
    properties: { uses: { const: module.name }, with: allowTemplates(schema) },
    ...(needed ? { required: ['with'] } : {}),
  };
}

/** The schema with a template allowed in place of every value that is not itself a mapping or list. */
function allowTemplates(schema: JsonSchema): JsonSchema {
  const copy: JsonSchema = { ...schema };
  if (isSchema(copy['properties'])) {
    copy['properties'] = mapValues(copy['properties'], orTemplate);
  }
  for (const key of ['items', 'additionalProperties']) {
    if (isSchema(copy[key])) {
      copy[key] = orTemplate(copy[key]);
    }
  }
  for (const key of ['anyOf', 'oneOf', 'allOf']) {
    if (Array.isArray(copy[key])) {
      copy[key] = copy[key].map((each: unknown) => (isSchema(each) ? allowTemplates(each) : each));
    }
  }
  return copy;
}

function orTemplate(schema: JsonSchema): JsonSchema {
  const whole =
    ['object', 'array'].includes(String(schema['type'])) || 'anyOf' in schema || 'oneOf' in schema;
  if (whole) {
    return allowTemplates(schema);
  }
  const { description, default: preset, ...rest } = schema;
  return {
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: [rest, { $ref: '#/$defs/template' }],
  };
}

function part(schema: JsonSchema, key: string): JsonSchema {
  const found = schema[key];
  if (!isSchema(found)) {
    throw new Error(`the playbook schema has no ${key}`);
  }
  return found;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mapValues(schema: JsonSchema, change: (value: JsonSchema) => JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, isSchema(value) ? change(value) : value]),
  );
}
