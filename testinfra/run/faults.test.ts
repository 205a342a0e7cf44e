import { afterAll, beforeAll, describe, test } from 'vitest';
import { scenarioNamed } from '../kill/scenarios.ts';
import { Stand, type AttemptOptions } from '../kill/stand.ts';
import { openLab, type Lab, type Result, type UpOptions } from '../support/lab.ts';
import { hostOf, type HostDocument, type RunDocument } from '../support/remedy.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

interface Fault {
  readonly breaks: readonly string[];
  readonly up?: UpOptions;
  readonly via?: AttemptOptions['via'];
}

const documentOf = (result: Result): HostDocument =>
  hostOf(JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as RunDocument);

async function open(name: string, { breaks, up = {} }: Fault): Promise<Stand> {
  const stand = await Stand.open(lab, name, scenarioNamed('open-port'), { up });
  if (breaks.length > 0) await stand.host.breakIt(...breaks);
  await stand.remember();
  return stand;
}

describe.concurrent('a host that nothing can be kept on is left as it was', () => {
  const faults: [name: string, fault: Fault, why: RegExp][] = [
    ['full-disk', { breaks: ['full-disk'] }, /space|full/i],
    ['full-state', { breaks: ['full-state'] }, /space|full/i],
    ['readonly-root', { breaks: ['readonly-root'] }, /read-only/i],
    ['readonly-var', { breaks: ['readonly-var'] }, /read-only/i],
    ['var-missing', { breaks: ['var-missing'] }, /\/var/],
  ];
  test.for(faults)('%s', async ([name, fault, why], { expect: must }) => {
    const stand = await open(name, fault);
    const result = await stand.attempt().done;
    const { outcome, failure } = documentOf(result);
    must(result.status).toBe(1);
    must(outcome).toMatch(/^(refused|failed)$/);
    must(failure?.access).toBe('Nothing was changed on the host.');
    must(failure?.why).toMatch(why);
    must(await stand.changes()).toEqual([]);
    must(await stand.deadLogins('before')).toEqual([]);
    await stand.host.down();
  });
});

describe.concurrent('what does not matter to a repair does not stop it', () => {
  const faults: [name: string, fault: Fault][] = [
    ['kill-user-processes', { breaks: ['kill-user-processes'], via: 'admin' }],
    ['use-pty', { breaks: [], up: { usePty: true }, via: 'admin' }],
    ['dpkg-lock', { breaks: ['dpkg-lock'] }],
    ['clock-back', { breaks: ['clock-back'] }],
  ];
  test.for(faults)('%s', async ([name, fault], { expect: must }) => {
    const stand = await open(name, fault);
    const result = await stand.attempt({ via: fault.via ?? 'root', guardSeconds: 60 }).done;
    must(documentOf(result)).toMatchObject({ outcome: 'changed', failure: null });
    must(await stand.deadLogins('after')).toEqual([]);
    await stand.host.down();
  });
});

describe.concurrent('what goes wrong between the changes and their confirmation', () => {
  test('a clock that is set back does not keep the guard from firing', async ({ expect: must }) => {
    const stand = await open('clock-set', { breaks: [] });
    const attempt = stand.attempt();
    await attempt.reached('phase-done apply #1');
    attempt.kill('SIGKILL');
    const began = Date.now();
    await stand.host.breakIt('clock-back');
    must(Object.values((await stand.settled(60)).runs)).toEqual(['reverted']);
    must(Date.now() - began).toBeLessThan((stand.guardSeconds + 20) * 1000);
    must((await stand.changes()).filter((line) => !/faketime/.test(line))).toEqual([]);
    await stand.host.down();
  });

  test('sudo is taken away: the run is kept or taken back, and says which', async ({
    expect: must,
  }) => {
    const stand = await open('no-sudo', { breaks: [] });
    const attempt = stand.attempt({ via: 'admin' });
    await attempt.reached('phase-done apply #1');
    await stand.host.breakIt('sudo-taken-away');
    const { outcome } = documentOf(await attempt.done);
    const survey = await stand.settled(60);
    must(survey).toMatchObject({ settled: true, lock: 'free' });
    const changes = (await stand.changes()).filter((line) => !line.includes('/etc/sudoers.d'));
    if (outcome === 'changed') must(await stand.deadLogins('after')).toEqual([]);
    else {
      must(outcome).toMatch(/^(reverted|unknown)$/);
      must(changes).toEqual([]);
    }
    await stand.host.down();
  });
});
