// Measures what a console costs, on a real host behind simulated lines; writes its table:
// node scripts/console-speed.js [FILE]
import { spawnSync } from 'node:child_process';
import { root, setUp } from './setup.js';

const file = process.argv[2] ?? 'docs/console-speed.md';

setUp();
const commit = spawnSync('git', ['describe', '--always', '--dirty'], {
  cwd: root,
  encoding: 'utf8',
}).stdout.trim();
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'testinfra/routes/console-speed.full.test.ts'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      REMEDY_FULL: '1',
      REMEDY_SPEED_TABLE: file,
      REMEDY_SPEED_COMMIT: commit,
    },
  },
);
spawnSync(process.execPath, ['node_modules/oxfmt/bin/oxfmt', file], { cwd: root });
process.exitCode = status ?? 1;
