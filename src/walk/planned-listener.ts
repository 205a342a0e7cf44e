import { addressFamily, normalAddress, type Family } from '../core/net.ts';
import type { Listener, Listeners } from '../facts/listeners.ts';
import type { Network } from '../facts/network.ts';
import type { SocketUnits } from '../facts/socket-unit.ts';
import type { SshdConfig } from '../facts/sshd-config.ts';
import { describeSetBy, effective, listenTargets, valuesOf } from '../facts/sshd-effective.ts';

/** A socket that will take connections, and what says so. */
export interface PlannedSocket {
  /** `*` where it takes both families, else an address; `0.0.0.0` and `::` are wildcards. */
  readonly address: string;
  readonly port: number;
  readonly by: string;
}

/** The sockets there will be, or why nobody can tell. */
export type Planned =
  | { readonly known: true; readonly sockets: readonly PlannedSocket[] }
  | { readonly known: false; readonly because: string };

/** The socket unit that holds a port now: then its addresses count, not those of sshd's configuration. */
export function socketInUse(listeners: Listeners, units: SocketUnits): string | null {
  const held = listeners.sockets.filter(
    ({ processes }) => processes.includes('systemd') || processes.includes('init'),
  );
  const found = Object.entries(units.units).find(([, unit]) =>
    unit.listen.some(({ port }) => held.some((socket) => socket.port === port)),
  );
  return found?.[0] ?? null;
}

/** What a socket unit listens on (systemd.socket(5)). */
export function socketSockets(name: string, units: SocketUnits): Planned {
  const unit = units.units[name];
  if (unit === undefined) {
    return { known: false, because: `${name} is not loaded` };
  }
  const sockets = unit.listen.flatMap(({ address, port, kind }): PlannedSocket[] => {
    const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
    if (port === null || kind !== 'Stream') {
      return [];
    }
    const both = host === '::' && unit.bindIpv6Only !== 'ipv6-only';
    return [
      {
        address: both ? '*' : (normalAddress(host) ?? host),
        port,
        by: `${name}: ListenStream ${address}`,
      },
    ];
  });
  return { known: true, sockets };
}

/** What sshd itself will listen on once it has read its configuration. */
export function daemonSockets(config: SshdConfig, network: Network | null): Planned {
  const family = effective(config, null).get('addressfamily');
  if ('unknown' in family) {
    return { known: false, because: family.unknown };
  }
  const families: readonly Family[] =
    valuesOf(family)[0] === 'inet'
      ? ['ip']
      : valuesOf(family)[0] === 'inet6'
        ? ['ip6']
        : ['ip', 'ip6'];
  const sockets: PlannedSocket[] = [];
  for (const target of listenTargets(config)) {
    const by = describeSetBy(target.by);
    if (target.address === null || target.address === '*') {
      sockets.push(
        ...families.map((one) => ({
          address: one === 'ip' ? '0.0.0.0' : '::',
          port: target.port,
          by,
        })),
      );
      continue;
    }
    const address = target.address.replace(/%.*$/, '');
    const own = addressFamily(address);
    if (own === null) {
      return { known: false, because: `ListenAddress ${target.address} (${by}) is a name` };
    }
    if (families.includes(own) && isOwn(address, network)) {
      sockets.push({ address: normalAddress(address) ?? address, port: target.port, by });
    }
  }
  return { known: true, sockets };
}

// An address that the host does not have cannot be bound; sshd then goes on without it.
function isOwn(address: string, network: Network | null): boolean {
  const wanted = normalAddress(address);
  return (
    network === null ||
    address === '0.0.0.0' ||
    wanted === '::' ||
    wanted?.startsWith('127.') === true ||
    network.addresses.some((one) => normalAddress(one.address) === wanted)
  );
}

/** A planned socket in the form of one that is there. */
export function asListener(socket: PlannedSocket): Listener {
  return { address: socket.address, port: socket.port, processes: ['sshd'] };
}
