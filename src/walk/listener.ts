import { addressFamily, normalAddress, type Family } from '../core/net.ts';
import type { Observed } from '../facts/fact.ts';
import type { Listener, Listeners } from '../facts/listeners.ts';
import type { Link } from './link.ts';

/** The listener layer: does a socket take connections to this port, in this family? */
export function walkListener(
  listeners: Observed<Listeners>,
  target: { readonly port: number; readonly family: Family; readonly destination: string | null },
): Link {
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

function isForeign(socket: Listener): boolean {
  return socket.processes.length > 0 && !socket.processes.some((name) => servers.test(name));
}

function describe(socket: Listener): string {
  const holder = socket.processes.length === 0 ? '' : ` (${socket.processes.join(', ')})`;
  const address = socket.address.includes(':') ? `[${socket.address}]` : socket.address;
  return `${address}:${socket.port}${holder}`;
}
