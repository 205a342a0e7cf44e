import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { atRoot, start, opened, runOptions, until, untilGone } from './support.ts';
import type { SimulatedHost } from './simulator.ts';

/** A shell behind the login that says its number, so that a program can end it. */
const numbered = `sh -c 'echo $$ >$FAKE_HOME/shell; tty >$FAKE_HOME/tty; exec sh -i'`;

const phases: [string, (host: SimulatedHost, cut: () => void) => void][] = [
  ['the program is brought', (host, cut) => host.when('typed', /:u k1 [1-9]\d+ /, cut)],
  [
    'the program begins, before that is told',
    (host, cut) => host.when('typed', /:r \d+ k1 \d+ \.\r/, cut),
  ],
  ['its output is fetched', (host, cut) => host.when('shown', / D 5 /, cut)],
  ['its end is told', (host, cut) => host.when('typed', /:c \d+ k1 \d+ \.\r/, cut)],
];

atRoot.concurrent('a line that breaks while', { timeout: 60_000 }, () => {
  test.each(phases)('%s: the program ran once, and all of it is told', async (_, when) => {
    const made = start();
    when(made.host, () => made.host.cut());
    const session = await opened(made.route);
    const options = runOptions();
    const text = randomBytes(6000).toString('base64');
    const program = `echo run >>${made.home}/marks; echo ${text}; exit 5`;
    expect(await session.run(program, options)).toEqual({
      ok: true,
      value: { type: 'code', code: 5 },
    });
    expect(options.output().toString()).toBe(`${text}\n`);
    expect(readFileSync(join(made.home, 'marks'), 'utf8')).toBe('run\n');
    await session.close();
  });

  test('a program has run for longer than it may be silent: all of it is told', async () => {
    const made = start();
    const session = await opened(made.route);
    const options = { ...runOptions(), idleMs: 2000 };
    const program = `for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done; exit 3`;
    const running = session.run(program, options);
    await until(
      () => options.output().toString().split('\n').length > 6,
      () => options.output().toString(),
    );
    made.host.cut();
    expect(await running).toEqual({ ok: true, value: { type: 'code', code: 3 } });
    expect(options.output().toString()).toBe('1\n2\n3\n4\n5\n6\n7\n8\n');
    expect(made.lines()).toBe(2);
    await session.close();
  });

  test('we log in: it is said, and nothing was typed at a password', async () => {
    const made = start();
    made.host.when('shown', /Password: $/, () => made.host.cut());
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'console-failed' } });
    expect(made.host.typed).toMatch(/^\r?root\r$/);
  });
});

atRoot.concurrent('a host', { timeout: 60_000 }, () => {
  /** Runs a program in the numbered shell; says how it ended, and how long that took. */
  async function ends(program: string) {
    const made = start({ shell: numbered });
    const session = await opened(made.route);
    const options = runOptions();
    const began = performance.now();
    const exit = await session.run(program, options);
    const tookMs = performance.now() - began;
    return { made, exit, tookMs, output: options.output().toString(), session };
  }

  const boots = `printf '\\r\\n[    0.000000] Linux version 6.1.0 (gcc)\\r\\n' >$(cat $FAKE_HOME/tty)`;
  const endShell = 'kill -9 $(cat $FAKE_HOME/shell)';

  test('that is started anew in the midst of a program: lost, and soon', async () => {
    const program = `${endShell}; ${boots}; rm -rf "$(dirname "$0")"; sleep 60`;
    const { exit, tookMs, made } = await ends(program);
    expect(exit).toEqual({
      ok: true,
      value: { type: 'lost', because: expect.stringContaining('was started anew') as string },
    });
    expect(tookMs).toBeLessThan(15_000);
    // The line may be laid anew for the end of the login, and again for the boot.
    expect(made.lines()).toBeLessThanOrEqual(3);
  });

  test('whose getty comes again in the midst of a program: its end is told', async () => {
    const program = `echo run >>$FAKE_HOME/marks; ${endShell}; sleep 2; echo done; exit 4`;
    const { exit, tookMs, made, output, session } = await ends(program);
    expect(exit).toEqual({ ok: true, value: { type: 'code', code: 4 } });
    expect(output).toBe('done\n');
    // Words of ours were no names and passwords to it; one may have been on its way.
    expect(
      made.host.shown.split('Login incorrect').length,
      made.host.shown.slice(-6000) + '@@TYPED@@' + made.host.typed.slice(-3000),
    ).toBeLessThanOrEqual(2);
    expect(tookMs).toBeLessThan(15_000);
    expect(readFileSync(join(made.home, 'marks'), 'utf8')).toBe('run\n');
    await session.close();
  });

  test('that kills the program without a word: lost', async () => {
    const { exit, session } = await ends('kill -9 $PPID; sleep 60');
    expect(exit).toMatchObject({ ok: true, value: { type: 'lost' } });
    await session.close();
  });

  test('that writes login: in the midst of a line: nothing is lost', async () => {
    const program = `for i in 1 2 3; do printf '\\r\\nnobody may login: ' >$(cat $FAKE_HOME/tty); printf 'here\\r\\n' >$(cat $FAKE_HOME/tty); sleep 0.3; done; exit 6`;
    const { exit, made, session } = await ends(program);
    expect(exit).toEqual({ ok: true, value: { type: 'code', code: 6 } });
    expect(made.lines()).toBe(1);
    await session.close();
  });
});

const deaths: [string, (host: SimulatedHost, cut: () => void) => void][] = [
  [
    'the shell was reached',
    (host, cut) => host.when('typed', /RW=\$!\r/, () => setTimeout(cut, 100)),
  ],
  ['the agent is brought', (host, cut) => host.when('typed', /#\d{4} /, cut)],
  [
    'the agent waits',
    (host, cut) => host.when('typed', /:p \d+ \d+ \.\r/, () => setTimeout(cut, 500)),
  ],
  ['a program is brought', (host, cut) => host.when('typed', /:u k1 [1-9]\d+ /, cut)],
  ['a program runs', (host, cut) => host.when('shown', / R \d+ ok /, cut)],
];

atRoot.concurrent('a controller that dies while', { timeout: 60_000 }, () => {
  test.each(deaths)('%s leaves no root shell and no file behind', async (_, when) => {
    const mark = `dead${randomBytes(4).toString('hex')}`;
    const made = start({ deadManSeconds: 5, mark, mostLines: 1 });
    let died = false;
    when(made.host, () => {
      died = true;
      made.host.cut();
    });
    const opening = made.route.open(new AbortController().signal);
    void opening.then(async (session) => {
      if (session.ok) {
        await session.value.run(`: ${randomBytes(6000).toString('hex')}; sleep 60`, runOptions());
      }
    });
    await until(
      () => died,
      () => made.host.typed,
    );
    const before = made.host.shown.length;
    await until(
      () => made.host.shown.slice(before).includes('web1 login: '),
      () => made.host.shown.slice(before),
      40_000,
    );
    await untilGone(mark);
  });
});
