import { z } from 'zod';
import { request } from '../facts/fact.ts';
import { listenersFact, type Listeners } from '../facts/listeners.ts';
import { socketNames, type SocketUnits } from '../facts/socket-unit.ts';
import { sshdConfigRequest, type SshdConfig } from '../facts/sshd-config.ts';
import { unitsFact, type Units } from '../facts/units.ts';
import { blocked, type Module, type ModulePlan } from './module.ts';
import { chooseUnit } from './ssh-unit.ts';
import { planServicePort } from './sshd-port-service.ts';
import { followsConfig, socketUnitsRequest } from './sshd-port-socket.ts';
import { planSocketPort } from './sshd-port-socket-plan.ts';

const schema = z.strictObject({
  port: z.int().min(1).max(65535).describe('the port that SSH is to answer on'),
  keep: z
    .boolean()
    .default(true)
    .describe('true: beside the ports it has; false: on this port and no other'),
});

const unitsRequest = request(unitsFact, ['ssh.service', 'sshd.service', ...socketNames]);
const listenersRequest = request(listenersFact, undefined);

/** Everything that the plan of a port is made of. */
export interface PortSituation {
  readonly port: number;
  readonly keep: boolean;
  readonly config: SshdConfig;
  readonly sockets: SocketUnits;
  readonly units: Units;
  readonly listeners: Listeners;
  /** The key under which the listeners are kept. */
  readonly listenersKey: string;
  /** The port that people come in by now: it must not be lost while `keep` is true. */
  readonly now: number;
}

/** Makes SSH listen on a port, beside the ports that it has or instead of them. */
export const sshdPort: Module<typeof schema> = {
  name: 'sshd-port',
  summary:
    "Make SSH listen on a port, in sshd's configuration or in the socket unit that holds its port",
  schema,
  facts: () => [sshdConfigRequest, socketUnitsRequest, unitsRequest, listenersRequest],
  plan({ port, keep }, facts, { endpoint }) {
    const config = facts.get(sshdConfigRequest);
    const sockets = facts.get(socketUnitsRequest);
    const units = facts.get(unitsRequest);
    const listeners = facts.get(listenersRequest);
    if (!config.known || !sockets.known || !units.known || !listeners.known) {
      const missing = [units, config, sockets, listeners].find((one) => !one.known);
      return blocked(missing?.known === false ? missing.because : '');
    }
    return planPort({
      port,
      keep,
      config: config.value,
      sockets: sockets.value,
      units: units.value,
      listeners: listeners.value,
      listenersKey: listenersRequest.key,
      now: endpoint.port,
    });
  },
};

function planPort(situation: PortSituation): ModulePlan {
  const { units, sockets } = situation;
  const name = holder(units);
  if (name === null) {
    return blocked(
      'no unit for SSH is known to systemd here (looked for ssh and sshd, service and socket)',
    );
  }
  const socket = sockets.units[name];
  return socket === undefined
    ? planServicePort(situation, name)
    : planSocketPort(situation, name, socket, followsConfig(sockets, socket));
}

/** The unit that holds the port: a socket that listens does, whatever else is enabled. */
function holder(units: Units): string | null {
  const listening = socketNames.find((name) => units[name]?.active === 'active');
  return listening === undefined ? chooseUnit(units) : (units[listening]?.id ?? listening);
}
