// npm test: first the tests that need no host, then those on real hosts. --full adds the long ones.
// All other arguments go to vitest: npm test -- --project unit, npm test -- test/core
import { spawn, spawnSync } from 'node:child_process';
import { root, setUp } from './setup.js';

const words = process.argv.slice(2);

setUp();
// Shells and tools that some unit tests use; without them those tests are skipped, and say so.
if (process.platform === 'linux' && process.getuid?.() === 0) {
  spawnSync('testinfra/lab', ['tools'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}
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
