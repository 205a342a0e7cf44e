import type { Listener, Listeners } from '../facts/listeners.ts';

/** Whether sshd listens itself, or a socket unit for it: who holds the port then. */
export type Holder = 'sshd' | 'systemd';

const names: Readonly<Record<Holder, RegExp>> = {
  sshd: /^sshd/,
  // Both hold it once the service runs that the socket starts.
  systemd: /^(?:systemd|sshd.*)$/,
};

/** The listening sockets of SSH on some ports. */
export function ownSockets(
  listeners: Listeners,
  ports: readonly number[],
  holder: Holder,
): readonly Listener[] {
  return listeners.sockets.filter(
    (socket) => ports.includes(socket.port) && isHeld(socket, holder),
  );
}

/**
 * Who else holds a port, so that sshd could not take it; null where nobody does.
 *
 * @param isOurs whether the port is one that SSH is set to.
 */
export function strangerOn(
  { sockets }: Listeners,
  port: number,
  holder: Holder,
  isOurs: boolean,
): string | null {
  const strange = sockets.find(
    (socket) =>
      socket.port === port && !(isHeld(socket, holder) && (isOurs || isDaemon(socket, holder))),
  );
  if (strange === undefined) {
    return null;
  }
  const { processes } = strange;
  if (processes.length === 0) {
    return 'a program that the host does not name';
  }
  return processes.includes('systemd') ? 'another unit of systemd' : processes.join(', ');
}

/**
 * The listening sockets once SSH has moved: the same addresses, with the new ports. Without any socket
 * to go by, sshd takes all addresses of both families.
 */
export function moved(
  listeners: Listeners,
  change: {
    readonly from: readonly number[];
    readonly to: readonly number[];
    readonly holder: Holder;
  },
): Listeners {
  const own = ownSockets(listeners, change.from, change.holder);
  const rest = listeners.sockets.filter((socket) => !own.includes(socket));
  const seen = [...new Set(own.map(({ address }) => address))];
  const addresses = seen.length > 0 ? seen : change.holder === 'sshd' ? ['0.0.0.0', '::'] : ['*'];
  const after = change.to.flatMap((port) =>
    addresses.map((address) => ({ address, port, processes: [change.holder] })),
  );
  return { sockets: [...rest, ...after] };
}

function isHeld({ processes }: Listener, holder: Holder): boolean {
  return processes.length === 0 || processes.some((name) => names[holder].test(name));
}

// A daemon whose files were edited since may hold a port that they do not name; a socket unit cannot.
function isDaemon({ processes }: Listener, holder: Holder): boolean {
  return holder === 'sshd' && processes.length > 0;
}
