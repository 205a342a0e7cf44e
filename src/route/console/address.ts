import type { Failure } from '../../core/failure.ts';
import { quoteArgv, type Argv } from '../../core/quote.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import { notContacted } from '../../core/failure.ts';
import { cleanLine } from '../../core/clean.ts';
import { splitCommand } from '../exec.ts';
import { presetAddress } from './presets.ts';

/** What talks to the console. */
export type ConsoleAddress =
  /** A command whose standard input and output are the console; `pty`: it insists on a terminal. */
  | { readonly type: 'command'; readonly argv: Argv; readonly pty: boolean }
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  /** A pane of tmux(1) that shows the console. */
  | { readonly type: 'tmux'; readonly pane: string }
  /** A serial line of this machine; `speed` in bits a second. */
  | { readonly type: 'tty'; readonly path: string; readonly speed: number };

const defaultSpeed = 115_200;

/**
 * Reads the value of `--console`: a preset (`ipmi:HOST`), `unix:PATH`, `tcp:HOST:PORT`,
 * `/dev/ttyX[@SPEED]`, `pty:COMMAND`, or a command, split into words without a shell.
 */
export function parseConsole(text: string): Result<ConsoleAddress, Failure> {
  const unix = /^unix:(.+)$/.exec(text);
  if (unix?.[1] !== undefined) {
    return ok({ type: 'unix', path: unix[1] });
  }
  const tcp = /^tcp:(\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9_.-]+):(\d{1,5})$/.exec(text);
  if (tcp?.[1] !== undefined && Number(tcp[2]) > 0 && Number(tcp[2]) < 65_536) {
    return ok({ type: 'tcp', host: tcp[1].replace(/^\[|\]$/g, ''), port: Number(tcp[2]) });
  }
  const tty = /^(\/dev\/(?!shm\/)[A-Za-z0-9/_.-]+)(?:@(\d{2,7}))?$/.exec(text);
  if (tty?.[1] !== undefined && !tty[1].includes('..')) {
    return ok({ type: 'tty', path: tty[1], speed: Number(tty[2] ?? defaultSpeed) });
  }
  const preset = presetAddress(text);
  if (preset !== null) {
    return preset;
  }
  if (/^(?:unix|tcp):/.test(text)) {
    return fail(badConsole(text, 'It is neither unix:PATH nor tcp:HOST:PORT.'));
  }
  const pty = text.startsWith('pty:');
  const argv = splitCommand(pty ? text.slice('pty:'.length) : text, '--console');
  return argv.ok ? ok({ type: 'command', argv: argv.value, pty }) : argv;
}

/**
 * What stands behind an address, for people.
 *
 * @param code how words that a machine reads are marked; not at all unless given.
 */
export function describeAddress(
  address: ConsoleAddress,
  code: (words: string) => string = (words) => words,
): string {
  switch (address.type) {
    case 'command':
      return `${code(quoteArgv(address.argv))}${address.pty ? ', on a terminal of its own' : ''}`;
    case 'unix':
      return `the socket ${code(address.path)}`;
    case 'tcp':
      return `${code(address.host)} port ${address.port}`;
    case 'tty':
      return `the line ${code(address.path)} at ${address.speed} bits a second`;
    case 'tmux':
      return `the tmux pane ${code(address.pane)}`;
  }
}

function badConsole(text: string, why: string): Failure {
  return {
    code: 'usage',
    what: `--console ${JSON.stringify(cleanLine(text, 200))} cannot be used.`,
    why,
    access: notContacted,
    todo: "For instance:\n--console 'virsh console web1'\n--console unix:/run/web1.sock\n--console /dev/ttyUSB0@115200",
  };
}
