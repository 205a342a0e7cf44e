import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Argv } from '../../src/core/quote.ts';
import { splitCommand } from '../../src/route/exec.ts';
import { makeMark, type Mark } from '../../test/route/conformance/mark.ts';
import type { LabHost } from '../support/lab.ts';

/** A command that leads into a host, as a route's, and how its process is found and ended. */
export interface Command {
  readonly argv: Argv;
  /** Leads into the host, where nothing answers. */
  readonly mute: Argv;
  readonly mark: Mark;
  /** Kills the one that was started last. */
  readonly kill: () => Promise<void>;
}

/** Makes a command of the text that stands for it on a command line. */
export function commandOf(host: LabHost, text: string): Command {
  const mark = makeMark();
  const pidFile = join(mark.folder, 'pid');
  const shell = wordsOf(host.execCommand);
  return {
    argv: ['sh', '-c', 'echo $$ >"$1"; shift; exec "$@"', 'sh', pidFile, ...wordsOf(text)],
    mute: [...(shell.slice(0, -1) as [string, ...string[]]), 'sh', '-c', 'cat >/dev/null'],
    mark,
    kill: async () => {
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
    },
  };
}

function wordsOf(text: string): Argv {
  const split = splitCommand(text);
  if (!split.ok) {
    throw new Error(split.error.what);
  }
  return split.value;
}

const listProcesses = 'ps -e -o args=';

const listFiles = `find /tmp /var/tmp /root /dev/shm -xdev ! -path '*/systemd-private*' ! -type d
find /run -maxdepth 1 -name 'remedy-*'`;

// Sessions of systemd outlive a login by ten seconds, whoever it was; and threads of the kernel come and go.
const passing = /^\[.*\]$|\(sd-pam\)|systemd/;

/** What runs and lies on hosts that was not there when the watch began. */
export async function watchHosts(
  hosts: readonly LabHost[],
): Promise<() => Promise<readonly string[]>> {
  const look = async (): Promise<string[]> =>
    (
      await Promise.all(
        hosts.map(async (one) => {
          const files = (await one.read(listFiles)).split('\n');
          // On its own, so that it lists nothing else of ours.
          const processes = (await one.read(`exec ${listProcesses}`))
            .split('\n')
            .map((line) => line.trim())
            .filter((line) => line !== listProcesses && !passing.test(line));
          return [...files, ...processes].map((line) => `${one.name}: ${line}`);
        }),
      )
    ).flat();
  const before = new Set(await look());
  return async () => (await look()).filter((line) => !before.has(line));
}
