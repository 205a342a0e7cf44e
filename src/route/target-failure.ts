import { cleanLine } from '../core/clean.ts';
import { notContacted, type Failure } from '../core/failure.ts';

/** The failure for a name, user or port that cannot be used; `why` is one clause. */
export function invalidTarget(host: string, why: string): Failure {
  return {
    code: 'invalid-host',
    what: `${JSON.stringify(host)} cannot be used as a host.`,
    why: `${why[0]?.toUpperCase() ?? ''}${why.slice(1)}.`,
    access: notContacted,
    todo: 'Correct the name, user or port, on the command line or in the ssh configuration.',
  };
}

/** The failure for a configuration that ssh refuses; `why` is one clause or sentence. */
export function badConfig(host: string, why: string): Failure {
  return {
    code: 'invalid-host',
    what: `The ssh configuration for ${host} could not be read.`,
    why: cleanLine(why, 600),
    access: notContacted,
    todo: `Correct ~/.ssh/config, then see what ssh makes of it:\nssh -G -- ${host}`,
  };
}

/** The failure for jump hosts that lead back to one of themselves. */
export function circle(path: readonly string[]): Failure {
  const names = path.map((id) => id.replace(/^@/, '').replace(/:$/, ''));
  return {
    code: 'invalid-host',
    what: 'The jump hosts lead in a circle.',
    why: `The way is ${names.join(' → ')}.`,
    access: notContacted,
    todo: 'Give the jump host "ProxyJump none" in ~/.ssh/config, or name the way with --jump.',
  };
}

/** The failure for a setting that only the OpenSSH client can honour. */
export function unhonoured(host: string, what: string): Failure {
  return {
    code: 'invalid-host',
    what: `The ssh configuration for ${host} sets ${what}, which this route cannot honour.`,
    why: 'Only the OpenSSH client itself can do that; it must be installed here.',
    access: notContacted,
    todo: 'Let the OpenSSH client of this machine log in: add --openssh.',
  };
}
