import { setTimeout as pause } from 'node:timers/promises';
import type { Attempt, Stand } from './stand.ts';
import { during, spread, type Moment, type Point } from './timeline.ts';
import type { WayName } from './way.ts';

export const faults = [
  'controller killed',
  'connection cut',
  'applier killed',
  'revert killed',
  'confirmation lost',
] as const;

export type Fault = (typeof faults)[number];

/** One fault at one moment. */
export interface Strike {
  readonly fault: Fault;
  /** For the table: which of its kinds, and when. */
  readonly kind: string;
  readonly when: string;
  /** Begins with the attempt; resolves when all that the fault asks for has been done. */
  readonly carryOut: (stand: Stand, attempt: Attempt) => Promise<string>;
}

/** What is known of a run that nothing disturbs. */
export interface Undisturbed {
  readonly way: WayName;
  readonly timeline: readonly Point[];
  /** How long the applier of each stage worked, in milliseconds. */
  readonly applierMs: readonly number[];
  /** How long taking back takes. */
  readonly revertMs: number;
}

/** The moments of a fault, spread over the run. */
export function strikesOf(fault: Fault, run: Undisturbed, count: number): Strike[] {
  const { timeline, way } = run;
  switch (fault) {
    case 'controller killed':
      return spread(timeline, count, () => true).map((moment) => ({
        ...{ fault, kind: 'SIGKILL', when: describe(moment) },
        carryOut: async (_stand, attempt) => {
          await at(moment, attempt);
          attempt.kill('SIGKILL');
          return '';
        },
      }));
    case 'connection cut': {
      const begun = timeline.findIndex(({ key }) => key.startsWith('phase-done connect'));
      return spread(timeline, count, (_, index) => index >= begun).map((moment, index) =>
        cut(fault, moment, cutOf(way, index)),
      );
    }
    case 'confirmation lost': {
      const wanted = during(timeline, ['prove', 'confirm']);
      return spread(timeline, count, (_, index) => wanted.has(index)).map((moment, index) =>
        cut(fault, moment, cutOf(way, index)),
      );
    }
    case 'applier killed':
      return Array.from({ length: count }, (_, index) => {
        const stage = index % run.applierMs.length;
        return killed(fault, 'applier', stage, part(run.applierMs[stage] ?? 0, index, count));
      });
    case 'revert killed':
      return revertStrikes(run, count);
  }
}

// Every third kills the guard before it has anything to do; of the others every second lets the guard
// run out.
function revertStrikes(run: Undisturbed, count: number): Strike[] {
  const { timeline } = run;
  const armed = timeline.findIndex(({ key }) => key.startsWith('armed'));
  const confirmed = timeline.findLastIndex(({ key }) => key.startsWith('phase confirm'));
  const causes = spread(timeline, count, (_, index) => index >= armed && index < confirmed);
  return causes.map((cause, index) => {
    const delay = part(run.revertMs, index, count);
    if (index % 3 === 2) return guardKilled(cause);
    const signal = index % 3 === 0 ? 'SIGINT' : 'SIGKILL';
    return {
      fault: 'revert killed',
      kind: signal === 'SIGINT' ? 'after Ctrl-C' : 'after the guard ran out',
      when: `${delay} ms into it; ${describe(cause)}`,
      carryOut: async (stand, attempt) => {
        const victim = stand.watch<Killed>('kill', '/var/lib/remedy/*/reverter', `${delay}`, '60');
        await at(cause, attempt);
        attempt.kill(signal);
        return said(await victim);
      },
    };
  });
}

function guardKilled(moment: Moment): Strike {
  return {
    ...{ fault: 'revert killed', kind: 'the armed guard', when: describe(moment) },
    carryOut: async (stand, attempt) => {
      await at(moment, attempt);
      return said(await stand.watch<Killed>('kill', '/var/lib/remedy/*/guard', '0', '1'));
    },
  };
}

interface Killed {
  readonly killed: number;
  readonly why: string;
}

function said({ killed: count, why }: Killed): string {
  return count === 0 ? `nothing was hit: ${why}` : '';
}

/** The folder of a run's stage, from 0, as a pattern: that of a later one ends with its number. */
export function stageFolder(stage: number): string {
  return stage === 0 ? '*-*-??????' : `*-*-??????-${stage + 1}`;
}

function killed(fault: Fault, file: string, stage: number, delay: number): Strike {
  const folder = stageFolder(stage);
  return {
    ...{ fault, kind: `stage ${stage + 1}`, when: `${delay} ms into it` },
    carryOut: async (stand) =>
      said(
        await stand.watch<Killed>('kill', `/var/lib/remedy/${folder}/${file}`, `${delay}`, '60'),
      ),
  };
}

const cuts = ['mended early', 'mended late', 'mended at once'] as const;

type Cut = (typeof cuts)[number];

// On a network nobody is told of a cut that is mended at once.
function cutOf(way: WayName, index: number): Cut {
  return cuts[index % (way === 'ssh' ? 2 : 3)] ?? 'mended early';
}

// Early: mended while the guard still waits. Late: when the host has settled it alone.
function cut(fault: Fault, moment: Moment, kind: Cut): Strike {
  return {
    ...{ fault, kind, when: describe(moment) },
    carryOut: async (stand, attempt) => {
      await at(moment, attempt);
      if (kind === 'mended at once') {
        await stand.way.drop();
        return '';
      }
      await stand.way.cut();
      await (kind === 'mended early'
        ? pause((stand.guardSeconds * 1000) / 2)
        : stand.settled(stand.guardSeconds + 60));
      await stand.way.mend();
      return '';
    },
  };
}

async function at(moment: Moment, attempt: Attempt): Promise<void> {
  const how = await attempt.reached(moment.after);
  if (how === 'reached') await Promise.race([pause(moment.delayMs), attempt.done]);
}

function part(whole: number, index: number, count: number): number {
  return Math.round((whole * (index + 0.5)) / count);
}

function describe(moment: Moment): string {
  return `${moment.delayMs} ms after ${moment.after}`;
}
