import type { Diagnostic, Location } from '../core/diagnostic.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { describeIssues } from './issues.ts';
import type {
  BoundPlaybook,
  BoundStep,
  Check,
  CheckSource,
  Playbook,
  Step,
  Values,
} from './playbook.ts';
import { listNames, problem } from './problem.ts';
import type { Path, Source } from './source.ts';
import { isTemplate, parseTemplate, renderTemplate } from './template.ts';
import { readDefault } from './variable-types.ts';

interface Binding {
  readonly values: Values;
  readonly endpoint: Endpoint;
  readonly source: Source;
  readonly problems: Diagnostic[];
}

/** Puts the values into a playbook and validates what comes out, each problem at its template. */
export function bindPlaybook(
  playbook: Playbook,
  values: Values,
  endpoint: Endpoint,
): Result<BoundPlaybook, Diagnostic[]> {
  const binding: Binding = { values, endpoint, source: playbook.source, problems: [] };
  const steps = playbook.steps.map((step, index) => bindStep(step, index, playbook, binding));
  const checks = playbook.checks.flatMap((check, index) =>
    bindCheck(check, ['checks', index], binding),
  );
  binding.problems.push(...checkLoginPorts([{ checks, endpoint }]));
  if (binding.problems.length > 0) {
    return fail(binding.problems);
  }
  const { name, summary, file, digest, requires } = playbook;
  return ok({ name, summary, file, digest, values, endpoint, requires, steps, checks });
}

/** Playbooks are told apart by name: two with one name are an error that names both files. */
export function checkUniqueNames(
  playbooks: readonly Pick<Playbook, 'name' | 'file' | 'source'>[],
): Diagnostic[] {
  const first = new Map<string, string>();
  return playbooks.flatMap(({ name, file, source }) => {
    const other = first.get(name);
    if (other === undefined) {
      first.set(name, file);
      return [];
    }
    const detail = `Two playbooks have the name «${name}»: ${listNames([other, file])}. Rename one of them.`;
    return [
      problem(
        { code: 'duplicate-playbook', summary: 'Duplicate playbook', detail },
        source.at(['name']),
      ),
    ];
  });
}

/**
 * A run makes one proof, so its `login` checks must name one port: where playbooks of one run differ,
 * each later one is an error that names the first.
 */
export function checkLoginPorts(
  playbooks: readonly Pick<BoundPlaybook, 'checks' | 'endpoint'>[],
): Diagnostic[] {
  const [first, ...others] = playbooks.flatMap(loginChecks);
  return first === undefined ? [] : others.flatMap((one) => differingPort(first, one));
}

/** The port on which a run's proof is made: that of its `login` checks, or null for the endpoint's. */
export function loginPort(checks: readonly Check[]): number | null {
  const login = checks.find((check) => check.kind === 'login');
  return login?.kind === 'login' ? login.port : null;
}

interface LoginCheck {
  readonly port: number;
  readonly location: Location;
}

function loginChecks({
  checks,
  endpoint,
}: Pick<BoundPlaybook, 'checks' | 'endpoint'>): LoginCheck[] {
  return checks.flatMap((check) =>
    check.kind === 'login' ? [{ port: check.port ?? endpoint.port, location: check.location }] : [],
  );
}

function differingPort(first: LoginCheck, { port, location }: LoginCheck): Diagnostic[] {
  if (port === first.port) {
    return [];
  }
  const place = `${first.location.file}:${first.location.line}`;
  const detail = `A run is proven by one login, and ${place} wants it on port ${first.port}, not on ${port}. Run these playbooks one after the other.`;
  return [problem({ code: 'login-ports', summary: 'Two ports to log in on', detail }, location)];
}

function bindStep(step: Step, index: number, playbook: Playbook, binding: Binding): BoundStep {
  const base = ['steps', index, 'with'];
  const before = binding.problems.length;
  const data = renderTree(step.with, base, binding);
  const parsed = step.module.schema.safeParse(data);
  if (!parsed.success && binding.problems.length === before) {
    const owner = `the module «${step.module.name}»`;
    binding.problems.push(
      ...describeIssues(parsed.error.issues, {
        schema: step.module.schema,
        data,
        base,
        source: binding.source,
        owner,
        rendered: true,
      }),
    );
  }
  const { id, summary, when, afterProof, module, location } = step;
  const head = { id, playbook: playbook.name, summary, when, afterProof };
  return { ...head, module, args: parsed.data, location };
}

function bindCheck(check: CheckSource, path: Path, binding: Binding): Check[] {
  const location = binding.source.at([...path, check.kind], 'key');
  switch (check.kind) {
    case 'listener':
      return bindPort(check.port, [...path, 'listener', 'port'], binding).map((port) => ({
        kind: 'listener',
        port,
        location,
      }));
    case 'login':
      return check.port === null
        ? [{ kind: 'login', port: null, location }]
        : bindPort(check.port, [...path, 'login', 'port'], binding).map((port) => ({
            kind: 'login',
            port,
            location,
          }));
    case 'command': {
      const argv = check.argv.map((word, index) =>
        String(renderTree(word, [...path, 'command', index], binding)),
      );
      const [program, ...rest] = argv;
      return program === undefined ? [] : [{ kind: 'command', argv: [program, ...rest], location }];
    }
    default:
      return [{ kind: check.kind, location }];
  }
}

/** The port of a check, or nothing where it is none: the problem is then noted. */
function bindPort(template: number | string, path: Path, binding: Binding): number[] {
  const before = binding.problems.length;
  const value = renderTree(template, path, binding);
  if (binding.problems.length > before) {
    return [];
  }
  const port = readDefault(typeof value === 'number' ? value : String(value), {
    type: 'port',
    values: [],
  });
  if (port.ok && typeof port.value === 'number') {
    return [port.value];
  }
  const detail = port.ok ? 'The value is not a port.' : port.error;
  binding.problems.push(
    problem({ code: 'invalid-value', summary: 'Invalid value', detail }, binding.source.at(path)),
  );
  return [];
}

/** A copy of plain data with every template rendered. */
function renderTree(tree: unknown, path: Path, binding: Binding): unknown {
  if (isTemplate(tree)) {
    const template = parseTemplate(tree);
    const value = template.ok
      ? renderTemplate(template.value, binding.values, binding.endpoint)
      : fail('The template is invalid.');
    if (!value.ok) {
      const location = binding.source.at(path);
      binding.problems.push(
        problem(
          { code: 'invalid-value', summary: 'Value not known', detail: value.error },
          location,
        ),
      );
    }
    return value.ok ? value.value : null;
  }
  if (Array.isArray(tree)) {
    return tree.map((item: unknown, index) => renderTree(item, [...path, index], binding));
  }
  if (typeof tree === 'object' && tree !== null) {
    return Object.fromEntries(
      Object.entries(tree).map(([key, value]) => [key, renderTree(value, [...path, key], binding)]),
    );
  }
  return tree;
}
