/** A point of a run: its start, an event that it tells, or its end. */
export interface Point {
  /** The event's words and how often they came before: `phase apply #1`. */
  readonly key: string;
  /** Milliseconds since the start. */
  readonly at: number;
}

/** When to strike: so long after a point. */
export interface Moment {
  readonly after: string;
  readonly delayMs: number;
}

/** Names the events of a run as they come, so that those of another run can be told by them. */
export class PointNamer {
  readonly #seen = new Map<string, number>();

  /** The point that a line of `--output ndjson` tells, or null. */
  name(line: string): string | null {
    let event: Record<string, unknown>;
    try {
      event = JSON.parse(line) as Record<string, unknown>;
    } catch {
      return null;
    }
    if (event['schema'] !== 'remedy.event/1') return null;
    const words = [event['type'], event['phase'], event['index']].filter(
      (word) => word !== undefined,
    );
    const key = words.join(' ');
    const count = (this.#seen.get(key) ?? 0) + 1;
    this.#seen.set(key, count);
    return `${key} #${count}`;
  }
}

// A stretch of waiting is no more worth hitting than one of work; a short one is worth hitting, too.
const [shortest, longest] = [40, 400];

/**
 * Spreads moments over the stretches that begin at the points that `wanted` names.
 *
 * @param count how many; they are the same for the same timeline.
 */
export function spread(
  timeline: readonly Point[],
  count: number,
  wanted: (key: string, index: number) => boolean,
): Moment[] {
  const stretches = timeline.slice(0, -1).flatMap((point, index) => {
    const length = (timeline[index + 1]?.at ?? point.at) - point.at;
    const weight = Math.min(Math.max(length, shortest), longest);
    return wanted(point.key, index) ? [{ key: point.key, length, weight }] : [];
  });
  const total = stretches.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: count }, (_, index) => {
    let left = (total * (index + 0.5)) / count;
    for (const { key, length, weight } of stretches) {
      if (left <= weight) return { after: key, delayMs: Math.round((left / weight) * length) };
      left -= weight;
    }
    return { after: 'start', delayMs: 0 };
  });
}

/** The indexes of the stretches of the given phases: from where one begins until the next one does. */
export function during(timeline: readonly Point[], phases: readonly string[]): Set<number> {
  const found = new Set<number>();
  let inside = false;
  for (const [index, { key }] of timeline.entries()) {
    const phase = /^phase (\w+) #/.exec(key)?.[1];
    if (phase !== undefined) inside = phases.includes(phase);
    if (inside) found.add(index);
  }
  return found;
}
