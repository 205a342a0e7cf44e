// Runs a long test on real hosts that writes a table of its results.
import { spawnSync } from 'node:child_process';
import { root, setUp } from './setup.js';

/**
 * Runs the test and formats its table; the exit status is the test's.
 *
 * @param {{ test: string, file: string, prefix: string, command: string }} what the test file; the file of
 *   the table; and what the names of the variables begin with by which the test is told: FILE goes into
 *   `PREFIX_TABLE`, the commit into `PREFIX_COMMIT`, the command for the reader into `PREFIX_COMMAND`.
 */
export function writeTable({ test, file, prefix, command }) {
  setUp();
  const commit = spawnSync('git', ['describe', '--always', '--dirty'], {
    cwd: root,
    encoding: 'utf8',
  }).stdout.trim();
  const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', test], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      REMEDY_FULL: '1',
      [`${prefix}_TABLE`]: file,
      [`${prefix}_COMMIT`]: commit,
      [`${prefix}_COMMAND`]: command,
    },
  });
  spawnSync(process.execPath, ['node_modules/oxfmt/bin/oxfmt', file], { cwd: root });
  process.exitCode = status ?? 1;
}
