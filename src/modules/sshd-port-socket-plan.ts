import type { Action, Change, FactAfter } from '../core/change.ts';
import type { SocketAddress, SocketUnit } from '../facts/socket-unit.ts';
import { blocked, change, none, type ModulePlan } from './module.ts';
import { addPorts, onlyPort } from './sshd-listen-edit.ts';
import { listenPoints, portsOf, readListen } from './sshd-listen.ts';
import { configChanges, takePorts } from './sshd-port-change.ts';
import { moved, ownSockets, strangerOn } from './sshd-port-listeners.ts';
import { reasonFor, settled, stillOpen, unreadable } from './sshd-port-service.ts';
import {
  sameListen,
  socketDropIn,
  socketPorts,
  socketUnitsRequest,
  strangeSocket,
  withOnlyPort,
  withPorts,
  withUnit,
} from './sshd-port-socket.ts';
import type { PortSituation } from './sshd-port.ts';

/** What a plan for a socket unit writes, and where it listens then. */
interface Written {
  readonly changes: readonly Change[];
  readonly listen: readonly SocketAddress[];
}

/**
 * Plans the port where a socket unit holds it: a drop-in of the unit, or sshd's configuration where a
 * generator makes one of it; then the socket is started anew.
 */
export function planSocketPort(
  situation: PortSituation,
  name: string,
  unit: SocketUnit,
  byConfig: boolean,
): ModulePlan {
  const { port, keep, listeners, units } = situation;
  const strange = strangeSocket(name, unit);
  if (strange !== null) {
    return blocked(`${strange}, which is no TCP port; remedy does not rewrite it`);
  }
  const before = socketPorts(unit);
  const stranger = strangerOn(listeners, port, 'systemd', before.includes(port));
  if (stranger !== null) {
    return blocked(
      `port ${port} belongs to ${stranger}, so ${name} could not take it`,
      'Choose another port, or end that program, then run the same command again.',
    );
  }
  const written = byConfig
    ? writeConfig(situation, unit, before)
    : writeDropIn(situation, name, unit);
  if ('action' in written) {
    return written;
  }
  const after = socketPorts(written);
  // A service that runs while its socket does not holds the port of a socket that failed to restart.
  const runs = ownSockets(listeners, before, 'systemd').length > 0;
  if (units[name]?.active !== 'active' && !runs) {
    const reload = written.changes.length === 0 ? [] : [daemonReload(name)];
    return change(`${name} is not listening`, [...written.changes, ...reload]);
  }
  const open = ownSockets(listeners, [port], 'systemd').length > 0;
  const must = written.changes.length > 0 || !open || !sameListen(written.listen, unit.listen);
  const facts: FactAfter[] = [
    {
      key: situation.listenersKey,
      value: moved(listeners, { from: [...before, port], to: after, holder: 'systemd' }),
    },
    {
      key: socketUnitsRequest.key,
      value: afterRestart(situation, written, name, unit),
    },
  ];
  const restart = takePorts(name, { before, after }, restartOf(name, unit), facts);
  return must
    ? change(reasonFor({ port, keep }, before), [...written.changes, restart])
    : none(settled({ port, keep }, after));
}

function writeDropIn(situation: PortSituation, name: string, unit: SocketUnit): Written {
  const { port, keep, sockets } = situation;
  const kept = stillOpen(situation, socketPorts(unit), 'systemd');
  const listen = keep ? withPorts(unit, [...kept, port]) : withOnlyPort(unit, port);
  const changes = sameListen(listen, unit.listen) ? [] : socketDropIn(name, sockets, unit, listen);
  return { changes, listen };
}

function writeConfig(
  situation: PortSituation,
  unit: SocketUnit,
  before: readonly number[],
): Written | ModulePlan {
  const { config, port, keep } = situation;
  const listen = readListen(config);
  const refusal = unreadable(situation, listen);
  if (refusal !== null) {
    return refusal;
  }
  // What the socket has now may not be what the files say: nobody reloaded systemd since.
  const kept = [...before, ...stillOpen(situation, before, 'systemd')];
  const edits = keep ? addPorts(config, listen, [...kept, port]) : onlyPort(config, listen, port);
  const purpose = keep ? `port ${port} beside the others` : `port ${port} only`;
  const written = configChanges(config, edits, purpose);
  const ports = portsOf(listenPoints(readListen(written.config)));
  const listens = withPorts(unit, ports).filter(
    (one) => one.port === null || ports.includes(one.port),
  );
  return { changes: written.changes, listen: listens };
}

function restartOf(name: string, unit: SocketUnit): (ports: readonly number[]) => Action {
  const service = unit.service ?? name.replace(/\.socket$/, '.service');
  return (ports) => ({ type: 'socket-restart', socket: name, service, ports });
}

/** The socket units as systemd has them once it has read what was written. */
function afterRestart(
  { sockets }: PortSituation,
  { changes, listen }: Written,
  name: string,
  unit: SocketUnit,
): unknown {
  const last = changes
    .flatMap(({ factsAfter }) => factsAfter)
    .findLast(({ key }) => key === socketUnitsRequest.key);
  return last?.value ?? withUnit(sockets, name, { ...unit, listen });
}

function daemonReload(name: string): Change {
  return {
    kind: 'unit',
    target: name,
    summary: `let systemd read the drop-ins of ${name}`,
    before: 'as systemd has it loaded\n',
    after: 'as it is on disk\n',
    action: { type: 'run', argv: ['systemctl', 'daemon-reload'] },
    holds: null,
    undo: { type: 'run', argv: ['systemctl', 'daemon-reload'] },
    risk: 'none',
    sensitive: false,
    factsAfter: [],
    invalidates: [],
  };
}
