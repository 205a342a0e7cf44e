import { connect, type Socket } from 'node:net';
import { fail, ok, type Result } from '../core/result.ts';

/** Why a TCP connection was not made: the system's code, as `ECONNREFUSED`, and its words. */
export interface TcpError {
  readonly code: string;
  readonly text: string;
}

// Node gives up each address of a name after 250 ms by default, which far-away hosts do not meet.
const addressTimeoutMs = 4000;
// The most telling answer wins where several addresses were tried.
const telling = ['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'];

/** Connects, with Nagle's algorithm off. An abort gives the code `ABORT_ERR`. */
export async function tcpConnect(
  to: { readonly address: string; readonly port: number; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<Result<Socket, TcpError>> {
  if (signal.aborted) {
    return fail({ code: 'ABORT_ERR', text: 'stopped' });
  }
  return new Promise((resolve) => {
    const socket = connect({
      host: to.address,
      port: to.port,
      noDelay: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: addressTimeoutMs,
    });
    const settle = (result: Result<Socket, TcpError>): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (!result.ok) {
        socket.destroy();
      }
      resolve(result);
    };
    const onAbort = (): void => settle(fail({ code: 'ABORT_ERR', text: 'stopped' }));
    const timer = setTimeout(() => {
      settle(fail({ code: 'ETIMEDOUT', text: `no answer within ${to.timeoutMs / 1000} s` }));
    }, to.timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    // Stays for good: an error that comes after the connection must not end the process.
    socket.on('error', (error) => settle(fail(tcpError(error))));
    socket.once('connect', () => settle(ok(socket)));
  });
}

function tcpError(error: Error): TcpError {
  const errors = error instanceof AggregateError ? (error.errors as readonly Error[]) : [error];
  const codes = errors.map(errorCode);
  const best = telling.find((code) => codes.includes(code)) ?? codes[0] ?? 'unknown';
  return { code: best, text: errors.map((one) => one.message).join('; ') };
}

function errorCode(error: Error): string {
  return 'code' in error ? String(error.code) : 'unknown';
}
