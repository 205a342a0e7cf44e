// The kill test in full, on real hosts; writes its result table: node scripts/kill-table.js [FILE]
import { spawnSync } from 'node:child_process';
import { root, setUp } from './setup.js';

const file = process.argv[2] ?? 'docs/kill-test.md';

setUp();
const commit = spawnSync('git', ['describe', '--always', '--dirty'], {
  cwd: root,
  encoding: 'utf8',
}).stdout.trim();
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'testinfra/kill/kill.full.test.ts'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      REMEDY_FULL: '1',
      REMEDY_KILL_TABLE: file,
      REMEDY_KILL_COMMIT: commit,
      REMEDY_KILL_COMMAND: 'node scripts/kill-table.js',
    },
  },
);
spawnSync(process.execPath, ['node_modules/oxfmt/bin/oxfmt', file], { cwd: root });
process.exitCode = status ?? 1;
