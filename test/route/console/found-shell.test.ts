import { expect, test } from 'vitest';
import type { Dialogue } from '../../../src/route/console/dialogue.ts';
import { hasStoppedJobs } from '../../../src/route/console/found-shell.ts';

/** A shell that answers `jobs`, and `jobs -s`, with these lines. */
function shellWith(all: readonly string[] | null, stopped: readonly string[] | null): Dialogue {
  const ask = async (command: string): Promise<readonly string[] | null> =>
    command === 'jobs -s' ? stopped : all;
  return { ask } as unknown as Dialogue;
}

const french = '[1]+  Arr\u00eat\u00e9                  vi /etc/fstab';
const none = [''];

test.each([
  ['no job', none, none, false],
  ['no answer', null, null, false],
  ['a stopped editor in bash', ['[1]+  Stopped   vi x'], ['[1]+  Stopped   vi x'], true],
  ['the same in French', [french], [french], true],
  ['the same in zsh', ['[1]  + suspended  vi x'], ['[1]  + suspended  vi x'], true],
  ['the same in dash', ['[1] + Stopped   vi x'], ['dash: 1: jobs: Illegal option -s'], true],
  ['the same in csh', ['[1]  + Suspended   vi x'], ['Usage: jobs [ -l ].'], true],
  ['the same in fish', ['Job Group State Command', '1 4711 stopped vi x'], none, true],
  ['a job that runs', ['[1]+  Running   sleep 100 &'], none, false],
  ['jobs that have ended', ['[3] + Done', '[1] - Terminated'], ['jobs: bad option'], false],
  ['one of each', ['[1]-  Running  sleep 9 &', french], [french], true],
])('%s', async (_, all, stopped, has) => {
  expect(await hasStoppedJobs(shellWith(all, stopped))).toBe(has);
});
