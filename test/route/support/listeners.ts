import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Something that listens on 127.0.0.1 until it is closed. */
export interface Listener {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** A server that does with each connection what it is told to. */
export async function listen(onConnection: (socket: Socket) => void): Promise<Listener> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    // Unread, it would never learn of the other side's end.
    socket.resume();
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A port that nothing listens on any more. */
export async function freePort(): Promise<number> {
  const { port, close } = await listen(() => {});
  await close();
  return port;
}

/** A port whose queue is full: the request to connect is dropped, as by a firewall. */
export interface DeafListener extends Listener {
  /** Accepts from now on. The next request gets in; the kernel repeats one after a second. */
  readonly wake: () => void;
}

// The process that listens must not come round to accepting: its loop stands still on its own input.
const deafProgram = `
const { createServer } = require('node:net');
const { readSync } = require('node:fs');
const server = createServer((socket) => socket.on('error', () => {}));
server.listen({ host: process.argv[1], port: 0, backlog: 1 }, () => {
  require('node:fs').writeSync(1, server.address().port + '\\n');
  readSync(0, Buffer.alloc(1));
});
`;

/** Listens on an address of the loopback, and does not answer. */
export async function listenDeaf(address = '127.0.0.1'): Promise<DeafListener> {
  const child = spawn(process.execPath, ['-e', deafProgram, address], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  const fillers = await fillQueue(address, port);
  return {
    port,
    wake: () => child.stdin.write('x'),
    close: async () => {
      for (const filler of fillers) {
        filler.destroy();
      }
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

// The queue holds one more than the backlog; whichever comes after those is not answered.
async function fillQueue(address: string, port: number): Promise<Socket[]> {
  const fillers = [connect(port, address), connect(port, address)];
  for (const filler of fillers) {
    filler.on('error', () => {});
  }
  await Promise.all(fillers.map(async (filler) => once(filler, 'connect')));
  return fillers;
}

/** Stands before another port, and can stop to pass anything on. */
export interface SilenceableLine extends Listener {
  /** From now on nothing passes on the connections there are; neither side is told. */
  readonly silence: () => void;
}

/** Opens such a line to a port of 127.0.0.1. */
export async function silenceable(to: number): Promise<SilenceableLine> {
  const sockets: Socket[] = [];
  const { port, close } = await listen((near) => {
    const far = connect(to, '127.0.0.1');
    far.on('error', () => {});
    sockets.push(near, far);
    near.pipe(far).pipe(near);
  });
  return {
    port,
    silence: () => {
      for (const socket of sockets) {
        socket.unpipe();
      }
    },
    close: async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      await close();
    },
  };
}
