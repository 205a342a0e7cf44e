import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scenarioNamed } from '../kill/scenarios.ts';
import { Stand, type Attempt, type StandOptions } from '../kill/stand.ts';
import { openLab, type Lab, type Result } from '../support/lab.ts';
import { hostOf, type HostDocument, type RunDocument } from '../support/remedy.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

const open = (name: string, scenario: string, options: StandOptions = {}): Promise<Stand> =>
  Stand.open(lab, name, scenarioNamed(scenario), options);

/** Ends the controller when the changes are made, so that nobody confirms. */
async function abandon(attempt: Attempt): Promise<string> {
  const how = await attempt.reached('phase-done apply #1');
  attempt.kill('SIGKILL');
  const { stdout, stderr } = await attempt.done;
  expect(how, stdout + stderr).toBe('reached');
  return stdout;
}

function runIdIn(output: string): string {
  return /"type":"armed","runId":"([^"]+)"/.exec(output)?.[1] ?? 'none';
}

function documentOf(result: Result): HostDocument {
  return hostOf(JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as RunDocument);
}

describe.concurrent('the guard fires without a controller, by what the host has', () => {
  const rungs: [name: string, breaks: string[], via: 'root' | 'admin', by: string][] = [
    ['systemd', [], 'root', 'systemd-run'],
    ['at', ['at-only'], 'root', 'at'],
    ['loop', ['loop-only'], 'root', 'loop'],
    ['logind', ['kill-user-processes'], 'admin', 'systemd-run'],
    ['logind-at', ['at-only', 'kill-user-processes'], 'admin', 'at'],
  ];
  test.for(rungs)('%s', async ([name, breaks, via, by], { expect: must }) => {
    const stand = await open(name, 'open-port', { breaks });
    const output = await abandon(stand.attempt({ via }));
    must(output).toContain(`"by":"${by}"`);
    const survey = await stand.settled(40);
    must(survey).toMatchObject({ settled: true, runs: { [runIdIn(output)]: 'reverted' } });
    must(await stand.changes()).toEqual([]);
    must(await stand.deadLogins('before')).toEqual([]);
    const again = await stand.attempt({ via, guardSeconds: 60 }).done;
    must(documentOf(again)).toMatchObject({ outcome: 'changed', failure: null });
    must(await stand.deadLogins('after')).toEqual([]);
    await stand.host.down();
  });

  test('where none can work, the run is refused before its first write', async ({
    expect: must,
  }) => {
    const stand = await open('none', 'open-port', { breaks: ['no-guard'] });
    const result = await stand.attempt({ via: 'admin' }).done;
    must(documentOf(result)).toMatchObject({
      outcome: 'refused',
      failure: { code: 'guard-unavailable', access: 'Nothing was changed on the host.' },
    });
    must(result.status).toBe(1);
    must(await stand.settled(20)).toMatchObject({ settled: true, lock: 'free' });
    must(await stand.changes()).toEqual([]);
    await stand.host.down();
  });
});

describe.concurrent('a reboot while armed comes back as before', () => {
  for (const scenario of ['open-port', 'set-port'])
    for (const hard of [false, true])
      for (const point of ['phase-done apply #1', 'change-started 1 #1']) {
        const name = `${hard ? 'power cut' : 'reboot'}, ${scenario}, after ${point}`;
        test(name, async ({ expect: must }) => {
          const stand = await open(
            name.replaceAll(/\W+/g, '-').slice(0, 38).replace(/-$/, ''),
            scenario,
          );
          const attempt = stand.attempt({ guardSeconds: 600 });
          must(await attempt.reached(point)).toBe('reached');
          attempt.kill('SIGKILL');
          await attempt.done;
          await stand.host.reboot({ hard });
          const survey = await stand.settled(60);
          must(survey).toMatchObject({ settled: true, lock: 'free' });
          must(Object.values(survey.runs)).toEqual(['reverted']);
          must(await stand.changes()).toEqual([]);
          must(await stand.deadLogins('before')).toEqual([]);
          await stand.host.down();
        });
      }

  test('and once confirmed, a power cut keeps the repair', async ({ expect: must }) => {
    const stand = await open('kept', 'open-port');
    must((await stand.attempt({ guardSeconds: 60 }).done).status).toBe(0);
    await stand.host.reboot({ hard: true });
    must(await stand.deadLogins('after')).toEqual([]);
    must(Object.values((await stand.settled(20)).runs)).toEqual(['confirmed']);
    await stand.host.down();
  });
});

describe.concurrent('an armed run is settled by another controller', () => {
  test('status names it, a wrong token does not confirm it, a second run is told, revert takes it back', async ({
    expect: must,
  }) => {
    const stand = await open('second', 'open-port');
    const runId = runIdIn(await abandon(stand.attempt({ guardSeconds: 300 })));
    const other = await lab.controller();
    const ask = (...words: string[]): Promise<Result> =>
      lab.remedy([...words, ...stand.flags({}, other), '--output', 'json'], { controller: other });

    const status = await ask('status');
    must(status.status, status.stderr).toBe(0);
    must(status.stdout).toContain(runId);
    must(status.stdout).toContain('armed');
    const confirm = await ask('confirm', runId);
    must(confirm.status).not.toBe(0);
    must(confirm.stdout + confirm.stderr).toContain('wrong-token');
    const locked = await ask('run', 'open-port', '--var', 'port=2223', '--yes');
    must(locked.status).toBe(75);
    must(locked.stdout).toContain(runId);

    const revert = await ask('revert', runId);
    must(revert.status, revert.stdout + revert.stderr).toBe(0);
    must(await stand.settled(20)).toMatchObject({ settled: true, runs: { [runId]: 'reverted' } });
    must(await stand.changes()).toEqual([]);
    await stand.host.down();
  });

  test('the one that began it may confirm it later', async ({ expect: must }) => {
    const stand = await open('later', 'open-port');
    const runId = runIdIn(await abandon(stand.attempt({ guardSeconds: 300 })));
    const confirm = await lab.remedy(['confirm', runId, ...stand.flags(), '--output', 'json']);
    must(confirm.status, confirm.stdout + confirm.stderr).toBe(0);
    must(await stand.settled(20)).toMatchObject({ settled: true, runs: { [runId]: 'confirmed' } });
    must(await stand.deadLogins('after')).toEqual([]);
    await stand.host.down();
  });
});
