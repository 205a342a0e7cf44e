import type { Change } from '../core/change.ts';
import { sha256Of } from '../core/digest.ts';
import { request } from '../facts/fact.ts';
import {
  adminFolder,
  baseName,
  dropInsInOrder,
  socketUnitsFact,
  type SocketAddress,
  type SocketUnit,
  type SocketUnits,
} from '../facts/socket-unit.ts';

/** The request for the socket units of SSH. */
export const socketUnitsRequest = request(socketUnitsFact, undefined);

const ownName = 'remedy-port.conf';

/** What is not ours to rewrite in a socket unit, or null. */
export function strangeSocket(name: string, unit: SocketUnit): string | null {
  const odd = unit.listen.find(({ kind, port, address }) =>
    kind === 'Stream' ? port === null && !address.startsWith('/') : true,
  );
  return odd === undefined ? null : `${name} listens on ${odd.address} (${odd.kind})`;
}

/** The TCP ports that a socket unit has. */
export function socketPorts(unit: Pick<SocketUnit, 'listen'>): number[] {
  return [...new Set(unit.listen.flatMap(({ port }) => (port === null ? [] : [port])))];
}

/** The addresses of a unit that also has some ports, beside each that it has. */
export function withPorts(
  { listen }: SocketUnit,
  ports: readonly number[],
): readonly SocketAddress[] {
  const tcp = listen.filter(({ port }) => port !== null);
  const more = ports.flatMap((port) => tcp.map((one) => atPort(one, port)));
  return unique([...listen, ...more]);
}

/** The addresses of a unit that has one port only. */
export function withOnlyPort({ listen }: SocketUnit, port: number): readonly SocketAddress[] {
  return unique(listen.map((one) => (one.port === null ? one : atPort(one, port))));
}

/** Whether two lists name the same addresses. */
export function sameListen(
  left: readonly SocketAddress[],
  right: readonly SocketAddress[],
): boolean {
  return left.length === right.length && left.every((one, index) => isSame(one, right[index]));
}

/**
 * Whether sshd's configuration decides where the socket listens: a generator makes a drop-in of it, and
 * no drop-in of the administrator's speaks of addresses.
 */
export function followsConfig({ generator }: SocketUnits, unit: SocketUnit): boolean {
  return (
    generator !== null &&
    !unit.dropIns.some(
      ({ path, text }) =>
        !path.startsWith('/run/systemd/generator') && /^\s*ListenStream\s*=/m.test(text),
    )
  );
}

/** The drop-in with which a socket unit listens on these addresses and no others. */
export function socketDropIn(
  name: string,
  units: SocketUnits,
  unit: SocketUnit,
  listen: readonly SocketAddress[],
): Change[] {
  const made: SocketUnit = { ...unit, folder: true };
  const file = writeDropIn(name, units, made, listen);
  return unit.folder ? [file] : [makeFolder(name, units, made), file];
}

function makeFolder(name: string, units: SocketUnits, after: SocketUnit): Change {
  const folder = `${adminFolder}/${name}.d`;
  return {
    kind: 'file',
    target: folder,
    summary: `make the folder ${folder}`,
    before: '',
    after: `${folder}\n`,
    action: { type: 'run', argv: ['mkdir', '-m', '755', '--', folder] },
    holds: ['test', '-d', folder],
    undo: { type: 'run', argv: ['rmdir', '--ignore-fail-on-non-empty', '--', folder] },
    risk: 'none',
    sensitive: false,
    factsAfter: [{ key: socketUnitsRequest.key, value: withUnit(units, name, after) }],
    invalidates: [],
  };
}

/** The socket units with one of them changed. */
export function withUnit(units: SocketUnits, name: string, unit: SocketUnit): SocketUnits {
  return { ...units, units: { ...units.units, [name]: unit } };
}

function writeDropIn(
  name: string,
  units: SocketUnits,
  unit: SocketUnit,
  listen: readonly SocketAddress[],
): Change {
  const path = dropInPath(name, unit);
  const before = unit.dropIns.find((file) => file.path === path);
  const text = dropInText(name, unit, listen);
  const file = { path, text, sha256: sha256Of(text) };
  const after: SocketUnit = {
    ...unit,
    listen,
    dropIns: [...unit.dropIns.filter((one) => one.path !== path), file],
  };
  return {
    kind: 'file',
    target: path,
    summary: `${path}: ${name} listens on ${listen.map(({ address }) => address).join(', ')}`,
    before: before?.text ?? '',
    after: text,
    action: { type: 'write', path, beforeSha256: before?.sha256 ?? null, content: text },
    holds: null,
    undo: { type: 'snapshot' },
    risk: 'access',
    sensitive: false,
    factsAfter: [{ key: socketUnitsRequest.key, value: withUnit(units, name, after) }],
    invalidates: [],
  };
}

// systemd reads drop-ins by name; ours empties the list, so it must be the last that speaks of it. A
// name that begins with another's whole name stands behind it.
function dropInPath(name: string, unit: SocketUnit): string {
  const last = dropInsInOrder(unit)
    .filter(({ text }) => /^\s*ListenStream\s*=/m.test(text))
    .map(({ path }) => baseName(path))
    .findLast((other) => !other.endsWith(ownName));
  const own = last === undefined || last < ownName ? ownName : `${last}.${ownName}`;
  return `${adminFolder}/${name}.d/${own}`;
}

function dropInText(name: string, unit: SocketUnit, listen: readonly SocketAddress[]): string {
  const alone = (port: number | null): boolean =>
    !listen.some(({ address }) => address === `0.0.0.0:${port}`);
  const lines = listen.map(({ address, port }) =>
    // A bare port is all addresses of both families, also where IPv6 is switched off later.
    address === `[::]:${port}` && unit.bindIpv6Only !== 'ipv6-only' && alone(port)
      ? `ListenStream=${port}`
      : `ListenStream=${address}`,
  );
  return [
    `# Written by remedy: where ${name} listens. The empty line clears what stands before it.`,
    '[Socket]',
    'ListenStream=',
    ...lines,
    '',
  ].join('\n');
}

function atPort({ address, kind }: SocketAddress, port: number): SocketAddress {
  return { address: address.replace(/:\d+$/, `:${port}`), port, kind };
}

function unique(listen: readonly SocketAddress[]): SocketAddress[] {
  return listen.filter((one, index) => listen.findIndex((other) => isSame(one, other)) === index);
}

function isSame(left: SocketAddress, right: SocketAddress | undefined): boolean {
  return right !== undefined && left.address === right.address && left.kind === right.kind;
}
