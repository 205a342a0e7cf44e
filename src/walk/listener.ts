import { addressFamily, normalAddress, type Family } from '../core/net.ts';
import type { Observed } from '../facts/fact.ts';
import type { Listener, Listeners } from '../facts/listeners.ts';
import type { Network } from '../facts/network.ts';
import type { SocketUnits } from '../facts/socket-unit.ts';
import type { SshdConfig } from '../facts/sshd-config.ts';
import type { Link } from './link.ts';
import {
  asListener,
  daemonSockets,
  socketInUse,
  socketSockets,
  type Planned,
} from './planned-listener.ts';

/** Where a login knocks. */
export interface ListenTarget {
  readonly port: number;
  readonly family: Family;
  readonly destination: string | null;
}

/** The listener layer: does a socket take connections to this port, in this family? */
export function walkListener(listeners: Observed<Listeners>, target: ListenTarget): Link {
  if (!listeners.known) {
    return { layer: 'listener', state: 'unknown', by: listeners.because, evidence: [] };
  }
  const onPort = listeners.value.sockets.filter((socket) => socket.port === target.port);
  const evidence = onPort.map(describe);
  const taking = onPort.find((socket) => takes(socket, target.family, target.destination));
  if (taking === undefined) {
    const by =
      onPort.length === 0
        ? `nothing listens on port ${target.port}`
        : `port ${target.port} is open only on ${onPort.map(({ address }) => address).join(', ')}`;
    return { layer: 'listener', state: 'broken', by, evidence };
  }
  return isForeign(taking)
    ? {
        layer: 'listener',
        state: 'broken',
        by: `port ${target.port} belongs to ${taking.processes.join(', ')}, not to sshd`,
        evidence,
      }
    : { layer: 'listener', state: 'ok', by: describe(taking), evidence };
}

/**
 * The listener layer as it will be: what the configuration, or the socket unit that holds the port now,
 * says. A daemon that does not run stays as it is.
 */
export function walkPlannedListener(
  facts: {
    readonly listeners: Observed<Listeners>;
    readonly config: Observed<SshdConfig>;
    readonly units: Observed<SocketUnits>;
    readonly network: Observed<Network>;
    /** The process of the sshd that the configuration is for; null where nobody knows. */
    readonly daemonPid: number | null;
  },
  target: ListenTarget,
): Link {
  const { listeners, config, units, network, daemonPid } = facts;
  if (!listeners.known || !units.known) {
    const because = listeners.known ? (units.known ? '' : units.because) : listeners.because;
    return { layer: 'listener', state: 'unknown', by: because, evidence: [] };
  }
  const socket = socketInUse(listeners.value, units.value);
  const runs = listeners.value.sockets.some((one) =>
    one.processes.some((name) => daemon.test(name)),
  );
  if (socket === null && !runs) {
    return walkListener(listeners, target);
  }
  const planned: Planned =
    socket !== null
      ? socketSockets(socket, units.value)
      : config.known
        ? daemonSockets(config.value, network.known ? network.value : null)
        : config;
  if (!planned.known) {
    return { layer: 'listener', state: 'unknown', by: planned.because, evidence: [] };
  }
  const others = listeners.value.sockets.filter(
    (one) => one.port === target.port && (isForeign(one) || isOfAnother(one, daemonPid)),
  );
  const sockets = [...others, ...planned.sockets.map(asListener)];
  const link = walkListener({ known: true, value: { sockets } }, target);
  const evidence = planned.sockets.map(({ address, port, by }) => `${address}:${port} by ${by}`);
  const wanted = planned.sockets.find(({ port }) => port === target.port);
  const ports = [...new Set(planned.sockets.map(({ port }) => port))].join(', ');
  return {
    ...link,
    by:
      link.state === 'broken' && wanted === undefined && others.length === 0
        ? `sshd will not listen on port ${target.port}, but on ${ports || 'none'} (${planned.sockets[0]?.by ?? 'no address of this host'})`
        : link.state === 'broken' && wanted !== undefined && others.length === 0
          ? `${link.by} (${wanted.by})`
          : link.by,
    evidence,
  };
}

/** The sockets of sshd, or of the socket unit that starts it, on a port. */
export function sshListeners(listeners: Listeners, port: number): readonly Listener[] {
  return listeners.sockets.filter((socket) => socket.port === port && !isForeign(socket));
}

function takes(socket: Listener, family: Family, destination: string | null): boolean {
  if (socket.address === '*') {
    return true;
  }
  const wildcard = socket.address === '0.0.0.0' || socket.address === '::';
  if (addressFamily(socket.address) !== family) {
    return false;
  }
  return (
    wildcard ||
    (destination === null
      ? !isLoopback(socket.address)
      : normalAddress(destination) === socket.address)
  );
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

// systemd holds the socket of a socket-activated sshd; dropbear and tinysshd are ssh servers too.
const servers = /^(?:sshd|sshd-.*|systemd|dropbear|tinysshd.*|in\.sshd|inetd|xinetd)$/;

const daemon = /^(?:sshd|sshd-.*)$/;

function isForeign(socket: Listener): boolean {
  return socket.processes.length > 0 && !socket.processes.some((name) => servers.test(name));
}

function describe(socket: Listener): string {
  const holder = socket.processes.length === 0 ? '' : ` (${socket.processes.join(', ')})`;
  const address = socket.address.includes(':') ? `[${socket.address}]` : socket.address;
  return `${address}:${socket.port}${holder}`;
}

// A second sshd, with a configuration of its own, goes on as it is.
function isOfAnother({ pids = [], processes }: Listener, daemonPid: number | null): boolean {
  return (
    daemonPid !== null &&
    pids.length > 0 &&
    !pids.includes(daemonPid) &&
    !processes.includes('systemd')
  );
}
