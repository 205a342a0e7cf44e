import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Weather } from '../../test/route/console/simulator.ts';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';
import { endpointFlags, hostOf, runWith } from '../support/remedy.ts';
import { laySlowLine } from './slow-line.ts';

// What a console costs: a dry run of open-port over its line, and over exec beside it, so that both see
// the same machine. `node scripts/console-speed.js` runs this and keeps its table.

let lab: Lab;
let host: LabHost;
const password = 'Ohb4ooL1 x';
const minute = 60_000;
const repeats = 3;

interface Row {
  readonly line: string;
  readonly exec: number;
  readonly console: number;
  readonly down: number;
  readonly up: number;
}
const rows: Row[] = [];

beforeAll(async () => {
  lab = await openLab();
  host = await lab.up('speed');
  await host.exec(['chpasswd'], { stdin: `root:${password}\n` });
  await host.breakIt('ufw-enable');
});

afterAll(async () => {
  const file = process.env['REMEDY_SPEED_TABLE'];
  if (file !== undefined && rows.length > 0) await writeFile(file, tableOf(rows));
  await lab.down();
});

/** Seconds that a dry run of open-port takes. */
async function dryRun(way: readonly string[]): Promise<number> {
  const began = performance.now();
  const options = { env: { REMEDY_CONSOLE_PASSWORD: password }, timeoutMs: 15 * minute };
  const endpoint = endpointFlags(lab, host, { exec: false });
  const result = await runWith(lab, ['open-port', '--dry-run', ...endpoint, ...way], options);
  const seconds = (performance.now() - began) / 1000;
  const told = hostOf(result.document);
  expect(told, JSON.stringify(told.failure)).toMatchObject({ outcome: 'would-change' });
  return seconds;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? 0;
}

const both = (loss: number): Weather => ({ up: { loss }, down: { loss } });

// The seconds that a console may cost more than exec; null: no promise is made.
const lines: readonly (readonly [string, Weather, number | null])[] = [
  ['115200 baud', { baud: 115_200 }, 15],
  ['115200 baud, loses 1 byte in 10,000', { ...both(1e-4), baud: 115_200 }, null],
  ['115200 baud, loses 1 byte in 1000', { ...both(1e-3), baud: 115_200 }, null],
  ['9600 baud', { baud: 9600 }, 90],
  ['9600 baud, loses 1 byte in 10,000', { ...both(1e-4), baud: 9600 }, null],
  ['9600 baud, loses 1 byte in 1000', { ...both(1e-3), baud: 9600 }, null],
];

describe('a dry run over a line of', () => {
  for (const [name, weather, limit] of lines) {
    test(name, { timeout: 60 * minute }, async () => {
      const line = await laySlowLine(lab, host, weather);
      const [exec, console]: [number[], number[]] = [[], []];
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        exec.push(await dryRun(['--exec', host.execCommand]));
        console.push(await dryRun(['--console', line.address]));
      }
      const { down, up } = line.bytes();
      await line.close();
      const row = {
        line: name,
        exec: median(exec),
        console: median(console),
        down: down / repeats,
        up: up / repeats,
      };
      rows.push(row);
      if (limit !== null) expect(row.console - row.exec).toBeLessThan(limit);
    });
  }
});

function tableOf(all: readonly Row[]): string {
  const cells = all.map(({ line, exec, console, down, up }) =>
    [
      line,
      exec.toFixed(1),
      console.toFixed(1),
      (console - exec).toFixed(1),
      (down / 1000).toFixed(1),
      (up / 1000).toFixed(1),
    ].join(' | '),
  );
  return `# What a console costs

A dry run of \`open-port\` on a host that ufw has shut, over a console behind a simulated line, and over \`--exec\` beside it. Medians of ${repeats} interleaved runs, in seconds. Bytes are those that were sent and shown, in kB for each run. Loss is in both directions.

Made by \`${process.env['REMEDY_SPEED_COMMAND'] ?? 'vitest'}\`, with remedy ${process.env['REMEDY_SPEED_COMMIT'] ?? 'unknown'}, node ${process.version}.

| Line | exec | Console | More | Sent | Shown |
|---|--:|--:|--:|--:|--:|
${cells.map((one) => `| ${one} |`).join('\n')}

A line that loses one byte in a hundred is not in the table: there a login often fails, since nothing checks its letters. See [limits](console.md#limits).

About five seconds of a run over a console are waits on purpose: a console is listened to before anything is typed, and a password only follows its prompt.
`;
}
