import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import type { Controller, Lab, LabHost } from '../support/lab.ts';
import { rescuePort } from './scenarios.ts';

/** By what an attempt gets in to do its work. */
export type WayName = 'ssh' | 'console';

/** A way in that can be cut. */
export interface Way {
  readonly name: WayName;
  /** For a controller, as a user of the host. */
  flags(controller: Controller, user: string): string[];
  readonly env: Readonly<Record<string, string>>;
  /** Ends the connection that is there; the next one can be made at once. */
  drop(): Promise<void>;
  /** Ends it, and none can be made. */
  cut(): Promise<void>;
  mend(): Promise<void>;
}

/** The second sshd of the host; the cut takes all of its network. */
function sshWay(host: LabHost): Way {
  return {
    name: 'ssh',
    flags: (controller, user) => [
      ...['--via', `${user}@${host.ipv4}:${rescuePort}`, '--via-identity', controller.keyFile],
    ],
    env: {},
    drop: async () => {
      await host.cut();
      await host.mend();
    },
    cut: async () => host.cut(),
    mend: async () => host.mend(),
  };
}

const password = 'Ohb4ooL1 x';

/** The host's own console, with login; the network stays when it is cut. */
async function consoleWay(lab: Lab, host: LabHost): Promise<Way> {
  await host.exec(['chpasswd'], { stdin: `root:${password}\n` });
  const at = (name: string): string => `${lab.ctl.home}/console_${host.name}.${name}`;
  const [pid, gone] = [at('pid'), at('gone')];
  const line = await lab.ctl.writeFile(
    at('sh'),
    `test -e ${gone} && exit 1\necho $$ >${pid}\nexec ${host.consoleCommand}\n`,
  );
  const drop = async (): Promise<void> => {
    try {
      process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL');
    } catch {
      // Nobody has the console open.
    }
  };
  return {
    name: 'console',
    flags: () => ['--console', `sh ${line}`],
    env: { REMEDY_CONSOLE_PASSWORD: password },
    drop,
    cut: async () => {
      await writeFile(gone, '');
      await drop();
    },
    mend: async () => {
      if (existsSync(gone)) await rm(gone);
    },
  };
}

/** The way of that name into a host. */
export async function openWay(name: WayName, lab: Lab, host: LabHost): Promise<Way> {
  return name === 'ssh' ? sshWay(host) : consoleWay(lab, host);
}
