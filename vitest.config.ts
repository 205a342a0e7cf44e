import { defineConfig } from 'vitest/config';

const full = process.env['REMEDY_FULL'] === '1';
const minute = 60_000;

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          globalSetup: ['scripts/vitest/build.js'],
          // Many of them wait for a process, so there may be more of them than processors.
          maxWorkers: 3,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'hosts',
          include: ['testinfra/**/*.test.ts'],
          exclude: full ? [] : ['**/*.full.test.ts'],
          globalSetup: ['scripts/vitest/build.js', 'scripts/vitest/hosts.js'],
          runner: 'scripts/vitest/skip-without-hosts.js',
          pool: 'forks',
          // Hosts take memory and processor time of their own.
          maxWorkers: 2,
          // Tests at once in each worker: more take longer, until hosts miss their own limits.
          maxConcurrency: 4,
          testTimeout: full ? 30 * minute : 5 * minute,
          hookTimeout: 5 * minute,
          // After the unit tests.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
