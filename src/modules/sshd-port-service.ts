import { blocked, change, none, type ModulePlan } from './module.ts';
import { addPorts, onlyPort } from './sshd-listen-edit.ts';
import { listenPoints, portsOf, readListen, type Listen } from './sshd-listen.ts';
import { configChanges, listPorts, takePorts } from './sshd-port-change.ts';
import { moved, ownSockets, strangerOn, type Holder } from './sshd-port-listeners.ts';
import type { PortSituation } from './sshd-port.ts';

/** Plans the port where sshd opens it itself: its configuration, then a reload. */
export function planServicePort(situation: PortSituation, unit: string): ModulePlan {
  const { config, port, keep, listeners } = situation;
  const listen = readListen(config);
  const before = portsOf(listenPoints(listen));
  const refusal =
    unreadable(situation, listen) ??
    fixedByOptions(listen, before, situation) ??
    notOurs(situation, unit, before);
  if (refusal !== null) {
    return refusal;
  }
  const edits = keep
    ? addPorts(config, listen, [...stillOpen(situation, before), port])
    : onlyPort(config, listen, port);
  const purpose = keep ? `port ${port} beside the others` : `port ${port} only`;
  const written = configChanges(config, edits, purpose);
  const after = portsOf(listenPoints(readListen(written.config)));
  if (situation.units[unit]?.active !== 'active') {
    return change(
      `${unit} is not running; its configuration says ${listPorts(before)}`,
      written.changes,
    );
  }
  const listening = ownSockets(listeners, [...new Set([...before, port])], 'sshd');
  const stale = keep ? [] : stillOpen(situation, before);
  const must = edits.length > 0 || stale.length > 0 || !listening.some((one) => one.port === port);
  const held = [...new Set([...before, ...stillOpen(situation, before), port])];
  const reload = takePorts(
    unit,
    { before: [...new Set(listening.map((one) => one.port))], after },
    (ports) => ({ type: 'sshd-reload', unit, ports }),
    [
      {
        key: situation.listenersKey,
        value: moved(listeners, { from: held, to: after, holder: 'sshd' }),
      },
    ],
  );
  return must
    ? change(reasonFor(situation, [...new Set([...before, ...stale])]), [
        ...written.changes,
        reload,
      ])
    : none(settled(situation, after));
}

/** Says why there is something to do. */
export function reasonFor(
  { port, keep }: Pick<PortSituation, 'port' | 'keep'>,
  before: readonly number[],
): string {
  const old = before.filter((one) => one !== port);
  if (keep) {
    return `SSH is set to ${listPorts(before)}; port ${port} is opened beside`;
  }
  return old.length === 0
    ? `SSH does not listen on port ${port}`
    : `SSH also listens on ${listPorts(old)}; what firewalls allow there is left as it is`;
}

/** Says why there is nothing to do. */
export function settled(
  { port, keep }: Pick<PortSituation, 'port' | 'keep'>,
  ports: readonly number[],
): string {
  return keep ? `SSH listens on ${listPorts(ports)}` : `SSH listens on port ${port} and no other`;
}

/** Why the files cannot be edited safely. */
export function unreadable({ config }: PortSituation, listen: Listen): ModulePlan | null {
  if (listen.strange !== null) {
    return blocked(`${listen.strange} is not understood`);
  }
  const odd = config.odd[0];
  if (odd !== undefined) {
    return blocked(`${odd.path} of sshd's configuration is ${odd.why}`);
  }
  const binary = config.files.find(({ text }) => text.includes('\0'));
  return binary === undefined ? null : blocked(`${binary.path} holds a NUL byte`);
}

/**
 * The port that people use now, where sshd still listens on it but its files do not say so any more: a
 * reload alone would close it.
 */
export function stillOpen(
  { now, port, listeners }: Pick<PortSituation, 'now' | 'port' | 'listeners'>,
  before: readonly number[],
  holder: Holder = 'sshd',
): number[] {
  const open = ownSockets(listeners, [now], holder).length > 0;
  return open && now !== port && !before.includes(now) ? [now] : [];
}

// With -p sshd passes over every Port line; a reload keeps the command line.
function fixedByOptions(
  { options }: Listen,
  before: readonly number[],
  { port, keep, config }: PortSituation,
): ModulePlan | null {
  if (options.length === 0) {
    return null;
  }
  const fixed = config.options.ports.length > 0 ? config.options.ports : before;
  const done = keep ? fixed.includes(port) : fixed.every((one) => one === port);
  return done && config.options.ports.length > 0
    ? none(`sshd is started with ${options.join(' ')}`)
    : blocked(
        `sshd is started with ${options.join(' ')}, which decides about its ports whatever its files say`,
        'Take that out of the options of its service (SSHD_OPTS in /etc/default/ssh, OPTIONS in /etc/sysconfig/sshd, or its unit), restart the service, then run the same command again.',
      );
}

/** Someone else on the port, or an sshd that its unit did not start. */
function notOurs(
  { port, listeners, units }: PortSituation,
  unit: string,
  before: readonly number[],
): ModulePlan | null {
  const stranger = strangerOn(listeners, port, 'sshd', before.includes(port));
  if (stranger !== null) {
    return blocked(
      `port ${port} belongs to ${stranger}, so sshd could not take it`,
      'Choose another port, or end that program, then run the same command again.',
    );
  }
  const stray = ownSockets(listeners, before, 'sshd').some(({ processes }) => processes.length > 0);
  return units[unit]?.active !== 'active' && stray
    ? blocked(`an sshd listens that ${unit} did not start, so nobody can tell it to reload`)
    : null;
}
