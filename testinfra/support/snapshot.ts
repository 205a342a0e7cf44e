import { readFile } from 'node:fs/promises';

import type { LabHost } from './lab.ts';

/** What a dry run must leave as it was. Compare two with `toEqual`, or by `differences`. */
export interface Snapshot {
  /** Path → mode, owner, size, time, digest. */
  readonly files: Readonly<Record<string, string>>;
  /** Unit → load, active and sub state. */
  readonly units: Readonly<Record<string, string>>;
  readonly unitFiles: Readonly<Record<string, string>>;
  /** Rule sets, without counters. */
  readonly nft: string;
  readonly iptables: string;
  readonly ip6tables: string;
  /** Kernel modules and legacy tables: shared with the machine, and empty where they are built in. */
  readonly modules: readonly string[];
  readonly legacyTables: readonly string[];
}

/**
 * Leaves out what any login, or a daemon that runs anyway, changes: logs, sessions, sudo's time stamps.
 *
 * @param trees folders to look at; then unit files are left out. Default: all of the host.
 */
export async function snapshot(host: LabHost, trees: readonly string[] = []): Promise<Snapshot> {
  const script = await readFile(new URL('./snapshot.py', import.meta.url));
  const result = await host.exec(['python3', '-BIS', '-', ...trees], { stdin: script });
  if (result.status !== 0) throw new Error(`no snapshot of ${host.name}: ${result.stderr}`);
  return JSON.parse(result.stdout) as Snapshot;
}

/** A change that was taken back leaves all as it was but the times of files. */
export function withoutTimes(taken: Snapshot): Snapshot {
  const files = Object.entries(taken.files).map(
    ([path, words]) => [path, words.replace(/ at \d+/, '')] as const,
  );
  return { ...taken, files: Object.fromEntries(files) };
}

/** One line for each difference: short enough to read in a failed test. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  const found: string[] = [];
  for (const part of ['files', 'units', 'unitFiles'] as const) {
    for (const key of new Set([...Object.keys(before[part]), ...Object.keys(after[part])])) {
      const [was, is] = [before[part][key] ?? '(none)', after[part][key] ?? '(none)'];
      if (was !== is) found.push(`${part} ${key}: ${was} → ${is}`);
    }
  }
  for (const part of ['nft', 'iptables', 'ip6tables', 'modules', 'legacyTables'] as const) {
    const [was, is] = [JSON.stringify(before[part]), JSON.stringify(after[part])];
    if (was !== is) found.push(`${part}: ${was} → ${is}`);
  }
  return found;
}
