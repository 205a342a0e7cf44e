import { setTimeout as pause } from 'node:timers/promises';
import type { Result } from '../support/lab.ts';
import type { Stand, Survey } from './stand.ts';
import { stageFolder, strikesOf, type Fault, type Strike, type Undisturbed } from './strikes.ts';
import type { Point } from './timeline.ts';

/** Where a host ended: as it was, as after some whole stages, repaired, or in between. */
export type Place = 'as before' | `stage ${number} kept` | 'repaired' | 'BETWEEN';

/** What became of one strike. */
export interface Outcome {
  readonly fault: Fault;
  readonly kind: string;
  readonly when: string;
  readonly place: Place;
  /** What the controller said at its end, or how it ended. */
  readonly controller: string;
  /** States of the run's stages on the host. */
  readonly states: readonly string[];
  /** Seconds from the start of the run until all was calm. */
  readonly seconds: number;
  /** What the fault did not find to strike at. */
  readonly note: string;
  /** Empty: the promise was kept. */
  readonly problems: readonly string[];
}

/** Differences to the host as it was: after each stage but the last, and when all is repaired. */
export interface Goals {
  readonly stages: readonly (readonly string[])[];
  readonly repaired: readonly string[];
}

export interface Calibration extends Undisturbed {
  readonly goals: Goals;
  /** A confirm window that this machine keeps in every undisturbed run, and not much longer. */
  readonly guardSeconds: number;
}

// A controller that goes on for longer is ended by the test, and that is noted.
const patienceMs = 60_000;

/** Runs once undisturbed, to know what a repaired host is, how long what takes, and that it works. */
export async function calibrate(stands: readonly Stand[]): Promise<Calibration> {
  const [first, second] = stands;
  if (first === undefined) throw new Error('a stand is needed');
  const whole = runWhole(first);
  const [undisturbed, revertMs] = await Promise.all([
    whole,
    second === undefined ? whole.then(() => revertSpan(first)) : revertSpan(second),
  ]);
  const { timeline, repaired, applierMs } = undisturbed;
  const guardSeconds = windowOf(timeline);
  for (const stand of stands) stand.guardSeconds = guardSeconds;
  const stages: (readonly string[])[] = [];
  for (let stage = 1; stage < applierMs.length; stage += 1)
    stages.push(await stopAfter(first, stage));
  const way = first.way.name;
  return { way, timeline, applierMs, revertMs, goals: { stages, repaired }, guardSeconds };
}

async function runWhole(
  stand: Stand,
): Promise<Pick<Calibration, 'timeline' | 'applierMs'> & { repaired: readonly string[] }> {
  await stand.ready();
  const spans = [0, 1].map((stage) => spanOf(stand, stageFolder(stage), 'applier', 'applied'));
  const attempt = stand.attempt({ guardSeconds: 120 });
  const result = await attempt.done;
  if (result.status !== 0) throw new Error(`undisturbed: ${result.status}\n${result.stdout}`);
  const stages = attempt.points.filter(({ key }) => key.startsWith('settled')).length;
  const applierMs = await Promise.all(spans.slice(0, stages));
  await stand.settled(30);
  const repaired = await stand.changes();
  const problems = await stand.deadLogins('after');
  if (problems.length > 0) throw new Error(`undisturbed: ${problems.join('; ')}`);
  stand.stale();
  return { timeline: [...attempt.points], applierMs, repaired };
}

async function revertSpan(stand: Stand): Promise<number> {
  await stand.ready();
  const span = spanOf(stand, '*', 'reverter', 'reverted');
  const attempt = stand.attempt({ guardSeconds: 120 });
  await attempt.reached('phase-done apply #1');
  attempt.kill('SIGINT');
  await attempt.done;
  stand.stale();
  return span;
}

async function spanOf(stand: Stand, folder: string, from: string, to: string): Promise<number> {
  const files = [from, to].map((file) => `/var/lib/remedy/${folder}/${file}`);
  // A stage that there is not is waited for until the stand is reset.
  return (await stand.watch<number | null>('span', ...files, '60').catch(() => null)) ?? 0;
}

/** The controller is killed when a stage is settled: what stays is that stage. */
async function stopAfter(stand: Stand, stage: number): Promise<readonly string[]> {
  await stand.ready();
  const attempt = stand.attempt();
  await attempt.reached(`settled #${stage}`);
  attempt.kill('SIGKILL');
  await stand.settled(stand.guardSeconds + 30);
  stand.stale();
  return stand.changes();
}

/** Twice the longest that a stage waited for its confirmation; remedy takes five seconds or more. */
function windowOf(timeline: readonly Point[]): number {
  let applied = 0;
  let longest = 0;
  for (const { key, at } of timeline) {
    if (key.startsWith('phase-done apply')) applied = at;
    if (key.startsWith('settled')) longest = Math.max(longest, at - applied);
  }
  return Math.max(5, Math.ceil((2 * longest) / 1000));
}

/** Strikes once, waits until all is calm, and looks where the host is. The stand is usable after it. */
export async function strikeOnce(
  stand: Stand,
  known: Calibration,
  strike: Strike,
): Promise<Outcome> {
  await stand.ready();
  const began = Date.now();
  const attempt = stand.attempt();
  const carriedOut = strike.carryOut(stand, attempt);
  const [note, controller] = await Promise.all([carriedOut, endOf(attempt, carriedOut)]);
  const survey = await stand.settled(stand.guardSeconds + 30);
  const seconds = Math.round((Date.now() - began) / 1000);
  const changes = await stand.changes();
  const place = placeOf(changes, known.goals);
  const problems = [
    ...surveyProblems(survey),
    ...(place === 'BETWEEN' ? nearest(changes, known.goals) : []),
    ...(await stand.deadLogins(place === 'as before' ? 'before' : 'after')),
    ...contradiction(controller, place),
  ];
  if (place === 'as before' && problems.length === 0) await stand.forget();
  else stand.stale();
  const { fault, kind, when } = strike;
  return {
    ...{ fault, kind, when, place, note, problems },
    controller,
    states: Object.values(survey.runs),
    seconds,
  };
}

async function endOf(
  attempt: ReturnType<Stand['attempt']>,
  carriedOut: Promise<unknown>,
): Promise<string> {
  const impatient = new AbortController();
  const limit = carriedOut
    .then(() => pause(patienceMs, undefined, { signal: impatient.signal }))
    .then(() => attempt.kill('SIGKILL'))
    .then(() => true)
    .catch(() => false);
  const result = await attempt.done;
  impatient.abort();
  return (await limit) ? `did not end in ${patienceMs / 1000} s` : summary(result);
}

function summary({ status, signal, stdout, stderr }: Result): string {
  if (signal !== null) return signal;
  try {
    const document = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      hosts: { outcome: string; failure: { code: string } | null }[];
    };
    const [host] = document.hosts;
    return [`${status}`, host?.outcome, host?.failure?.code].filter(Boolean).join(' ');
  } catch {
    return `${status} NO DOCUMENT ${stderr.slice(0, 200)}`;
  }
}

function placeOf(changes: readonly string[], goals: Goals): Place {
  if (changes.length === 0) return 'as before';
  if (missing(changes, goals.repaired).length === 0) return 'repaired';
  const stage = goals.stages.findIndex((kept) => missing(changes, kept).length === 0);
  return stage === -1 ? 'BETWEEN' : `stage ${stage + 1} kept`;
}

function missing(one: readonly string[], other: readonly string[]): string[] {
  return [
    ...one.filter((line) => !other.includes(line)).map((line) => `unlike a repair: ${line}`),
    ...other.filter((line) => !one.includes(line)).map((line) => `not there: ${line}`),
  ];
}

function nearest(changes: readonly string[], goals: Goals): string[] {
  const ways = [
    changes.map((line) => `unlike before: ${line}`),
    ...[...goals.stages, goals.repaired].map((goal) => missing(changes, goal)),
  ];
  return ways.toSorted((one, other) => one.length - other.length)[0] ?? [];
}

function surveyProblems({ settled, alive, lock, runs }: Survey): string[] {
  const stuck = Object.values(runs).includes('stuck') ? ['a stage is stuck'] : [];
  if (settled) return stuck;
  return [
    `not settled: ${JSON.stringify(runs)}, lock ${lock}, at work: ${alive.join(' ') || 'none'}`,
    ...stuck,
  ];
}

// What a controller says of the host must be true.
function contradiction(controller: string, place: Place): string[] {
  const said = controller.split(' ')[1] ?? '';
  const wrong =
    said === 'changed'
      ? place !== 'repaired'
      : ['reverted', 'refused', 'failed', 'unreachable', 'locked'].includes(said)
        ? place !== 'as before'
        : // An earlier stage is kept for good, a later one was taken back.
          (said === 'stuck' && !place.startsWith('stage')) || said === 'NO';
  return wrong ? [`the controller said "${controller}", the host is ${place}`] : [];
}

/**
 * Carries out all strikes on the stands, as many at once as there are stands.
 *
 * @param share of the moments and kinds: the `turn`th of `of` takes part, another one for each fault,
 *   so that several scenarios together have all of them.
 */
export async function strikeAll(
  stands: readonly Stand[],
  known: Calibration,
  wanted: ReadonlyMap<Fault, number>,
  share: { readonly turn: number; readonly of: number } = { turn: 0, of: 1 },
): Promise<Outcome[]> {
  const strikes = [...wanted].flatMap(([fault, count], order) =>
    strikesOf(fault, known, count * share.of).filter(
      (_, index) => index % share.of === (share.turn + order) % share.of,
    ),
  );
  const outcomes: Outcome[] = Array.from({ length: strikes.length });
  const queue = [...strikes.entries()];
  await Promise.all(
    stands.map(async (stand) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        outcomes[next[0]] = tell(await strikeOnce(stand, known, next[1]));
    }),
  );
  return outcomes;
}

/** With REMEDY_KILL_SHOW=1 each outcome is seen as it comes. */
function tell(outcome: Outcome): Outcome {
  if (process.env['REMEDY_KILL_SHOW'] === '1') console.error(JSON.stringify(outcome));
  return outcome;
}
