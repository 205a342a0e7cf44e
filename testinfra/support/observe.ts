import { randomBytes } from 'node:crypto';
import type { FactRequest, Observed } from '../../src/facts/fact.ts';
import { compileObservation } from '../../src/program/observe.ts';
import { RecordReader } from '../../src/program/records.ts';
import type { LabHost } from './lab.ts';

/** Gathers facts on a host as a run does, but entered without SSH. */
export async function observeFacts<V>(
  host: LabHost,
  requests: readonly FactRequest<V>[],
): Promise<Observed<V>[]> {
  const token = randomBytes(16).toString('hex');
  const { program, parts } = compileObservation(requests, token);
  const result = await host.exec(program);
  const reader = new RecordReader(token, parts.length);
  reader.push(Buffer.from(result.stdout));
  const read = reader.finish();
  if (typeof read === 'string') {
    throw new TypeError(`${read}: ${result.stderr}`);
  }
  return requests.map((request) => {
    const own = [...parts.entries()].flatMap(([index, { key, part }]) => {
      const found = key === request.key ? read.get(index) : undefined;
      return found === undefined ? [] : [[part, found] as const];
    });
    return request.parse(new Map(own));
  });
}
