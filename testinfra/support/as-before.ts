import type { LabHost } from './lab.ts';
import { differences, snapshot, withoutTimes, type Snapshot } from './snapshot.ts';

// What a repair may touch. `/run` is left out: who starts a daemon anew leaves other numbers there.
const trees = ['/etc', '/root', '/home', '/var/lib'];

// The run's own folder stays as its record.
const records = /^files \/var\/lib\/remedy(\/|:)/;

/** What must be the same again when a repair was taken back. */
export async function look(host: LabHost): Promise<Snapshot> {
  const taken = withoutTimes(await snapshot(host, trees));
  // A unit that does nothing is listed only while another one mentions it; and that a start of it has
  // failed once is not kept when it is started with success and stopped again.
  const units = Object.entries(taken.units).filter(
    ([, state]) => !/inactive dead|failed failed/.test(state),
  );
  return { ...taken, units: Object.fromEntries(units) };
}

/** What is other than before, but for the records of runs. Empty: the host is as it was. */
export async function changesSince(host: LabHost, before: Snapshot): Promise<string[]> {
  return differences(before, await look(host)).filter((line) => !records.test(line));
}

/** Waits until no guard is there any more: one looks once a second whether it is needed. */
export async function noGuard(host: LabHost): Promise<void> {
  await host.read('while systemctl is-active --quiet "remedy-*"; do sleep 0.1; done');
}
