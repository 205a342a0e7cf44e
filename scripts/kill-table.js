// The kill test in full, on real hosts; writes its result table: node scripts/kill-table.js [FILE]
import { writeTable } from './table.js';

writeTable({
  test: 'testinfra/kill/kill.full.test.ts',
  file: process.argv[2] ?? 'docs/kill-test.md',
  prefix: 'REMEDY_KILL',
  command: 'node scripts/kill-table.js',
});
