import { createHash } from 'node:crypto';
import type { Diagnostic } from '../core/diagnostic.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { describeIssues, type Validated } from './issues.ts';
import {
  variableTypes,
  type CheckSource,
  type Playbook,
  type Registry,
  type Step,
  type Variable,
  type VariableType,
} from './playbook.ts';
import { checkRules, readConditions } from './rules.ts';
import { playbookSchema, type PlaybookData } from './schema.ts';
import { readYaml, type YamlText } from './yaml.ts';
import { prototypeKeys } from './prototype-keys.ts';

/** Reads and checks a playbook. All problems are found at once, each with its place. */
export function parsePlaybook(
  text: string,
  file: string,
  registry: Registry,
): Result<Playbook, Diagnostic[]> {
  const yaml = readYaml(text, file);
  if (!yaml.ok) {
    return yaml;
  }
  const { data, source } = yaml.value;
  const validated: Validated = {
    schema: playbookSchema,
    data,
    base: [],
    source,
    owner: 'a playbook',
  };
  const parsed = playbookSchema.safeParse(data);
  const names = { registry, variables: declaredTypes(data) };
  const problems = [
    ...yaml.value.problems,
    ...(parsed.success ? [] : describeIssues(parsed.error.issues, validated)),
    ...checkRules(data, source, names),
    ...prototypeKeys(validated),
  ];
  if (problems.length > 0 || !parsed.success) {
    return fail(inOrder(problems));
  }
  return ok({
    ...build(parsed.data, yaml.value, registry),
    file,
    digest: createHash('sha256').update(text).digest('hex'),
  });
}

function build(
  data: PlaybookData,
  { source }: YamlText,
  registry: Registry,
): Omit<Playbook, 'file' | 'digest'> {
  const vars = new Map(
    Object.entries(data.vars ?? {}).map(([name, each]) => [name, toVariable(name, each, source)]),
  );
  const conditions = readConditions(data, {
    registry,
    variables: new Map([...vars].map(([name, { type }]) => [name, type])),
  });
  return {
    name: data.name,
    summary: data.summary,
    description: data.description ?? null,
    requires: data.requires ?? null,
    vars,
    steps: data.steps.flatMap((each, index): Step[] => {
      const module = registry.modules.get(each.uses);
      const when = conditions[index] ?? null;
      const location = source.at(['steps', index, 'id']);
      return module
        ? [
            {
              id: each.id,
              summary: each.summary ?? null,
              when,
              afterProof: each.after === 'proof',
              module,
              with: each.with ?? {},
              location,
            },
          ]
        : [];
    }),
    checks: (data.checks ?? []).map(toCheck),
    source,
  };
}

function toVariable(
  name: string,
  data: NonNullable<PlaybookData['vars']>[string],
  source: YamlText['source'],
): Variable {
  return {
    name,
    type: data.type,
    summary: data.summary,
    required: data.default === undefined,
    default: data.default ?? null,
    values: data.values ?? [],
    location: source.at(['vars', name], 'key'),
  };
}

function toCheck(data: NonNullable<PlaybookData['checks']>[number]): CheckSource {
  if (data.listener !== undefined) {
    return { kind: 'listener', port: data.listener.port };
  }
  if (data.command !== undefined) {
    return { kind: 'command', argv: data.command };
  }
  return data.login === undefined
    ? { kind: 'banner' }
    : { kind: 'login', port: data.login.port ?? null };
}

/** The declared variables, as far as they can be read: rules are checked even in a broken playbook. */
function declaredTypes(data: unknown): ReadonlyMap<string, VariableType> {
  const vars = isRecord(data) && isRecord(data['vars']) ? Object.entries(data['vars']) : [];
  return new Map(
    vars.map(([name, each]) => {
      const type = isRecord(each) ? each['type'] : undefined;
      return [name, variableTypes.find((known) => known === type) ?? 'string'];
    }),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inOrder(problems: readonly Diagnostic[]): Diagnostic[] {
  const place = ({ location }: Diagnostic): number =>
    (location?.line ?? 0) * 1e6 + (location?.column ?? 0);
  const seen = new Set<string>();
  const once = problems.filter((each) => {
    const key = `${each.code} ${place(each)}${each.code === 'missing-key' ? each.detail : ''}`;
    return !seen.has(key) && seen.add(key);
  });
  return once.toSorted((left, right) => place(left) - place(right));
}
