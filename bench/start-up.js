// npm run bench: how long remedy takes to start, against Node itself. Pairs are interleaved (A B A B …),
// so that a busy moment of the machine hits both. A number of pairs may be given: npm run bench -- 50
import { spawnSync } from 'node:child_process';
import { root, setUp } from '../scripts/setup.js';

const pairs = Number(process.argv[2] ?? 15);
const warmUps = 3;
const nothing = ['-e', '0'];
const commands = [
  ['bin/remedy.js', '--version'],
  ['bin/remedy.js', 'run', '--help'],
  ['bin/remedy.js', 'list'],
];

function timeOf(args) {
  const started = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ms = performance.now() - started;
  if (status !== 0) {
    throw new Error(`node ${args.join(' ')}: status ${status}\n${stderr.toString()}`);
  }
  return ms;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function compare(args) {
  for (let round = 0; round < warmUps; round += 1) {
    timeOf(nothing);
    timeOf(args);
  }
  const times = Array.from({ length: pairs }, () => ({ base: timeOf(nothing), own: timeOf(args) }));
  const base = median(times.map((pair) => pair.base));
  const own = median(times.map((pair) => pair.own));
  const ratio = median(times.map((pair) => pair.own / pair.base));
  return { base, own, ratio, limit: 2 * base + 60 };
}

setUp();
console.log(
  `Medians of ${pairs} interleaved pairs, Node ${process.versions.node}; limit: 2 × node -e 0 + 60 ms\n`,
);
for (const args of commands) {
  const { base, own, ratio, limit } = compare(args);
  const ms = (value) => `${value.toFixed(0).padStart(4)} ms`;
  const name = `remedy ${args.slice(1).join(' ')}`;
  const within = own <= limit ? 'within' : 'OVER';
  if (own > limit) {
    process.exitCode = 1;
  }
  console.log(
    `${name.padEnd(18)}${ms(own)}   node -e 0 ${ms(base)}   ratio ${ratio.toFixed(2)}   limit ${ms(limit)}: ${within}`,
  );
}
