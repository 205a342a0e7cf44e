import { cleanLine } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import type { HostKey } from '../route/known-hosts.ts';
import type { Exit } from '../route/route.ts';
import { shellMissingFailure } from '../route/shell-failure.ts';
import { connectSsh, targetName, type SshTimeouts } from '../route/ssh-connect.ts';
import type { SshConnection } from '../route/ssh-connection.ts';
import type { JumpHosts } from '../route/ssh-jump.ts';
import type { SshTarget } from '../route/target.ts';

/** How far a login came, and how that is known. */
export interface LoginProof {
  /** `banner`: an SSH service said what it is; `listener`: the connection was accepted. */
  readonly level: 'login' | 'banner' | 'listener' | 'none';
  /** What proved the level: the user and key of the login, or the name of the service; or nothing. */
  readonly by: string;
  /** True for a login by a key or a certificate. */
  readonly byKey: boolean;
  /** Why it is no login; null for a login. */
  readonly failure: Failure | null;
}

/** What the proof may use besides the target. */
export interface LoginProofOptions {
  /** Public keys the host showed over its verified route in this run; known_hosts stays untouched. */
  readonly trustedKeys?: readonly HostKey[];
  readonly timeouts?: SshTimeouts;
  /** Where the connections to jump hosts are shared; the login itself is always a new one. */
  readonly jumpHosts?: JumpHosts;
}

const runTimeoutMs = 30_000;

/**
 * Logs in once, over a connection of its own, as the user of the target, and runs `true`. Nothing is
 * stored: a host key that is not known is not accepted.
 */
export async function proveLogin(
  target: SshTarget,
  signal: AbortSignal,
  options: LoginProofOptions = {},
): Promise<LoginProof> {
  const connected = await connectSsh(target, { ...options, acceptNewHostKey: false }, signal);
  if (!connected.ok) {
    const { failure, reached, ident } = connected.error;
    return {
      level: reached,
      by: ident ?? (reached === 'listener' ? `port ${target.port} accepted the connection` : ''),
      byKey: false,
      failure,
    };
  }
  const connection = connected.value;
  try {
    return await runTrue(target, connection, signal);
  } finally {
    await connection.close();
  }
}

async function runTrue(
  target: SshTarget,
  connection: SshConnection,
  signal: AbortSignal,
): Promise<LoginProof> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(runTimeoutMs)]);
  const { ident, loginBy } = connection.facts;
  const channel = await connection.exec('true', limit);
  if (!channel.ok) {
    const exit: Exit = { type: 'lost', because: channel.error };
    return {
      level: 'banner',
      by: ident,
      byKey: false,
      failure: shellMissingFailure(targetName(target), exit, ''),
    };
  }
  let said = '';
  for (const stream of [channel.value.stdout, channel.value.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-2000);
    });
  }
  channel.value.stdin.end();
  const onLimit = (): void => channel.value.close();
  limit.addEventListener('abort', onLimit, { once: true });
  const exit = await channel.value.ended;
  limit.removeEventListener('abort', onLimit);
  return exit.type === 'code' && exit.code === 0
    ? {
        level: 'login',
        by: cleanLine(`${target.user} with ${loginBy}`, 300),
        byKey: !/^(?:password|keyboard|no authentication)/.test(loginBy),
        failure: null,
      }
    : {
        level: 'banner',
        by: ident,
        byKey: false,
        failure: shellMissingFailure(targetName(target), exit, said),
      };
}
