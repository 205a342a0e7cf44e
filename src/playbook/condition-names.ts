import type { ASTNode } from '@marcbachmann/cel-js';
import { didYouMean } from '../core/suggest.ts';
import { listNames, type TextProblem } from './problem.ts';
import { isEndpointField } from './template.ts';
import { unknownField, unknownVariable } from './template-check.ts';

/** What a condition may name. */
export interface ConditionNames {
  readonly facts: ReadonlySet<string>;
  readonly variables: ReadonlySet<string>;
}

/** A place in a condition where something is named. */
interface Named {
  readonly root: string;
  /** Null where the root stands alone. */
  readonly name: string | null;
  readonly start: number;
  readonly end: number;
}

const roots = ['facts', 'vars', 'endpoint'];
const loops = new Set(['all', 'exists', 'exists_one', 'map', 'filter', 'bind']);

/** The facts that a parsed condition names, each once, in order of appearance. */
export function namedFacts(ast: ASTNode): readonly string[] {
  const names = findNamed(ast).flatMap(({ root, name }) =>
    root === 'facts' && name !== null ? [name] : [],
  );
  return [...new Set(names)];
}

/** Everything in a condition that names what is not there, and what is refused wherever it stands. */
export function checkNames(ast: ASTNode, names: ConditionNames): readonly TextProblem[] {
  return [
    ...findNamed(ast).flatMap((named) => checkNamed(named, names)),
    ...nodes(ast).flatMap(checkCall),
  ];
}

function checkNamed(
  { root, name, start, end }: Named,
  names: ConditionNames,
): readonly TextProblem[] {
  if (name === null) {
    const detail = `«${root}» alone is no value: name one, as in «${root}.${root === 'endpoint' ? 'port' : 'NAME'}».`;
    return [{ code: 'condition-type', summary: 'Invalid condition', detail, hint: '', start, end }];
  }
  if (root === 'facts') {
    return names.facts.has(name) ? [] : [{ ...unknownFact(name, names.facts), start, end }];
  }
  if (root === 'vars') {
    return names.variables.has(name)
      ? []
      : [{ ...unknownVariable(name, names.variables), start, end }];
  }
  return isEndpointField(name) ? [] : [{ ...unknownField(name), start, end }];
}

function unknownFact(name: string, facts: ReadonlySet<string>): Omit<TextProblem, 'start' | 'end'> {
  const detail = `There is no fact «${name}» that a condition can name.${didYouMean(name, facts)} There are ${listNames(facts)}.`;
  return { code: 'unknown-fact', summary: 'Unknown fact', detail, hint: '' };
}

function checkCall(node: ASTNode): readonly TextProblem[] {
  if (node.op !== 'call' && node.op !== 'rcall') {
    return [];
  }
  const [called] = node.args;
  const { start, end } = node;
  if (called === 'matches') {
    const detail =
      'A regular expression can take minutes on text from a hostile host. Use contains, startsWith, endsWith or ==.';
    return [
      { code: 'condition-matches', summary: '«matches» is refused', detail, hint: '', start, end },
    ];
  }
  const parameters = node.op === 'call' ? node.args[1] : node.args[2];
  const [first] = parameters;
  if (loops.has(called) && first?.op === 'id' && [...roots, 'cel'].includes(first.args)) {
    const detail = `«${first.args}» is taken: give the element another name.`;
    return [
      {
        code: 'condition-type',
        summary: 'Invalid condition',
        detail,
        hint: '',
        start: first.start,
        end: first.end,
      },
    ];
  }
  return [];
}

function findNamed(ast: ASTNode): readonly Named[] {
  const all = nodes(ast);
  const owners = new Map<ASTNode, Named>();
  for (const node of all) {
    const access = readAccess(node);
    if (access !== null) {
      owners.set(access.owner, access.named);
    }
  }
  return all.flatMap((node) => {
    if (node.op !== 'id' || !roots.includes(node.args)) {
      return [];
    }
    return [owners.get(node) ?? { root: node.args, name: null, start: node.start, end: node.end }];
  });
}

function readAccess(node: ASTNode): { readonly owner: ASTNode; readonly named: Named } | null {
  if (node.op !== '.' && node.op !== '[]') {
    return null;
  }
  const [owner, key] = node.args;
  const name = typeof key === 'string' ? key : key.op === 'value' ? key.args : null;
  if (owner.op !== 'id' || typeof name !== 'string') {
    return null;
  }
  const start = typeof key === 'string' ? node.pos : key.start;
  const end = typeof key === 'string' ? node.pos + key.length : key.end;
  return { owner, named: { root: owner.args, name, start, end } };
}

/** All nodes of a tree in order of appearance. The parser has limited its size. */
function nodes(ast: ASTNode): readonly ASTNode[] {
  return [ast, ...children(ast.args).flatMap(nodes)];
}

function children(args: unknown): readonly ASTNode[] {
  if (Array.isArray(args)) {
    return args.flatMap(children);
  }
  return typeof args === 'object' && args !== null && 'op' in args && 'args' in args
    ? [args as ASTNode]
    : [];
}
