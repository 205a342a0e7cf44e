import type { SshdConfig } from '../facts/sshd-config.ts';
import { configLines, type ConfigLine } from '../facts/sshd-config-lines.ts';
import { parseDirective } from '../facts/sshd-words.ts';

/** The port that sshd takes where no `Port` line is (sshd_config(5)). */
export const defaultPort = 22;

/** A place that sshd listens on; the address null is every address. */
export interface ListenPoint {
  readonly address: string | null;
  readonly port: number;
}

/** A `Port` line of the files that counts. */
export interface PortLine {
  readonly file: string;
  readonly line: number;
  readonly port: number;
}

/** A `ListenAddress` line of the files that counts. */
export interface AddressLine {
  readonly file: string;
  readonly line: number;
  /** As written, in brackets where it was. */
  readonly address: string;
  /** Null where it takes the ports of the `Port` lines. */
  readonly port: number | null;
  /** What stands behind the address: ` rdomain …`, or nothing. */
  readonly tail: string;
}

/** What the configuration says about where sshd listens. */
export interface Listen {
  readonly ports: readonly PortLine[];
  readonly addresses: readonly AddressLine[];
  /** Options of the command line that decide about ports; they cannot be changed by a reload. */
  readonly options: readonly string[];
  /** A line that is not understood, as `file:line: text`. */
  readonly strange: string | null;
}

/** Reads `Port` and `ListenAddress`, wherever in the tree they stand. */
export function readListen(config: SshdConfig): Listen {
  const lines = configLines(config).filter(({ match, fault }) => match === null && fault === null);
  const seen = new Set<string>();
  const ports: PortLine[] = [];
  const addresses: AddressLine[] = [];
  let strange: string | null = null;
  for (const line of lines.filter(({ keyword }) => ['port', 'listenaddress'].includes(keyword))) {
    const place = `${line.file}:${line.line}`;
    const read = line.keyword === 'port' ? readPort(line) : readAddress(line);
    if (read === null) {
      strange ??= `${place}: ${line.raw.trim()}`;
    } else if (!seen.has(place)) {
      // A file that two Includes find is one file to edit.
      seen.add(place);
      if ('address' in read) {
        addresses.push(read);
      } else {
        ports.push(read);
      }
    }
  }
  return { ports, addresses, options: listenOptions(config), strange };
}

/** The ports of the `Port` lines, or the one that is taken without any. */
export function linePorts({ ports }: Pick<Listen, 'ports'>): number[] {
  return ports.length === 0 ? [defaultPort] : [...new Set(ports.map(({ port }) => port))];
}

/** Every place that the files make sshd listen on. */
export function listenPoints(listen: Pick<Listen, 'ports' | 'addresses'>): ListenPoint[] {
  const ports = linePorts(listen);
  if (listen.addresses.length === 0) {
    return ports.map((port) => ({ address: null, port }));
  }
  return listen.addresses.flatMap(({ address, port }) =>
    port === null ? ports.map((one) => ({ address, port: one })) : [{ address, port }],
  );
}

/** The ports of some places, each once, in order. */
export function portsOf(points: readonly { readonly port: number }[]): number[] {
  return [...new Set(points.map(({ port }) => port))];
}

function readPort({ file, line, args }: ConfigLine): PortLine | null {
  const port = toPort(args[0] ?? '');
  return port === null ? null : { file, line, port };
}

// A port may be the name of a service (a2port of misc.c); ssh is the only one that anybody writes.
function toPort(text: string): number | null {
  const port = text === 'ssh' ? defaultPort : /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : null;
}

// servconf.c: an address with two colons and no bracket is a bare IPv6 address without a port.
function readAddress({ file, line, args }: ConfigLine): AddressLine | null {
  const [word = '', ...rest] = args;
  const tail = rest.length === 0 ? '' : ` ${rest.join(' ')}`;
  const place = { file, line, tail };
  if (/^[^[\]]*:[^[\]]*:/.test(word) || /^(?:\[[^\]]+\]|[^:/[\]]+)$/.test(word)) {
    return { ...place, address: word, port: null };
  }
  const [, address, text] = /^(\[[^\]]+\]|[^:/[\]]+):(\w+)$/.exec(word) ?? [];
  const port = toPort(text ?? '');
  return address === undefined || port === null ? null : { ...place, address, port };
}

function listenOptions({ options, version }: SshdConfig): string[] {
  const named = options.lines.filter((line) =>
    ['port', 'listenaddress'].includes(parseDirective(line, version)?.keyword ?? ''),
  );
  return [...options.ports.map((port) => `-p ${port}`), ...named.map((line) => `-o ${line}`)];
}
