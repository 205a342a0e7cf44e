import { printDiagnostics } from '../core/diagnostic-text.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { notContacted, RunFailure, type Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { suggest } from '../core/suggest.ts';
import { bindPlaybook, checkLoginPorts, checkUniqueNames } from '../playbook/bind.ts';
import { readHeadline } from '../playbook/headline.ts';
import { parsePlaybook } from '../playbook/parse.ts';
import type { BoundPlaybook, Playbook } from '../playbook/playbook.ts';
import { bindVariables, shareVariables, type Given } from '../playbook/variables.ts';
import { readPlaybook, readPlaybooks, type PlaybookFile } from '../store/playbooks.ts';
import { registry } from './registry.ts';

/** The chosen playbooks, checked, waiting for the endpoint. */
export interface LoadedPlaybooks {
  bind(endpoint: Endpoint): Result<readonly BoundPlaybook[], Diagnostic[]>;
}

/**
 * Finds the playbooks by name or path, checks them and the variables.
 *
 * @throws RunFailure with every problem at once.
 */
export async function loadPlaybooks(
  names: readonly string[],
  folders: readonly string[],
  variables: readonly string[],
): Promise<LoadedPlaybooks> {
  const given = readGiven(variables);
  const files = await chooseFiles(names, folders);
  const parsed = files.map((file) => parsePlaybook(file.text, file.path, registry()));
  const problems = parsed.flatMap((one) => (one.ok ? [] : one.error));
  const playbooks = parsed.flatMap((one) => (one.ok ? [one.value] : []));
  problems.push(...checkUniqueNames(playbooks));
  const shared = problems.length === 0 ? shareVariables(playbooks, given) : ok([]);
  if (problems.length > 0 || !shared.ok) {
    throw new RunFailure(
      invalidPlaybook(printDiagnostics([...problems, ...(shared.ok ? [] : shared.error)])),
    );
  }
  return { bind: (endpoint) => bindAll(playbooks, shared.value, endpoint) };
}

function bindAll(
  playbooks: readonly Playbook[],
  shared: readonly Given[],
  endpoint: Endpoint,
): Result<readonly BoundPlaybook[], Diagnostic[]> {
  const bound = playbooks.map((playbook, index) => {
    const values = bindVariables(playbook, shared[index] ?? {}, endpoint);
    return values.ok ? bindPlaybook(playbook, values.value, endpoint) : values;
  });
  const good = bound.flatMap((one) => (one.ok ? [one.value] : []));
  const problems = [
    ...bound.flatMap((one) => (one.ok ? [] : one.error)),
    ...(good.length === bound.length ? checkLoginPorts(good) : []),
  ];
  return problems.length > 0
    ? fail(problems)
    : ok(bound.flatMap((one) => (one.ok ? [one.value] : [])));
}

function readGiven(variables: readonly string[]): Given {
  const given: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const text of variables) {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(at, 0));
    if (at <= 0 || name in given) {
      throw usage(
        at <= 0
          ? `--var ${JSON.stringify(text)} is not NAME=VALUE`
          : `--var ${name} is given twice`,
      );
    }
    given[name] = text.slice(at + 1);
  }
  return given;
}

async function chooseFiles(
  names: readonly string[],
  folders: readonly string[],
): Promise<PlaybookFile[]> {
  let known: PlaybookFile[];
  try {
    known = await readPlaybooks(folders, process.env);
  } catch (error) {
    throw usage((error as Error).message);
  }
  const byName = new Map<string, PlaybookFile[]>();
  for (const file of known) {
    const name =
      readHeadline(file.text)?.name ?? file.path.replace(/^.*\//, '').replace(/\.ya?ml$/, '');
    byName.set(name, [...(byName.get(name) ?? []), file]);
  }
  const chosen: PlaybookFile[] = [];
  const problems = names.flatMap((name, index) =>
    names.indexOf(name) < index ? [`${name} was named twice`] : [],
  );
  for (const name of names) {
    const found = await chooseFile(name, byName);
    if (typeof found === 'string') {
      problems.push(found);
    } else {
      chosen.push(...found);
    }
  }
  if (problems.length > 0) {
    throw usage(problems.join('\n'), 'To see the playbooks, run:\n    remedy list');
  }
  return chosen;
}

async function chooseFile(
  name: string,
  byName: ReadonlyMap<string, PlaybookFile[]>,
): Promise<PlaybookFile[] | string> {
  if (/[/\\]|\.ya?ml$/.test(name)) {
    return readPlaybook(name).then(
      (file) => [file],
      (error: unknown) =>
        `the playbook ${JSON.stringify(name)} cannot be read: ${(error as Error).message}`,
    );
  }
  const found = byName.get(name);
  if (found === undefined) {
    const near = suggest(name, [...byName.keys()]);
    return `there is no playbook ${JSON.stringify(name)}${near === null ? '' : ` (did you mean ${near}?)`}`;
  }
  // Two files of one name: neither is taken, since nobody can tell which was meant.
  return found.length > 1
    ? `two playbooks have the name ${name}: ${found.map(({ path }) => path).join(' and ')}`
    : found;
}

/** The failure for playbooks that cannot be used; the diagnostics say all there is to say. */
export function invalidPlaybook(diagnostics: string): Failure {
  return {
    code: 'invalid-playbook',
    what: 'The playbooks or their variables are not valid.',
    why: diagnostics,
    access: notContacted,
    todo: 'Mend what is marked above, then run the same command again.',
  };
}

function usage(what: string, todo = 'For help, run:\n    remedy run --help'): RunFailure {
  const [first = '', ...rest] = what.split('\n');
  return new RunFailure({
    code: 'usage',
    what: `${first.charAt(0).toUpperCase()}${first.slice(1)}.`,
    why: rest.join('\n'),
    access: notContacted,
    todo,
  });
}
