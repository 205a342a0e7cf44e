import {
  Environment,
  EvaluationError,
  type ParseError,
  type ParseResult,
} from '@marcbachmann/cel-js';
import { cleanLine } from '../core/clean.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { didYouMean } from '../core/suggest.ts';
import type { FactSet } from '../facts/fact.ts';
import { checkNames, namedFacts } from './condition-names.ts';
import { conditionContext, UnknownOperand } from './condition-values.ts';
import type { Values, VariableType } from './playbook.ts';
import type { TextProblem } from './problem.ts';

/** What a condition says about a host. Unknown is never taken for false. */
export type Verdict =
  | { readonly result: 'true' | 'false' }
  | { readonly result: 'unknown'; readonly because: string };

/** A `when` that was checked. */
export interface Condition {
  /** The text as it was written. */
  readonly source: string;
  /** The facts that it names: their requests take no arguments, so that the name is the key. */
  readonly facts: readonly string[];
  /** Decides. An unknown operand gives unknown unless another operand settles the matter. */
  evaluate(facts: FactSet, vars: Values, endpoint: Endpoint): Verdict;
}

/** What a condition may name. */
export interface ConditionScope {
  readonly facts: ReadonlySet<string>;
  readonly variables: ReadonlyMap<string, VariableType>;
}

const maxLength = 2000;
const limits = {
  maxAstNodes: 400,
  maxDepth: 40,
  maxListElements: 100,
  maxMapEntries: 100,
  maxCallArguments: 8,
};

/** Checks a condition's syntax, names and types. Offsets of problems count in the text. */
export function parseCondition(
  source: string,
  scope: ConditionScope,
): Result<Condition, readonly TextProblem[]> {
  if (source.length > maxLength) {
    return fail([
      invalid('condition-syntax', `A condition may have ${maxLength} characters.`, 0, 1),
    ]);
  }
  let parsed: ParseResult;
  try {
    parsed = environment(scope).parse(source);
  } catch (error) {
    return fail([celProblem('condition-syntax', error, source)]);
  }
  const variables = new Set(scope.variables.keys());
  const problems = checkNames(parsed.ast, { facts: scope.facts, variables });
  const wrong = problems.length > 0 ? problems : checkTypes(parsed, source);
  if (wrong.length > 0) {
    return fail(wrong);
  }
  const evaluate: Condition['evaluate'] = (facts, vars, endpoint) =>
    decide(parsed, conditionContext(facts, vars, endpoint));
  return ok({ source, facts: namedFacts(parsed.ast), evaluate });
}

function environment(scope: ConditionScope): Environment {
  const vars = [...scope.variables].map(([name, type]) => [name, celType(type)] as const);
  const made = new Environment({ limits, homogeneousAggregateLiterals: false })
    .registerVariable('facts', 'dyn')
    .registerVariable('vars', { schema: Object.fromEntries(vars) })
    .registerVariable('endpoint', {
      schema: { host: 'string', address: 'string', port: 'int', user: 'string', from: 'string' },
    });
  return mixNumbers(made);
}

/** Facts are JavaScript numbers: 1 and 1.5 must add up, whichever of them the host reports. */
function mixNumbers(made: Environment): Environment {
  const operators: readonly [string, (left: number, right: number) => number][] = [
    ['+', (left, right) => left + right],
    ['-', (left, right) => left - right],
    ['*', (left, right) => left * right],
    ['/', (left, right) => left / right],
  ];
  for (const [sign, apply] of operators) {
    const mixed = (left: unknown, right: unknown): number => apply(Number(left), Number(right));
    made
      .registerOperator(`int ${sign} double`, mixed)
      .registerOperator(`double ${sign} int`, mixed);
  }
  return made;
}

function celType(type: VariableType): string {
  if (type === 'port' || type === 'integer') {
    return 'int';
  }
  return type === 'boolean' ? 'bool' : 'string';
}

function checkTypes(parsed: ParseResult, source: string): readonly TextProblem[] {
  const { valid, type = 'dyn', error } = parsed.check();
  if (!valid) {
    return [celProblem('condition-type', error, source)];
  }
  return type === 'bool' || type === 'dyn'
    ? []
    : [
        invalid(
          'condition-type',
          `A condition is true or false; this one gives a value of type ${type}.`,
          0,
          source.length,
        ),
      ];
}

function decide(parsed: ParseResult, context: Record<string, unknown>): Verdict {
  try {
    const value: unknown = parsed(context);
    return typeof value === 'boolean'
      ? { result: value ? 'true' : 'false' }
      : { result: 'unknown', because: 'the condition gave a value that is neither true nor false' };
  } catch (error) {
    return { result: 'unknown', because: cleanLine(reason(error)) };
  }
}

function reason(error: unknown): string {
  if (error instanceof UnknownOperand) {
    return error.message;
  }
  if (!(error instanceof EvaluationError)) {
    return `the condition failed: ${error instanceof Error ? error.message : String(error)}`;
  }
  const { node } = error;
  const owner =
    node?.op === '.' ? node.input.slice(node.start, node.pos).replace(/[.\s]+$/, '') : '';
  return error.code === 'no_such_key' && owner !== '' && node?.op === '.'
    ? `${owner} has no field ${node.args[1]}`
    : `the condition failed: ${error.summary}`;
}

function celProblem(code: string, error: unknown, source: string): TextProblem {
  if (!(error instanceof Error) || !('summary' in error) || !('range' in error)) {
    return invalid(code, 'The condition is not CEL.', 0, source.length);
  }
  const range = error.range as ParseError['range'];
  const start = Math.min(range?.start ?? 0, Math.max(0, source.length - 1));
  const message = String(error.summary);
  const unknownName = /^Unknown variable: (\w+)$/.exec(message)?.[1];
  const meant =
    unknownName === undefined ? '' : didYouMean(unknownName, ['facts', 'vars', 'endpoint']);
  return invalid(code, `${message}.${meant}`, start, Math.max(start + 1, range?.end ?? 0));
}

function invalid(code: string, detail: string, start: number, end: number): TextProblem {
  return { code, summary: 'Invalid condition', detail, hint: '', start, end };
}
