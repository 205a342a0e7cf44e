import { z } from 'zod';
import type { Change } from '../core/change.ts';
import type { Argv } from '../core/quote.ts';
import { request } from '../facts/fact.ts';
import { listenersFact, type Listeners } from '../facts/listeners.ts';
import { sshdFact, type Sshd } from '../facts/sshd.ts';
import { unitsFact, type Unit, type Units } from '../facts/units.ts';
import { sshListeners } from '../walk/listener.ts';
import { blocked, change, none, type Module, type ModulePlan, type PlanContext } from './module.ts';

const schema = z.strictObject({
  port: z.int().min(1).max(65535).describe('the port that must answer when the unit runs'),
});

const names = ['ssh.service', 'sshd.service', 'ssh.socket', 'sshd.socket'] as const;

const unitsRequest = request(unitsFact, names);
const listenersRequest = request(listenersFact, undefined);
/** The request for what sshd says of itself. */
export const sshdRequest = request(sshdFact, undefined);

/** Runs the one unit that serves SSH on this host, now and at boot. */
export const sshUnit: Module<typeof schema> = {
  name: 'ssh-unit',
  summary:
    'Unmask, enable and start the one unit that serves SSH here: ssh or sshd, service or socket',
  runsLast: true,
  schema,
  facts: () => [unitsRequest, listenersRequest, sshdRequest],
  plan(args, facts, context) {
    const units = facts.get(unitsRequest);
    const listeners = facts.get(listenersRequest);
    const sshd = facts.get(sshdRequest);
    if (!units.known) {
      return blocked(units.because);
    }
    if (!sshd.known || !listeners.known) {
      return blocked(sshd.known ? (listeners.known ? '' : listeners.because) : sshd.because);
    }
    return planUnit({
      port: args.port,
      units: units.value,
      listeners: listeners.value,
      sshd: sshd.value,
      context,
    });
  },
};

interface Situation {
  readonly port: number;
  readonly units: Units;
  readonly listeners: Listeners;
  readonly sshd: Sshd;
  readonly context: PlanContext;
}

function planUnit(situation: Situation): ModulePlan {
  const { units, sshd } = situation;
  if (!sshd.installed) {
    return blocked('sshd is not installed on this host');
  }
  const name = chooseUnit(units);
  const unit = name === null ? undefined : units[name];
  if (name === null || unit === undefined) {
    return blocked(
      'no unit for SSH is known to systemd here (looked for ssh and sshd, service and socket)',
    );
  }
  const running = unit.active === 'active';
  const enabled = isEnabled(unit);
  if (running && enabled) {
    return none(`${name} is enabled and running`);
  }
  const taken = situation.listeners.sockets.find((socket) => socket.port === situation.port);
  if (
    !running &&
    taken !== undefined &&
    sshListeners(situation.listeners, situation.port).length === 0
  ) {
    return blocked(
      `port ${situation.port} belongs to ${taken.processes.join(', ')}, so ${name} could not take it`,
    );
  }
  if (!running && !sshd.valid) {
    return blocked(
      `${name} would not start: sshd -t says: ${sshd.problem}`,
      /no hostkeys available/.test(sshd.problem)
        ? 'Make host keys in the same run:\n    remedy run regenerate-host-keys start-sshd …'
        : 'Mend the configuration of sshd, then run the same command again.',
    );
  }
  const steps = changesFor(name, unit, situation);
  return change(`${name} is ${unit.file || unit.load}, ${unit.active}`, steps);
}

/**
 * The unit that this host means to serve SSH with. A socket that is enabled or listening is the
 * host's choice (Ubuntu since 22.10); else the service. Never both: they would fight for the port.
 */
export function chooseUnit(units: Units): string | null {
  const usable = (name: string): boolean => ['loaded', 'masked'].includes(units[name]?.load ?? '');
  const sockets = names.filter((name) => name.endsWith('.socket') && usable(name));
  const services = names.filter((name) => name.endsWith('.service') && usable(name));
  const activeService = services.find(
    (name) => units[name]?.active === 'active' && isEnabled(units[name]),
  );
  const socket = sockets.find((name) => isEnabled(units[name]) || units[name]?.active === 'active');
  if (socket !== undefined && activeService === undefined) {
    return socket;
  }
  return canonical(units, services) ?? sockets[0] ?? null;
}

// Debian's sshd.service is an alias that exists only while ssh.service is enabled: the real one wins.
function canonical(units: Units, services: readonly string[]): string | null {
  const score = (name: string): number => {
    const unit = units[name];
    return (
      (isEnabled(unit) ? 4 : 0) +
      (unit?.active === 'active' ? 2 : 0) +
      (unit?.id === name && unit.load === 'loaded' ? 1 : 0)
    );
  };
  const best = services.toSorted((a, b) => score(b) - score(a))[0];
  const id = best === undefined ? undefined : units[best]?.id;
  return id !== undefined && services.includes(id) ? id : (best ?? null);
}

function isEnabled(unit: Unit | undefined): boolean {
  return ['enabled', 'static', 'alias', 'indirect', 'generated'].includes(unit?.file ?? '');
}

function changesFor(name: string, unit: Unit, situation: Situation): Change[] {
  const changes: Change[] = [];
  let now = unit;
  const add = (summary: string, argv: Argv, undo: Argv | null, next: Unit): void => {
    changes.push(
      unitChange(name, { summary, argv, undo, before: now, after: next }, situation.units),
    );
    now = next;
  };
  if (now.load === 'masked' || now.file.startsWith('masked')) {
    const runtime: string[] = now.file === 'masked-runtime' ? ['--runtime'] : [];
    add(
      `unmask ${name}`,
      ['systemctl', 'unmask', ...runtime, name],
      ['systemctl', 'mask', ...runtime, name],
      { ...now, load: 'loaded', file: 'disabled' },
    );
  }
  if (!isEnabled(now)) {
    add(`enable ${name} at boot`, ['systemctl', 'enable', name], ['systemctl', 'disable', name], {
      ...now,
      file: 'enabled',
    });
  }
  if (now.active !== 'active') {
    changes.push(...unforbid(situation));
    // systemd counts quick restarts too; at the limit it refuses every further start.
    if (now.active === 'failed' || (now.result !== '' && now.result !== 'success')) {
      add(`forget the failed start of ${name}`, ['systemctl', 'reset-failed', name], null, {
        ...now,
        active: 'inactive',
        result: 'success',
      });
    }
    add(`start ${name}`, ['systemctl', 'start', name], ['systemctl', 'stop', name], {
      ...now,
      active: 'active',
    });
  }
  return changes;
}

const forbiddingFile = '/etc/ssh/sshd_not_to_be_run';

// Debian's unit has ConditionPathExists=!/etc/ssh/sshd_not_to_be_run: start exits 0 and starts nothing.
function unforbid({ sshd, context }: Situation): Change[] {
  if (!sshd.forbidden) {
    return [];
  }
  const aside = `${forbiddingFile}.remedy-${context.runId}`;
  return [
    {
      kind: 'file',
      target: forbiddingFile,
      summary: `move ${forbiddingFile} aside, which forbids sshd to start`,
      before: `${forbiddingFile}\n`,
      after: `${aside}\n`,
      action: { type: 'move', from: forbiddingFile, to: aside },
      holds: ['test', '!', '-e', forbiddingFile],
      undo: { type: 'move', from: aside, to: forbiddingFile },
      risk: 'service',
      sensitive: false,
      factsAfter: [{ key: sshdRequest.key, value: { ...sshd, forbidden: false } }],
      invalidates: [],
    },
  ];
}

interface UnitStep {
  readonly summary: string;
  readonly argv: Argv;
  readonly undo: Argv | null;
  readonly before: Unit;
  readonly after: Unit;
}

function unitChange(name: string, step: UnitStep, units: Units): Change {
  return {
    kind: 'unit',
    target: name,
    summary: step.summary,
    before: unitText(step.before),
    after: unitText(step.after),
    action: {
      type: 'run',
      argv: step.argv,
      explain: ['journalctl', '--no-pager', '-q', '-n', '6', '-o', 'cat', '-u', name],
    },
    holds: step.after.active === 'active' ? ['systemctl', 'is-active', '--quiet', name] : null,
    undo:
      step.undo === null
        ? { type: 'none', why: 'a counter was set back; nothing depends on it' }
        : step.undo[1] === 'stop'
          ? { type: 'sshd-stop', unit: name }
          : { type: 'run', argv: step.undo },
    risk: 'service',
    sensitive: false,
    factsAfter: [{ key: unitsRequest.key, value: { ...units, [name]: step.after } }],
    invalidates: step.after.active === 'active' ? [listenersRequest.key] : [],
  };
}

function unitText(unit: Unit): string {
  return `load: ${unit.load}\nat boot: ${unit.file || 'unknown'}\nnow: ${unit.active}\n`;
}
