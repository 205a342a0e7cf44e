import type { CommanderError } from 'commander';
import { notContacted, RunFailure, type Failure } from '../core/failure.ts';
import { runDocument } from '../report/run-document.ts';
import { failureStatus } from './exit-status.ts';

/** Whether the arguments ask for JSON; needed where they could not be parsed. */
export function wantsJson(argv: readonly string[]): boolean {
  return argv.some((word, index) => {
    const value =
      /^(?:--output|-o)=(.*)$/.exec(word)?.[1] ??
      (word === '--output' || word === '-o' ? argv[index + 1] : /^-o(.+)$/.exec(word)?.[1]);
    return value === 'json' || value === 'ndjson';
  });
}

/** The failure for flags that do not go together, to be thrown before any host is contacted. */
export function usageError(what: string, why: string): RunFailure {
  return new RunFailure({
    code: 'usage',
    what: `${what}.`,
    why,
    access: notContacted,
    todo: 'For help, run:\n    remedy run --help',
  });
}

const commandNames = 'run undo confirm revert status runs show list lint docs'.split(' ');

/** Reports what commander refused; returns the exit status. */
export function reportUsage(error: CommanderError, argv: readonly string[]): number {
  if (error.exitCode === 0) {
    return 0;
  }
  const command = argv.find((word) => commandNames.includes(word));
  const text = error.message.replace(/^error: /, '');
  const [what = '', ...hints] = text.split('\n');
  return reportFailure(
    {
      code: 'usage',
      what: `${what.charAt(0).toUpperCase()}${what.slice(1)}`,
      why: hints.join('\n').replace(/^\((.*)\)$/, '$1'),
      access: notContacted,
      todo: `For help, run:\n    remedy ${command === undefined ? '--help' : `${command} --help`}`,
    },
    argv,
  );
}

/** Reports a bug of ours without a stack trace; returns the exit status. */
export function reportCrash(error: unknown, argv: readonly string[]): number {
  const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (process.env['REMEDY_DEBUG'] === '1' && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ''}\n`);
  }
  return reportFailure(
    {
      code: 'internal',
      what: 'remedy itself failed.',
      why,
      access: 'What was done on the host up to then is not known. Keep any session that you have.',
      todo: 'Please report this with the command that you ran. To see where it happened, run it again with REMEDY_DEBUG=1.',
    },
    argv,
  );
}

/** Prints one failure where no host was contacted, as JSON where that was asked for. */
export function reportFailure(failure: Failure, argv: readonly string[]): number {
  const status = failureStatus(failure.code);
  if (wantsJson(argv)) {
    const run = { runId: '', dryRun: false, hosts: [], failure };
    process.stdout.write(
      `${JSON.stringify(runDocument(run, status), null, argv.includes('ndjson') ? 0 : 2)}\n`,
    );
  } else {
    process.stderr.write(`${plainFailure(failure)}\n`);
  }
  return status;
}

function plainFailure(failure: Failure): string {
  return [`error: ${failure.what}`, failure.why, failure.access, failure.todo]
    .filter((line) => line.trim() !== '')
    .join('\n');
}
