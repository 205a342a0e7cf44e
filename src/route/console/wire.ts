import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { ReadStream, WriteStream } from 'node:tty';
import { cleanLine } from '../../core/clean.ts';
import type { Argv } from '../../core/quote.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import { spawnChannel } from '../child-channel.ts';
import type { ConsoleAddress } from './address.ts';
import { openPty, underScript } from './pty.ts';
import { fromControlMode, sendKeys } from './tmux.ts';

/** Bytes to a console and back. */
export interface Wire {
  write(bytes: Buffer): void;
  onData(listener: (bytes: Buffer) => void): void;
  /** Settles once when the other side is gone; says why, not cleaned. */
  readonly closed: Promise<string>;
  /** Hangs up. Never throws. */
  close(): Promise<void>;
}

/** Opens the wire that an address names. The error says why not, cleaned. */
export async function openWire(
  address: ConsoleAddress,
  environment: Readonly<Record<string, string | undefined>>,
  connectMs: number,
): Promise<Result<Wire, string>> {
  switch (address.type) {
    case 'command':
      return address.pty
        ? ptyWire(address.argv, environment)
        : commandWire(address.argv, environment);
    case 'unix':
      return socketWire(connect({ path: address.path }), connectMs);
    case 'tcp':
      return socketWire(connect({ host: address.host, port: address.port }), connectMs);
    case 'tty':
      return ttyWire(address.path, address.speed);
    case 'tmux':
      return tmuxWire(address.pane, environment);
  }
}

async function ptyWire(
  argv: Argv,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Result<Wire, string>> {
  const wire = await openPty(argv, environment);
  return wire === null ? commandWire(underScript(argv), environment) : ok(wire);
}

const spawnErrors: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such command on this machine',
  EACCES: 'the file is not executable for this user',
};

async function commandWire(
  argv: Argv,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Result<Wire, string>> {
  const started = await spawnChannel(argv, { environment, isShell: false });
  if (!started.ok) {
    const { code, text } = started.error;
    return fail(`${cleanLine(argv[0], 80)}: ${spawnErrors[code] ?? text}`);
  }
  const child = started.value;
  child.stdin.on('error', () => {});
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString('utf8')).slice(-2000);
  });
  return ok({
    write: (bytes) => void child.stdin.write(bytes),
    onData: (listener) => void child.stdout.on('data', listener),
    closed: child.ended.then((exit) =>
      [
        exit.type === 'code' ? `its command ended with status ${exit.code}` : 'its command ended',
        errors,
      ]
        .filter((text) => text.trim() !== '')
        .join(': '),
    ),
    close: async () => {
      child.close();
      await child.gone;
    },
  });
}

/** A pane over tmux's control mode: its output comes escaped, by lines; keys go as hex. */
async function tmuxWire(
  pane: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Result<Wire, string>> {
  const argv: Argv = ['tmux', '-C', 'attach', '-f', 'ignore-size', '-t', pane];
  const attached = await commandWire(argv, environment);
  if (!attached.ok) {
    return attached;
  }
  const id = await paneId(pane, environment);
  if (id === null) {
    await attached.value.close();
    return fail(`tmux has no pane ${cleanLine(pane, 80)}`);
  }
  const control = attached.value;
  return ok({
    ...control,
    write: (bytes) => {
      for (const words of sendKeys(id, bytes)) {
        control.write(Buffer.from(`${words}\n`));
      }
    },
    onData: (listener) => {
      const read = fromControlMode(id);
      control.onData((bytes) => {
        for (const output of read(bytes)) {
          listener(output);
        }
      });
    },
  });
}

async function paneId(
  pane: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  return new Promise((resolve) => {
    const words = ['display-message', '-p', '-t', pane, '#{pane_id}'];
    execFile('tmux', words, { timeout: 10_000, env: { ...env } }, (error, output) => {
      const id = output.trim();
      resolve(error === null && /^%\d+$/.test(id) ? id : null);
    });
  });
}

async function socketWire(socket: Socket, connectMs: number): Promise<Result<Wire, string>> {
  socket.setNoDelay(true);
  const refused = await new Promise<string | null>((resolve) => {
    const timer = setTimeout(() => resolve(`no answer within ${connectMs / 1000} s`), connectMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(null);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      resolve(cleanLine(error.message, 200));
    });
  });
  if (refused !== null) {
    socket.destroy();
    return fail(refused);
  }
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) => {
    socket.once('close', () => resolve('the connection was closed'));
  });
  return ok({
    write: (bytes) => void socket.write(bytes),
    onData: (listener) => void socket.on('data', listener),
    closed,
    close: async () => {
      socket.destroy();
      await closed;
    },
  });
}

async function ttyWire(path: string, speed: number): Promise<Result<Wire, string>> {
  const set = await setLine(path, speed);
  if (set !== null) {
    return fail(set);
  }
  // A terminal that has no carrier would keep the open waiting.
  const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: unknown) =>
    error instanceof Error ? error : new Error('it cannot be opened'),
  );
  if (file instanceof Error) {
    return fail(cleanLine(file.message, 200));
  }
  const input = new ReadStream(file.fd);
  const output = new WriteStream(file.fd);
  output.on('error', () => {});
  const closed = new Promise<string>((resolve) => {
    input.once('error', (error) => resolve(cleanLine(error.message, 200)));
    input.once('close', () => resolve('the line was hung up'));
  });
  return ok({
    write: (bytes) => void output.write(bytes),
    onData: (listener) => void input.on('data', listener),
    closed,
    close: async () => {
      input.destroy();
      await closed;
      await file.close().catch(() => undefined);
    },
  });
}

/** Sets a serial line: raw, no echo, so many bits a second. */
async function setLine(path: string, speed: number): Promise<string | null> {
  return new Promise((resolve) => {
    const words = ['-F', path, 'raw', '-echo', 'clocal', String(speed)];
    execFile('stty', words, { timeout: 10_000 }, (error, _out, errors) => {
      resolve(error === null ? null : cleanLine(errors || error.message, 200));
    });
  });
}
