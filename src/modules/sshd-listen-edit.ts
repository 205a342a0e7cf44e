import type { SshdConfig } from '../facts/sshd-config.ts';
import { configLines } from '../facts/sshd-config-lines.ts';
import {
  defaultPort,
  linePorts,
  type AddressLine,
  type Listen,
  type PortLine,
} from './sshd-listen.ts';

/** What to do about one line of a file: put others in its place, or none; and lines behind it. */
interface LineEdit {
  readonly file: string;
  readonly line: number;
  /** Null takes the line away, undefined keeps it. */
  readonly becomes: string | null | undefined;
  readonly behind: readonly string[];
}

/** A file of sshd's tree with its new text. */
export interface FileEdit {
  readonly path: string;
  readonly text: string;
}

/**
 * The files with which sshd listens on `wanted` ports beside what it has: the same addresses, the new
 * port. Where no `Port` line is, the default is written down, or it would be lost.
 */
export function addPorts(
  config: SshdConfig,
  listen: Listen,
  wanted: readonly number[],
): FileEdit[] {
  return apply(config, [...addPortLines(config, listen, wanted), ...addAddresses(listen, wanted)]);
}

/** The files with which sshd listens on one port only, on the addresses that it has. */
export function onlyPort(config: SshdConfig, listen: Listen, port: number): FileEdit[] {
  return apply(config, [...onlyPortLine(config, listen, port), ...onlyAddresses(listen, port)]);
}

// With a port on each ListenAddress, sshd passes over the Port lines.
function portLinesCount({ addresses }: Listen): boolean {
  return addresses.length === 0 || addresses.some(({ port }) => port === null);
}

function addPortLines(config: SshdConfig, listen: Listen, wanted: readonly number[]): LineEdit[] {
  const missing = wanted.filter((port) => !linePorts(listen).includes(port));
  if (!portLinesCount(listen) || missing.length === 0) {
    return [];
  }
  const last = listen.ports.at(-1);
  const added = missing.map(portText);
  return [
    last === undefined
      ? newPortLines(config, [portText(defaultPort), ...added])
      : { ...last, becomes: undefined, behind: added },
  ];
}

function onlyPortLine(config: SshdConfig, listen: Listen, port: number): LineEdit[] {
  if (!portLinesCount(listen) || (listen.ports.length === 0 && port === defaultPort)) {
    return [];
  }
  const kept = listen.ports.find((one) => one.port === port) ?? listen.ports[0];
  return kept === undefined
    ? [newPortLines(config, [portText(port)])]
    : listen.ports.flatMap((one) =>
        edit(one, one === kept ? portText(port) : null, one === kept && one.port === port),
      );
}

function addAddresses({ ports, addresses }: Listen, wanted: readonly number[]): LineEdit[] {
  const fixed = addresses.filter(({ port }) => port !== null);
  return distinct(fixed).flatMap((last) => {
    const has = portsAt(last, addresses, ports);
    const behind = wanted
      .filter((port) => !has.includes(port) && !takesLines(last, addresses))
      .map((port) => addressText(last, port));
    return behind.length === 0 ? [] : [{ ...last, becomes: undefined, behind }];
  });
}

function onlyAddresses({ addresses }: Listen, port: number): LineEdit[] {
  const fixed = addresses.filter((one) => one.port !== null);
  return distinct(fixed).flatMap((last) => {
    const same = fixed.filter((one) => sameAddress(one, last));
    const covered = takesLines(last, addresses);
    const kept = covered ? null : (same.find((one) => one.port === port) ?? same[0]);
    return same.flatMap((one) =>
      edit(one, one === kept ? addressText(one, port) : null, one === kept && one.port === port),
    );
  });
}

/** The last line of each address, so that what is added stands behind it. */
function distinct(lines: readonly AddressLine[]): AddressLine[] {
  return lines.filter(
    (one, index) => !lines.slice(index + 1).some((later) => sameAddress(one, later)),
  );
}

/** Whether the address also stands without a port, and so takes every `Port` line. */
function takesLines(line: AddressLine, all: readonly AddressLine[]): boolean {
  return all.some((one) => one.port === null && sameAddress(one, line));
}

function portsAt(
  line: AddressLine,
  all: readonly AddressLine[],
  ports: readonly PortLine[],
): number[] {
  return all
    .filter((one) => sameAddress(one, line))
    .flatMap(({ port }) => (port === null ? linePorts({ ports }) : [port]));
}

function sameAddress(left: AddressLine, right: AddressLine): boolean {
  return left.address === right.address && left.tail === right.tail;
}

/** New `Port` lines of the main file: behind the commented one that packages ship, else at the top. */
function newPortLines(config: SshdConfig, lines: readonly string[]): LineEdit {
  const file = config.main;
  const own = configLines(config).filter((line) => line.file === file);
  const end = own.find(({ keyword }) => keyword === 'match')?.line ?? Number.POSITIVE_INFINITY;
  const text = config.files.find(({ path }) => path === file)?.text ?? '';
  const comment = text.split('\n').findIndex((line) => /^\s*#\s*port\s+\d+\s*$/i.test(line)) + 1;
  if (comment > 0 && comment < end) {
    return { file, line: comment, becomes: undefined, behind: lines };
  }
  const first = own[0]?.line ?? 1;
  return { file, line: first - 1, becomes: undefined, behind: lines };
}

function edit(
  { file, line }: { readonly file: string; readonly line: number },
  becomes: string | null,
  unchanged: boolean,
): LineEdit[] {
  return unchanged ? [] : [{ file, line, becomes, behind: [] }];
}

function portText(port: number): string {
  return `Port ${port}`;
}

function addressText({ address, tail }: AddressLine, port: number): string {
  return `ListenAddress ${address}:${port}${tail}`;
}

/** The texts after all edits, file by file; a file that stays the same is left out. */
function apply(config: SshdConfig, edits: readonly LineEdit[]): FileEdit[] {
  return config.files.flatMap(({ path, text }) => {
    const own = edits.filter(({ file }) => file === path);
    const lines = text.split('\n');
    const ending = lines[0]?.endsWith('\r') === true ? '\r' : '';
    const after = lines.flatMap((line, index) => {
      const here = own.filter((one) => one.line === index + 1);
      const becomes = here.find((one) => one.becomes !== undefined)?.becomes;
      const kept = becomes === undefined ? [line] : becomes === null ? [] : [becomes + ending];
      return [...kept, ...here.flatMap(({ behind }) => behind.map((one) => one + ending))];
    });
    const before = own.filter(({ line }) => line === 0).flatMap(({ behind }) => behind);
    const whole = [...before.map((one) => one + ending), ...after].join('\n');
    return whole === text ? [] : [{ path, text: whole }];
  });
}
