import { CommanderError } from 'commander';
import { createProgram } from './program.ts';
import { reportCrash, reportUsage } from './usage.ts';

const words = process.argv.slice(2);
// Without a command, help is what was asked for.
const argv = words.length === 0 ? ['--help'] : words;

// A reader that went away (`remedy … | head`) must not end a repair half-way.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      throw error;
    }
  });
}

process.on('uncaughtException', (error) => {
  process.exit(reportCrash(error, argv));
});

try {
  await createProgram().parseAsync(argv, { from: 'user' });
} catch (error) {
  process.exitCode =
    error instanceof CommanderError ? reportUsage(error, argv) : reportCrash(error, argv);
}
