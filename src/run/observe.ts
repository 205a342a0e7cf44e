import { randomBytes } from 'node:crypto';
import { cleanLine } from '../core/clean.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { FactSet, type FactRequest, type Observed, type Part } from '../facts/fact.ts';
import { compileObservation, type Observation } from '../program/observe.ts';
import { RecordReader, type StreamProblem } from '../program/records.ts';
import type { Exit, Session } from '../route/route.ts';

/** Silence after which an observation counts as lost; the slowest fact may take 20 s for one tool. */
const idleMs = 90_000;

/** Time for one observation, in milliseconds: a host that keeps sending noise ends here. */
const limitMs = 300_000;

/** Gathers facts by one read-only program. An error means that nothing is known. */
export async function observe(
  session: Session,
  requests: readonly FactRequest[],
  signal: AbortSignal,
): Promise<Result<FactSet, Failure>> {
  const token = randomBytes(16).toString('hex');
  const observation = compileObservation(requests, token);
  const reader = new RecordReader(token, observation.parts.length);
  const enough = new AbortController();
  const onOutput = (chunk: Buffer): void => {
    reader.push(chunk);
    if (reader.isFull) {
      enough.abort();
    }
  };
  const late = AbortSignal.timeout(limitMs);
  const limits = AbortSignal.any([signal, enough.signal, late]);
  const exit = await session.run(observation.program, { onOutput, signal: limits, idleMs });
  if (late.aborted && !signal.aborted && !(exit.ok && exit.value.type === 'code')) {
    return fail(lateFailure(session));
  }
  if (!exit.ok) {
    return exit;
  }
  const parts = reader.finish();
  return typeof parts === 'string'
    ? fail(streamFailure(parts, exit.value, session))
    : ok(new FactSet(readFacts(requests, observation, parts)));
}

function readFacts(
  requests: readonly FactRequest[],
  observation: Observation,
  parts: ReadonlyMap<number, Part>,
): Map<string, Observed<unknown>> {
  const byKey = new Map<string, Map<string, Part>>();
  for (const [number, address] of observation.parts.entries()) {
    const part = parts.get(number);
    const own = byKey.get(address.key) ?? new Map<string, Part>();
    byKey.set(address.key, part === undefined ? own : own.set(address.part, part));
  }
  return new Map(
    requests.map((request) => [request.key, request.parse(byKey.get(request.key) ?? new Map())]),
  );
}

function streamFailure(problem: StreamProblem, exit: Exit, session: Session): Failure {
  if (exit.type === 'lost' && problem !== 'too-much') {
    return {
      code: 'connection-lost',
      what: `The connection was lost while looking at the host (${session.description}).`,
      why: cleanLine(exit.because),
      access: nothingChanged,
      todo: 'Run the same command again; looking changes nothing.',
    };
  }
  const why: Readonly<Record<StreamProblem, string>> = {
    'too-much': 'the host sent more than 64 MiB',
    'cut-off': `the answer ended early (${describeExit(exit)}): ${cleanLine(session.errorOutput?.() ?? '') || 'no error was shown'}`,
    forged: 'the answer holds records that remedy did not ask for',
  };
  return {
    code: 'garbled',
    what: `The answer of the host cannot be used (${session.description}).`,
    why: why[problem],
    access: nothingChanged,
    todo: 'Try another route (--via, --exec), or look at what the login shell prints.',
  };
}

function lateFailure(session: Session): Failure {
  return {
    code: 'connection-lost',
    what: `The look at the host was not at its end after ${limitMs / 60_000} minutes (${session.description}).`,
    why: 'The host or the line to it is too slow, or the host keeps sending.',
    access: nothingChanged,
    todo: 'Try another route (--via, --exec), or run the same command again when the host is less busy.',
  };
}

function describeExit(exit: Exit): string {
  return exit.type === 'code'
    ? `exit status ${exit.code}`
    : exit.type === 'signal'
      ? `signal ${exit.name}`
      : 'lost';
}
