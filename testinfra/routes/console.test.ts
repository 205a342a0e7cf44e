import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences, openLab, snapshot, type Lab, type LabHost } from '../support/lab.ts';
import { endpointFlags, hostOf, runWith, type Ran } from '../support/remedy.ts';

let lab: Lab;
const password = 'Ohb4ooL1 x';

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

async function setPassword(host: LabHost, user: string): Promise<void> {
  await host.exec(['chpasswd'], { stdin: `${user}:${password}\n` });
}

async function run(
  host: LabHost,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  /** Whose console it is. */
  behind = host,
): Promise<Ran & { transcript: string }> {
  const log = join(lab.ctl.home, `${host.name}.log`);
  const endpoint = endpointFlags(lab, host, { exec: false });
  const ways = ['--console', behind.consoleCommand, '--console-log', log];
  const ran = await runWith(lab, [...words, ...endpoint, ...ways], { env, timeoutMs: 240_000 });
  const transcript = await readFile(log, 'utf8').catch(() => '');
  return { ...ran, transcript };
}

/** A login is asked for again: nobody left a shell open. */
const shellsOnConsole = `ps -e -o tty=,args= | awk '$1 == "pts/0" || $1 == "console"' | grep -v getty || :`;

describe.concurrent('a host that only its console reaches', () => {
  test('is looked at and left as it was, then repaired, proven, and logged out of', async () => {
    const host = await lab.up('console');
    await setPassword(host, 'root');
    await host.read('systemctl stop ssh && systemctl mask ssh');
    const env = { REMEDY_CONSOLE_PASSWORD: password };
    const before = await snapshot(host);

    const dry = await run(host, ['start-sshd', '--dry-run'], env);
    expect(hostOf(dry.document)).toMatchObject({ outcome: 'would-change', route: 'console' });
    const left = differences(before, await snapshot(host));
    // What any login by password leaves.
    expect(left.filter((line) => !/lastlog|wtmp|btmp/.test(line))).toEqual([]);

    const real = await run(host, ['start-sshd', '--yes'], env);
    expect(real.status, JSON.stringify(hostOf(real.document).failure)).toBe(0);
    expect(hostOf(real.document)).toMatchObject({
      outcome: 'changed',
      route: 'console',
      proof: { level: 'login', before: 'none' },
    });
    expect((await host.login('root')).status).toBe(0);
    expect(await host.read(shellsOnConsole)).toBe('');
    expect(real.transcript).not.toContain(password);
    expect(real.transcript).toMatch(/login: "\n$/);
    expect(await host.read('ls -A /root')).not.toContain('history');
    expect(await host.read('ls -d /run/remedy-console-* 2>/dev/null || :')).toBe('');
    await host.down();
  });

  test('is not mistaken for another one', async () => {
    const [meant, behind] = await Promise.all([lab.up('meant'), lab.up('behind')]);
    await setPassword(behind, 'root');
    await behind.read('systemctl stop ssh');
    const before = await snapshot(behind);
    const wrong = await run(
      meant,
      ['start-sshd', '--yes'],
      { REMEDY_CONSOLE_PASSWORD: password },
      behind,
    );
    expect(wrong.status).toBe(77);
    expect(hostOf(wrong.document)).toMatchObject({
      outcome: 'refused',
      failure: { code: 'wrong-host', why: expect.stringContaining('calls itself behind') },
    });
    const left = differences(before, await snapshot(behind));
    expect(left.filter((line) => !/lastlog|wtmp|btmp/.test(line))).toEqual([]);
    expect(await behind.read(shellsOnConsole)).toBe('');
    // Who says that it is meant all the same is believed.
    const words = ['start-sshd', '--dry-run', '--host-is', 'behind'];
    const said = await run(meant, words, { REMEDY_CONSOLE_PASSWORD: password }, behind);
    expect(hostOf(said.document)).toMatchObject({ outcome: 'would-change' });
    await Promise.all([meant.down(), behind.down()]);
  });

  test('is reached by a user who becomes root by sudo, with one try of a password', async () => {
    const host = await lab.up('sudo', { sudo: 'password', usePty: true });
    await setPassword(host, 'admin');
    await host.read('systemctl stop ssh');
    const env = { REMEDY_CONSOLE_USER: 'admin', REMEDY_CONSOLE_PASSWORD: password };
    const wrong = await run(host, ['start-sshd', '--yes'], {
      ...env,
      REMEDY_SUDO_PASSWORD: 'not this one',
    });
    expect(wrong.status).toBe(77);
    expect(hostOf(wrong.document).failure).toMatchObject({ code: 'no-sudo' });
    expect(await host.read(shellsOnConsole)).toBe('');

    const real = await run(host, ['start-sshd', '--yes'], env);
    expect(real.status, JSON.stringify(hostOf(real.document).failure)).toBe(0);
    expect((await host.login('root')).status).toBe(0);
    expect(await host.read(shellsOnConsole)).toBe('');
    expect(real.transcript).not.toContain(password);
    await host.down();
  });
});
