import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { openLab, type Lab } from '../support/lab.ts';
import { scenarios } from './scenarios.ts';
import { Stand } from './stand.ts';
import { faults } from './strikes.ts';
import { tableOf, type Series } from './table.ts';
import { calibrate, strikeAll } from './trial.ts';

// The long form; `node scripts/kill-table.js` runs it and keeps its table.
const moments = Number(process.env['REMEDY_KILL_MOMENTS'] ?? 50);
const standsEach = Number(process.env['REMEDY_KILL_STANDS'] ?? 4);
const hours = 3_600_000;

const series: Series[] = [];
const began = Date.now();
let lab: Lab;
let versions: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  const file = process.env['REMEDY_KILL_TABLE'];
  if (file !== undefined && series.length > 0) {
    const order = scenarios.map(({ name }) => name);
    const sorted = series.toSorted(
      (one, other) => order.indexOf(one.scenario) - order.indexOf(other.scenario),
    );
    const minutes = Math.round((Date.now() - began) / 60_000);
    const command = process.env['REMEDY_KILL_COMMAND'] ?? 'vitest';
    await writeFile(file, tableOf(sorted, { command, versions, minutes }));
  }
  await lab.down();
});

describe.concurrent('whatever is killed, the host is as before or repaired', () => {
  for (const [number, scenario] of scenarios.entries()) {
    test(scenario.name, { timeout: 2 * hours }, async ({ expect }) => {
      const stands = await Promise.all(
        Array.from({ length: standsEach }, (_, index) =>
          Stand.open(lab, `s${number}-${index}`, scenario),
        ),
      );
      const [first] = stands;
      if (first === undefined) throw new Error('no stand');
      if (number === 0) versions = await versionsOf(first);
      const known = await calibrate(stands);
      const wanted = new Map(faults.map((fault) => [fault, moments] as const));
      const outcomes = await strikeAll(stands, known, wanted);
      const { name, playbooks } = scenario;
      series.push({ scenario: name, playbooks, guardSeconds: known.guardSeconds, outcomes });
      expect(outcomes.filter(({ problems }) => problems.length > 0)).toEqual([]);
      expect(outcomes).toHaveLength(faults.length * moments);
    });
  }
});

async function versionsOf({ host }: Stand): Promise<Record<string, string>> {
  const said = await host.read(
    [
      '. /etc/os-release; echo "host=$PRETTY_NAME"',
      'echo "kernel=$(uname -r)"',
      "dpkg-query -W -f '${Package}=${Version}\\n' openssh-server systemd ufw nftables fail2ban",
    ].join('\n'),
  );
  const pairs = said.split('\n').map((line) => line.split('=') as [string, string]);
  const commit = process.env['REMEDY_KILL_COMMIT'] ?? 'unknown';
  return { remedy: commit, node: process.version, ...Object.fromEntries(pairs) };
}
