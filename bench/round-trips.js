// npm run bench:round-trips: how often remedy starts the way in during a dry run on this machine. Each
// program it sends takes one start, and there must not be more of them with more playbooks. Needs root;
// changes nothing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, setUp } from '../scripts/setup.js';

const trials = [['open-port'], ['open-port', 'start-sshd', 'fix-authorized-keys', 'unban-address']];

function countStarts(playbooks) {
  const folder = mkdtempSync(join(tmpdir(), 'remedy-bench-'));
  try {
    const shell = join(folder, 'shell');
    const starts = join(folder, 'starts');
    writeFileSync(starts, '');
    writeFileSync(shell, `#!/bin/sh\necho >>'${starts}'\nexec sh\n`, { mode: 0o755 });
    const steps = dryRun(playbooks, shell);
    return { steps, starts: readFileSync(starts, 'utf8').length };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function dryRun(playbooks, shell) {
  const { stdout } = spawnSync(
    process.execPath,
    [
      'bin/remedy.js',
      'run',
      ...playbooks,
      '--host',
      '127.0.0.1',
      '--exec',
      shell,
      '--dry-run',
      '--output',
      'json',
    ],
    { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const steps = JSON.parse(stdout).hosts[0].stages.flatMap((stage) => stage.steps);
  if (steps.length === 0) {
    throw new Error(`Nothing was planned:\n${stdout}`);
  }
  return steps.length;
}

setUp();
const results = trials.map((playbooks) => ({ playbooks, ...countStarts(playbooks) }));
for (const { playbooks, steps, starts } of results) {
  console.log(`playbooks: ${playbooks.length}, steps: ${steps}, starts of the way in: ${starts}`);
}
const [one, several] = results;
if (several.starts > one.starts) {
  console.log('The number grows with the playbooks: it must not.');
  process.exitCode = 1;
}
