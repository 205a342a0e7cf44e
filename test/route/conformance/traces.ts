import { readdirSync, readFileSync } from 'node:fs';

/**
 * What this process holds open and has running: sockets, pipes, children and what these started. The
 * same before and after, where nothing was left behind.
 */
export async function leftHere(): Promise<readonly string[]> {
  // What has just been closed is still counted until the loop has gone round.
  await new Promise((resolve) => setImmediate(resolve));
  const kinds = new Set(['TCPSocketWrap', 'PipeWrap', 'ProcessWrap', 'TTYWrap', 'UDPWrap']);
  const held = process.getActiveResourcesInfo().filter((kind) => kinds.has(kind));
  return [...held, ...descendants()].toSorted();
}

function descendants(): string[] {
  const parents = new Map(
    processes().map(({ pid, parent, command }) => [pid, { parent, command }]),
  );
  const isOurs = (pid: number): boolean => {
    const parent = parents.get(pid)?.parent;
    return parent !== undefined && (parent === process.pid || isOurs(parent));
  };
  return [...parents].flatMap(([pid, { command }]) => (isOurs(pid) ? [command] : []));
}

function processes(): { pid: number; parent: number; command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : null;
    const [, command, state, parent] = /^\d+ \((.*)\) (\S) (\d+) /s.exec(stat ?? '') ?? [];
    return command === undefined || state === 'Z'
      ? []
      : [{ pid: Number(name), parent: Number(parent), command }];
  });
}

/** Processes of this machine that have `mark` in their environment, as `pid command`. */
export function processesMarked(mark: string): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || read(`/proc/${name}/environ`)?.includes(mark) !== true) {
      return [];
    }
    const command = read(`/proc/${name}/cmdline`)?.replaceAll('\0', ' ').trim() ?? '';
    // A process that has ended and is not yet waited for has neither.
    return command === '' ? [] : [`${name} ${command}`];
  });
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    // It has ended meanwhile, or is another user's.
    return null;
  }
}
