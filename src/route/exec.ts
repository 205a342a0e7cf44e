import { split } from 'shlex';
import { nothingDone } from './nothing-done.ts';
import { cleanLine } from '../core/clean.ts';
import { notContacted, type Failure } from '../core/failure.ts';
import type { Argv } from '../core/quote.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { childEnvironment, Children, type SpawnError } from './child-channel.ts';
import type { Exit, Route } from './route.ts';
import { describeExit } from './shell-failure.ts';
import { openShellSession, type ShellSource, type SudoOptions } from './shell.ts';

/** Splits a command as a shell would split words, without a shell: no expansion of any kind. */
export function splitCommand(text: string, flag = '--exec'): Result<Argv, Failure> {
  try {
    const [command, ...args] = split(text);
    return command === undefined || command === ''
      ? fail(badCommand(text, 'It is empty.', flag))
      : ok([command, ...args]);
  } catch (error) {
    const isQuote = error instanceof Error && error.message.includes('quoted');
    return fail(
      badCommand(
        text,
        isQuote ? 'A quotation mark is not closed.' : 'It ends with a single backslash.',
        flag,
      ),
    );
  }
}

function badCommand(text: string, why: string, flag: string): Failure {
  return {
    code: 'usage',
    what: `The command ${JSON.stringify(cleanLine(text, 200))} cannot be split into words.`,
    why,
    access: notContacted,
    todo: `Write it as one argument, for instance:\n${flag} '${flag === '--exec' ? 'docker exec -i web1 sh' : 'virsh console web1'}'`,
  };
}

/** What an exec route is made of. */
export interface ExecRouteOptions extends SudoOptions {
  /** The command: its standard input and output are a shell on the host. */
  readonly argv: Argv;
  /** The environment of this process; secrets of ours are taken out before the command gets it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A route through a command that gives a shell on its standard input and output. */
export function createExecRoute(options: ExecRouteOptions): Route {
  const description = `exec '${shownCommand(options)}'`;
  return {
    kind: 'exec',
    description,
    open: async (signal) => openShellSession(execSource(options, description), options, signal),
  };
}

function shownCommand(options: ExecRouteOptions): string {
  return cleanLine(options.argv.join(' '), 120);
}

function execSource(options: ExecRouteOptions, description: string): ShellSource {
  const children = new Children({
    environment: childEnvironment(options.environment),
    isShell: false,
  });
  return {
    kind: 'exec',
    description,
    name: `the other side of ${description}`,
    open: async () => {
      const channel = await children.start(options.argv);
      return channel.ok ? channel : fail(notStarted(options.argv[0], channel.error));
    },
    endedEarly: (exit, said) => endedEarly(shownCommand(options), exit, said),
    close: async () => children.close(),
  };
}

function notStarted(command: string, error: SpawnError): Failure {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'There is no such command on this machine.',
    EACCES: 'The file is not executable for this user.',
  };
  return {
    code: 'exec-failed',
    what: `The command ${cleanLine(command, 120)} could not be started.`,
    why: reasons[error.code] ?? error.text,
    access: `The host was not reached. ${nothingDone}`,
    todo: 'Correct the command given with --exec.',
  };
}

function endedEarly(command: string, exit: Exit, said: string): Failure {
  const words = cleanLine(said.slice(-2000), 600);
  return {
    code: 'exec-failed',
    what: 'The command of the route ended before a shell answered.',
    why: `${command} ended ${describeExit(exit)}.${words === '' ? '' : ` It printed: ${words}`}`,
    access: `The host was not reached by this route. ${nothingDone}`,
    todo: 'Run the command by hand: it must give a POSIX shell on its standard input and output.',
  };
}
