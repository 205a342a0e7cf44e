import type { Change } from '../core/change.ts';
import { request, type FactRequest, type FactSet } from '../facts/fact.ts';
import { listenersFact } from '../facts/listeners.ts';
import { listenTargets } from '../facts/sshd-effective.ts';
import type { SshdConfig } from '../facts/sshd-config.ts';
import { unitsFact, type Units } from '../facts/units.ts';
import { sshdRequest } from './ssh-unit.ts';
import { listPorts } from './sshd-port-change.ts';

const unitsRequest = request(unitsFact, [
  'ssh.service',
  'sshd.service',
  'ssh.socket',
  'sshd.socket',
]);
const listenersRequest = request(listenersFact, undefined);

/** What must be known to make sshd read its files. */
export const reloadRequests: readonly FactRequest[] = [unitsRequest, listenersRequest, sshdRequest];

/** The change that makes a running sshd read its configuration; null where none runs. */
export function reloadChange(facts: FactSet, config: SshdConfig): Change | null {
  const unit = runningService(facts);
  if (unit === null) {
    return null;
  }
  const before = portsNow(facts);
  const after = unit.bySocket
    ? before
    : [...new Set(listenTargets(config).map(({ port }) => port))];
  return {
    kind: 'unit',
    target: unit.name,
    summary: `reload ${unit.name}, so that it reads its configuration; sessions stay open`,
    before: 'as it was read before\n',
    after: `as it is on disk, on ${listPorts(after)}\n`,
    action: { type: 'sshd-reload', unit: unit.name, ports: after },
    holds: null,
    undo: { type: 'sshd-reload', unit: unit.name, ports: before },
    risk: 'access',
    sensitive: false,
    factsAfter: [],
    invalidates: [],
  };
}

/** Why nothing is reloaded, for a reason that people read. */
export function notRunning(facts: FactSet): string {
  return runningService(facts) === null
    ? '; sshd does not run, so it will read it when it starts'
    : '';
}

function runningService(
  facts: FactSet,
): { readonly name: string; readonly bySocket: boolean } | null {
  const units = facts.get(unitsRequest);
  if (!units.known) {
    const sshd = facts.get(sshdRequest);
    const name = sshd.known ? (sshd.value.service ?? null) : null;
    return name === null ? null : { name, bySocket: false };
  }
  const active = activeService(units.value);
  return active === null ? null : { name: active, bySocket: socketIsActive(units.value) };
}

function activeService(units: Units): string | null {
  const found = ['ssh.service', 'sshd.service'].find((name) => units[name]?.active === 'active');
  return found === undefined ? null : (units[found]?.id ?? found);
}

function socketIsActive(units: Units): boolean {
  return ['ssh.socket', 'sshd.socket'].some((name) => units[name]?.active === 'active');
}

function portsNow(facts: FactSet): number[] {
  const listeners = facts.get(listenersRequest);
  const units = facts.get(unitsRequest);
  if (!listeners.known) {
    return [];
  }
  const own = units.known && socketIsActive(units.value) ? /^(?:sshd|systemd)/ : /^sshd/;
  return [
    ...new Set(
      listeners.value.sockets
        .filter(({ processes }) => processes.some((name) => own.test(name)))
        .map(({ port }) => port),
    ),
  ];
}
