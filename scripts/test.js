// npm test: first the tests that need no host, then those on real hosts. --full adds the long ones.
// All other arguments go to vitest: npm test -- --project unit, npm test -- test/core
import { spawn } from 'node:child_process';
import { root, setUp } from './setup.js';

const words = process.argv.slice(2);

setUp();
const vitest = spawn(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', ...words.filter((word) => word !== '--full')],
  {
    cwd: root,
    stdio: 'inherit',
    env: words.includes('--full') ? { ...process.env, REMEDY_FULL: '1' } : process.env,
  },
);
// Vitest takes hosts down before it ends: wait for it.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => vitest.kill(signal));
}
vitest.on('exit', (status) => {
  process.exitCode = status ?? 1;
});
