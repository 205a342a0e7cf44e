import { z } from 'zod';
import { requirements, variableTypes } from './playbook.ts';

/** The version of playbooks that this program reads. */
export const playbookVersion = 'remedy.playbook/1';

const kebabCase = z
  .string()
  .max(64)
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    'must be kebab-case: small letters, digits and single dashes, as in open-port',
  );

// Also the form in which CEL can name it after `vars.`.
const variableName = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9_]*$/, 'must be small letters, digits and underscores, as in jail_name')
  .refine(
    (name) => !['true', 'false', 'null', 'in'].includes(name),
    'must not be a word of the condition language',
  );

const line = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\n]*$/, 'must be one line');

const portTemplate = z
  .string()
  .max(4096)
  .regex(/\{\{/, 'must be a port, or a template as in "{{ vars.port }}"');

const port = z.union([z.int().min(1).max(65535), portTemplate]);

const variable = z
  .strictObject({
    type: z
      .enum(variableTypes)
      .describe('what the value is; it is checked before any host is contacted'),
    summary: line.describe('what the variable is for'),
    default: z
      .union([z.string().max(4096), z.number(), z.boolean()])
      .optional()
      .describe(
        'the value without --var; may be a template over the endpoint, as "{{ endpoint.port }}"',
      ),
    required: z
      .boolean()
      .optional()
      .describe('true where --var must give it; so it is without a default'),
    values: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(100)
      .optional()
      .describe('what a choice allows'),
  })
  .describe('a variable, set with --var NAME=VALUE');

const step = z
  .strictObject({
    id: kebabCase.describe('names the step in the plan; once per playbook'),
    summary: line.optional().describe('why the step is there'),
    when: z
      .string()
      .min(1)
      .optional()
      .describe('a CEL expression over facts, vars and endpoint; without it, always'),
    after: z
      .literal('proof')
      .optional()
      .describe(
        'proof: this step and those behind it begin only after a fresh login has proven the steps before',
      ),
    uses: z.string().min(1).describe('the module'),
    with: z.record(z.string(), z.unknown()).optional().describe("the module's arguments"),
  })
  .describe('one thing that must be so');

const check = z
  .strictObject({
    listener: z.strictObject({ port }).optional().describe('something listens on this TCP port'),
    login: z
      .strictObject({
        port: port.optional().describe("the port to log in on; without it, the endpoint's"),
      })
      .optional()
      .describe("the endpoint's user can log in"),
    banner: z.strictObject({}).optional().describe('the endpoint answers with an SSH banner'),
    command: z
      .array(z.string().max(4096))
      .min(1)
      .max(64)
      .optional()
      .describe('a read-only command, as a list of words, that exits with 0 on the host'),
  })
  .refine(
    (kinds) => Object.keys(kinds).length === 1,
    'must have exactly one of listener, login, banner and command',
  )
  .describe('something that must hold afterwards; one key each');

/** What a playbook looks like as plain data. Rules across fields are in `rules.ts`. */
export const playbookSchema = z.strictObject({
  schema: z.literal(playbookVersion).describe('the version of the format'),
  name: kebabCase.describe('named by the action, as open-port'),
  summary: line.describe('what it repairs, in one line'),
  description: z.string().max(8192).optional().describe('more than one line about it'),
  requires: z
    .enum(requirements)
    .optional()
    .describe('key-login: refuse before the first write unless a login by key works'),
  vars: z.record(variableName, variable).optional().describe('variables by name'),
  steps: z.array(step).min(1).max(100).describe('what must be so, in order'),
  checks: z.array(check).max(20).optional().describe('what must hold afterwards'),
});

/** A playbook as plain data. */
export type PlaybookData = z.output<typeof playbookSchema>;

/** A variable as plain data. */
export type VariableData = z.output<typeof variable>;
