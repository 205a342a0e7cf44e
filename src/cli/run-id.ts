import { randomBytes } from 'node:crypto';

/** A new run's id: the time in UTC, for people, and a random part. */
export function makeRunId(now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${stamp}-${randomBytes(3).toString('hex')}`;
}
