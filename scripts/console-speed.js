// Measures what a console costs, on a real host behind simulated lines; writes its table:
// node scripts/console-speed.js [FILE]
import { writeTable } from './table.js';

writeTable({
  test: 'testinfra/routes/console-speed.full.test.ts',
  file: process.argv[2] ?? 'docs/console-speed.md',
  prefix: 'REMEDY_SPEED',
  command: 'node scripts/console-speed.js',
});
