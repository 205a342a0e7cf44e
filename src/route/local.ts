import { nothingDone } from './nothing-done.ts';
import type { Failure } from '../core/failure.ts';
import { fail } from '../core/result.ts';
import { childEnvironment, Children, type SpawnError } from './child-channel.ts';
import type { Route } from './route.ts';
import { shellMissingFailure } from './shell-failure.ts';
import { openShellSession, type ShellSource, type SudoOptions } from './shell.ts';

/** What the local route is made of. */
export interface LocalRouteOptions extends SudoOptions {
  /** The environment of this process; secrets of ours are taken out before the shell gets it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A route to the machine we run on. */
export function createLocalRoute(options: LocalRouteOptions): Route {
  return {
    kind: 'local',
    description: 'local',
    open: async (signal) => openShellSession(localSource(options), options, signal),
  };
}

function localSource(options: LocalRouteOptions): ShellSource {
  // Here SSH_CONNECTION is right: it tells how the operator got into this machine.
  const { SSH_CONNECTION: connection } = options.environment;
  const environment = { ...childEnvironment(options.environment), SSH_CONNECTION: connection };
  const children = new Children({ environment, isShell: true });
  return {
    kind: 'local',
    description: 'local',
    name: 'this machine',
    open: async () => {
      const channel = await children.start(['sh']);
      return channel.ok ? channel : fail(noShell(channel.error));
    },
    endedEarly: (exit, said) => shellMissingFailure('this machine', exit, said),
    close: async () => children.close(),
  };
}

function noShell(error: SpawnError): Failure {
  return {
    code: 'shell-missing',
    what: 'The shell sh could not be started on this machine.',
    why: error.text,
    access: nothingDone,
    todo: 'Check PATH: sh must be found there.',
  };
}
