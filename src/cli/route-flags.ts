import { notContacted, RunFailure } from '../core/failure.ts';
import { checkHostName, checkPort, checkUserName } from '../core/host-name.ts';
import { normalAddress } from '../core/net.ts';
import type { Result } from '../core/result.ts';
import { parseJumps, parseVia, type HopSpec } from '../route/target-spec.ts';
import type { RouteFlag } from './route-order.ts';
import { usageError } from './usage.ts';

/** The flags that say which host it is and how to get in. */
export interface RouteFlags {
  readonly host?: string;
  readonly port?: string;
  readonly user?: string;
  readonly identity: readonly string[];
  readonly jump?: string;
  readonly from?: string;
  readonly knownHosts?: string;
  readonly acceptNewHostKey: boolean;
  readonly via: readonly string[];
  readonly viaIdentity: readonly string[];
  readonly exec: readonly string[];
  readonly console: readonly string[];
  readonly consoleLog?: string;
  readonly hostIs?: string;
  readonly local: boolean;
  readonly verbose: boolean;
  /** Receipts of before do not have it. */
  readonly openssh?: boolean;
  /** Which of the flags of routes came first, second, …; those not named here come last. */
  readonly routeOrder?: readonly RouteFlag[];
}

/** The flags as far as they can be checked without a file or a host. */
export interface CheckedFlags {
  readonly host: string;
  readonly port: number | null;
  readonly jump: readonly HopSpec[] | null;
  readonly from: string | null;
  readonly vias: readonly ReturnType<typeof viaOf>[];
}

/**
 * Checks the flags.
 *
 * @throws RunFailure where one is wrong.
 */
export function checkFlags(flags: RouteFlags): CheckedFlags {
  if (flags.host === undefined && !flags.local) {
    throw usageError(
      'No host was named',
      'Name the host whose SSH should work: --host HOST. For this machine: --local.',
    );
  }
  if (flags.viaIdentity.length > 0 && flags.via.length === 0) {
    throw usageError(
      '--via-identity is given without --via',
      'For the endpoint itself it is --identity.',
    );
  }
  const withPort = /^([^:]+):(\d+)$/.exec(flags.host ?? '');
  if (withPort !== null) {
    throw usageError(
      `--host ${flags.host ?? ''} holds a port`,
      `Give it apart: --host ${withPort[1] ?? ''} --port ${withPort[2] ?? ''}.`,
    );
  }
  const host = flags.host === undefined ? 'localhost' : valid(checkHostName(flags.host), '--host');
  if (flags.user !== undefined) {
    valid(checkUserName(flags.user), '--user');
  }
  if (flags.hostIs !== undefined && !/^[A-Za-z0-9][\w.-]{0,252}$/.test(flags.hostIs)) {
    throw usageError(
      `--host-is ${JSON.stringify(flags.hostIs)} is not a name of a host`,
      'It is what `uname -n` prints there.',
    );
  }
  const from = flags.from === undefined ? null : normalAddress(flags.from);
  if (flags.from !== undefined && from === null) {
    throw usageError(
      `--from ${JSON.stringify(flags.from)} is not an IP address`,
      'It is the address that logins come from, as the host sees it.',
    );
  }
  return {
    host,
    port: flags.port === undefined ? null : valid(checkPort(flags.port), '--port'),
    jump: flags.jump === undefined ? null : valid(parseJumps(flags.jump), '--jump'),
    from,
    vias: flags.via.map(viaOf),
  };
}

function viaOf(text: string): {
  host: string;
  user: string | null;
  port: number | null;
  jump: readonly HopSpec[];
} {
  return valid(parseVia(text), '--via');
}

function valid<T>(result: Result<T, string>, flag: string): T {
  if (!result.ok) {
    throw new RunFailure({
      code: 'invalid-host',
      what: `${flag} cannot be used.`,
      why: result.error,
      access: notContacted,
      todo: `Give ${flag} a valid value, then run the same command again.`,
    });
  }
  return result.value;
}
