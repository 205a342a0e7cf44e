import { createProgram } from './program.ts';
import { reportCrash, reportUsage } from './usage.ts';
import { CommanderError } from 'commander';

const argv = process.argv.slice(2);

try {
  await createProgram().parseAsync(argv, { from: 'user' });
} catch (error) {
  process.exitCode = error instanceof CommanderError ? reportUsage(error, argv) : reportCrash(error, argv);
}
