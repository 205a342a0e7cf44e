import type { Duplex } from 'node:stream';
import type { Failure } from '../core/failure.ts';
import { fail, type Result } from '../core/result.ts';
import { readKnownHosts } from './known-hosts-file.ts';
import type { SshConnection } from './ssh-connection.ts';
import {
  forwardFailure,
  interruptedFailure,
  placeName,
  socketFailure,
  type HopPlace,
} from './ssh-failure.ts';
import {
  Handshake,
  sshTimeouts,
  type HopContext,
  type SshError,
  type SshOptions,
} from './ssh-handshake.ts';
import { JumpHosts, type LogIn } from './ssh-jump.ts';
import type { SshTarget } from './target.ts';
import { tcpConnect } from './tcp-connect.ts';

export { sshTimeouts, type SshError, type SshOptions, type SshTimeouts } from './ssh-handshake.ts';

/**
 * Logs in, through the jump hosts if there are any, each verified under its own name. A jump host's
 * connection that is shared and turns out to be dead is made anew, once.
 */
export async function connectSsh(
  target: SshTarget,
  options: SshOptions,
  signal: AbortSignal,
): Promise<Result<SshConnection, SshError>> {
  const jumpHosts = options.jumpHosts ?? new JumpHosts();
  const logIn: LogIn = async (hop, outer) => {
    const place = { target: hop, isJump: true };
    const connected = await connectHop(place, {
      options: { ...options, trustedKeys: [] },
      outer,
      signal,
    });
    return connected.ok ? connected : fail({ ...connected.error, reached: 'none', ident: null });
  };
  for (;;) {
    const outer = await jumpHosts.reach(target.jump, logIn);
    if (!outer.ok) {
      return outer;
    }
    const place = { target, isJump: false };
    const connected = await connectHop(place, { options, outer: outer.value, signal });
    if (connected.ok) {
      return connected;
    }
    const isDead = outer.value?.isShared === true && !outer.value.connection.isOpen;
    await outer.value?.release();
    if (!isDead || signal.aborted) {
      return connected;
    }
  }
}

async function connectHop(
  place: HopPlace,
  context: HopContext,
): Promise<Result<SshConnection, SshError>> {
  const socket = await openSocket(place, context);
  if (!socket.ok) {
    return fail({ failure: socket.error, reached: 'none', ident: null });
  }
  const knownHosts = await readKnownHosts(place.target.knownHostsFiles);
  for (const sentence of knownHosts.unreadable) {
    context.options.onNotice?.(sentence);
  }
  return new Handshake(place, { ...context, knownHosts, socket: socket.value }).run();
}

async function openSocket(place: HopPlace, context: HopContext): Promise<Result<Duplex, Failure>> {
  const { address, port } = place.target;
  const { outer, signal, options } = context;
  if (outer !== null) {
    const forwarded = await outer.connection.forward({ address, port }, signal);
    if (forwarded.ok) {
      return forwarded;
    }
    return fail(
      signal.aborted
        ? interruptedFailure()
        : forwardFailure(place, outer.connection.facts.name, forwarded.error),
    );
  }
  const timeoutMs = (options.timeouts ?? sshTimeouts).connectMs;
  const socket = await tcpConnect({ address, port, timeoutMs }, signal);
  if (socket.ok) {
    return socket;
  }
  const { code, text } = socket.error;
  return fail(code === 'ABORT_ERR' ? interruptedFailure() : socketFailure(place, code, text));
}

/** For people: `root@web1:22 through bastion`. */
export function describeTarget(target: SshTarget): string {
  const through = target.jump.map((hop) => hop.host).join(', ');
  const port = target.port === 22 ? '' : `:${target.port}`;
  return `${target.user}@${target.host}${port}${through === '' ? '' : ` through ${through}`}`;
}

/** The name of the last hop, for failure texts. */
export function targetName(target: SshTarget): string {
  return placeName({ target, isJump: false });
}
