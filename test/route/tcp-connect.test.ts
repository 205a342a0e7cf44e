import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { tcpConnect } from '../../src/route/tcp-connect.ts';
import { listen, listenDeaf } from './support/listeners.ts';

const never = new AbortController().signal;

describe('a TCP connection', () => {
  test('has Nagle off: small writes are not held back', async () => {
    const { port, close } = await listen(() => {});
    onTestFinished(close);
    const socket = await tcpConnect({ address: '127.0.0.1', port, timeoutMs: 5000 }, never);
    if (!socket.ok) {
      throw new Error(socket.error.text);
    }
    onTestFinished(() => {
      socket.value.destroy();
    });
    expect(noDelay(socket.value)).toBe(true);
  });

  test('an address that is far away is not given up for one that is shut', async () => {
    const slow = await listenDeaf('127.0.0.2');
    onTestFinished(slow.close);
    answerWith(['127.0.0.2', '127.0.0.3']);
    const connecting = tcpConnect(
      { address: 'far.test', port: slow.port, timeoutMs: 15_000 },
      never,
    );
    await expect.poll(() => asks(slow.port), { interval: 5 }).toBe(true);
    slow.wake();
    const socket = await connecting;
    expect(socket).toMatchObject({ ok: true });
    if (socket.ok) {
      expect(socket.value.remoteAddress).toBe('127.0.0.2');
      socket.value.destroy();
    }
  });
});

/** Whether a request to connect to 127.0.0.2 waits for its answer: state 2 of proc(5), net/tcp. */
function asks(port: number): boolean {
  const remote = `0200007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8').includes(`${remote} 02`);
}

/** What the socket was told; the system gives no way to read it back. */
function noDelay(socket: Socket): unknown {
  const symbol = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'kSetNoDelay',
  );
  return symbol === undefined ? undefined : Reflect.get(socket, symbol);
}

/** The resolver gives every name these addresses. */
function answerWith(addresses: readonly string[]): void {
  const lookup = vi.spyOn(dns, 'lookup');
  lookup.mockImplementation(((_name: string, _options: unknown, done: LookupDone) => {
    setImmediate(() =>
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      ),
    );
  }) as unknown as typeof dns.lookup);
  onTestFinished(() => lookup.mockRestore());
}

type LookupDone = (error: null, addresses: { address: string; family: number }[]) => void;
