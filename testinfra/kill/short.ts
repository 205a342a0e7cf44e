import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { openLab, type Lab } from '../support/lab.ts';
import type { Scenario } from './scenarios.ts';
import { Stand } from './stand.ts';
import { faults } from './strikes.ts';
import { calibrate, strikeAll } from './trial.ts';
import type { WayName } from './way.ts';

const moments = Number(process.env['REMEDY_KILL_MOMENTS'] ?? 1);
// More of them are slower on two processors.
const standsEach = 1;

/** Declares the short form of the kill test: all faults in each scenario, at a few moments. */
export function describeKills(way: WayName, scenarios: readonly Scenario[]): void {
  let lab: Lab;

  beforeAll(async () => {
    lab = await openLab();
  });

  afterAll(async () => {
    await lab.down();
  });

  describe.concurrent(`by ${way}: whatever is killed, the host is as before or repaired`, () => {
    for (const [number, scenario] of scenarios.entries()) {
      const there = scenario.playbooks.every((name) => existsSync(`playbooks/${name}.yaml`));
      test.skipIf(!there)(scenario.name, async ({ expect }) => {
        const stands = await Promise.all(
          Array.from({ length: standsEach }, (_, index) =>
            Stand.open(lab, `s${number}-${index}`, scenario, { way }),
          ),
        );
        const known = await calibrate(stands);
        const outcomes = await strikeAll(
          stands,
          known,
          new Map(faults.map((fault) => [fault, moments])),
          { turn: number, of: scenarios.length },
        );
        expect(outcomes.filter(({ problems }) => problems.length > 0)).toEqual([]);
        expect(outcomes).toHaveLength(faults.length * moments);
      });
    }
  });
}
