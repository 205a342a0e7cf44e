import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { splitCommand } from '../../src/route/exec.ts';
import { Direction, type Weather } from '../../test/route/console/simulator.ts';
import type { Lab, LabHost } from '../support/lab.ts';

/** A host's console behind a line with weather, as a socket that `--console` can be given. */
export interface SlowLine {
  /** For `--console`. */
  readonly address: string;
  /** Bytes that went over it so far, both ways. */
  readonly bytes: () => { readonly down: number; readonly up: number };
  /** Breaks what is connected; the next connection works again. */
  readonly cut: () => void;
  readonly close: () => Promise<void>;
}

/** Lays a line between a socket of this machine and the console of a lab host. */
export async function laySlowLine(lab: Lab, host: LabHost, weather: Weather): Promise<SlowLine> {
  const path = join(lab.ctl.home, `${host.name}-${Math.random().toString(36).slice(2)}.sock`);
  const split = splitCommand(host.consoleCommand);
  const [program = 'false', ...words] = split.ok ? split.value : [];
  const bytes = { down: 0, up: 0 };
  const open = new Set<Socket>();
  let seed = 0;
  const server = createServer((socket) => {
    seed += 1;
    open.add(socket);
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'ignore'] });
    const down = new Direction(weather.down ?? {}, weather, seed, (some) => {
      if (child.stdin.writable) child.stdin.write(some);
    });
    const up = new Direction(weather.up ?? {}, weather, seed + 7, (some) => {
      if (socket.writable) socket.write(some);
    });
    socket.on('data', (some) => {
      bytes.down += some.length;
      down.push(some);
    });
    child.stdout.on('data', (some: Buffer) => {
      bytes.up += some.length;
      up.push(some);
    });
    for (const end of [socket, child.stdin, child.stdout]) end.on('error', () => {});
    child.on('exit', () => socket.destroy());
    socket.on('close', () => {
      open.delete(socket);
      down.cut = true;
      up.cut = true;
      child.kill();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    address: `unix:${path}`,
    bytes: () => ({ ...bytes }),
    cut,
    async close() {
      cut();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      rmSync(path, { force: true });
    },
  };
}
