import type { Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { HostKey } from './known-hosts.ts';
import type { Route, Session } from './route.ts';
import { connectSsh, describeTarget, targetName, type SshOptions } from './ssh-connect.ts';
import type { SshConnection } from './ssh-connection.ts';
import { interruptedFailure, lostFailure } from './ssh-failure.ts';
import { shellMissingFailure } from './shell-failure.ts';
import { openShellSession, type ShellSource, type SudoOptions } from './shell.ts';
import type { SshTarget } from './target.ts';

/** What an ssh route is made of. */
export interface SshRouteOptions extends SshOptions, SudoOptions {
  readonly target: SshTarget;
  /** Receives the key that the host proved to hold, once the login is made. */
  readonly onHostKey?: (key: HostKey) => void;
}

/** A route through SSH, jump hosts included, by the ssh2 library. */
export function createSshRoute(options: SshRouteOptions): Route {
  return {
    kind: 'ssh',
    description: `ssh ${describeTarget(options.target)}`,
    open: async (signal) => openSsh(options, signal),
  };
}

async function openSsh(
  options: SshRouteOptions,
  signal: AbortSignal,
): Promise<Result<Session, Failure>> {
  const connected = await connectSsh(options.target, options, signal);
  if (!connected.ok) {
    return fail(connected.error.failure);
  }
  options.onHostKey?.(connected.value.facts.hostKey);
  return openShellSession(sshSource(options.target, connected.value), options, signal);
}

function sshSource(target: SshTarget, connection: SshConnection): ShellSource {
  const name = targetName(target);
  return {
    kind: 'ssh',
    description: `ssh ${describeTarget(target)}`,
    name,
    open: async (signal) => {
      // The login shell may be fish or csh: this is all that it is asked to understand.
      const channel = await connection.exec('exec sh', signal);
      if (channel.ok) {
        return ok(channel.value);
      }
      return fail(
        signal.aborted ? interruptedFailure() : noChannel(connection, name, channel.error),
      );
    },
    endedEarly: (exit, said) =>
      exit.type === 'lost' && !connection.isOpen
        ? lostFailure(name, exit.because)
        : shellMissingFailure(name, exit, said),
    close: async () => connection.close(),
  };
}

function noChannel(connection: SshConnection, name: string, why: string): Failure {
  return connection.isOpen
    ? shellMissingFailure(name, { type: 'lost', because: why }, '')
    : lostFailure(name, why);
}
