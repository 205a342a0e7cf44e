import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../support/lab.ts';

/** A port of this machine that leads to an address of the lab, as seen from its controller. */
export interface Forward {
  readonly port: number;
  /** Ends every connection that goes through it, at once and both ways. */
  readonly cut: () => void;
  readonly close: () => Promise<void>;
}

const forwarder = fileURLToPath(new URL('./forwarder.js', import.meta.url));

/** Lets a test that runs on the machine itself reach a host of the lab. */
export async function forwardTo(lab: Lab, host: string, port = 22): Promise<Forward> {
  const folder = mkdtempSync(join(tmpdir(), 'remedy-forward-'));
  const socketPath = join(folder, 'socket');
  const stop = new AbortController();
  let onReady = (): void => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  const { done } = lab.ctl.start(['node', forwarder, socketPath, host, String(port)], {
    signal: stop.signal,
    timeoutMs: 3_600_000,
    onLine: () => onReady(),
  });
  await Promise.race([
    ready,
    done.then(({ stderr }) => {
      throw new Error(`no forwarder: ${stderr}`);
    }),
  ]);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ path: socketPath });
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.end(() => other.destroy());
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: async () => {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      stop.abort();
      await done;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
