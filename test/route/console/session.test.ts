import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { LinkLost } from '../../../src/route/console/answers.ts';
import { AgentLink } from '../../../src/route/console/link.ts';
import {
  atRoot,
  consoleOf,
  numberedShell,
  opened,
  password,
  runOptions,
  start,
  until,
} from './support.ts';

atRoot.concurrent('a console with a login', { timeout: 60_000 }, () => {
  test('lets us in, runs programs, and is left at its login', async () => {
    const { route, host, transcript, notices, home } = consoleOf();
    const session = await opened(route);
    expect(session).toMatchObject({ kind: 'console', elevation: 'root', connection: null });
    const options = runOptions();
    const exit = await session.run('echo one; echo two >&2; exit 3', options);
    expect(exit).toEqual({ ok: true, value: { type: 'code', code: 3 } });
    expect(options.output().toString()).toBe('one\n');
    expect(session.errorOutput?.()).toBe('two\n');
    const killed = await session.run('kill -KILL $$', runOptions());
    expect(killed).toEqual({ ok: true, value: { type: 'signal', name: 'SIGKILL' } });
    await session.close();
    expect(notices).toEqual([]);
    expect(host.typed).toContain(password);
    expect(transcript()).not.toContain(password);
    expect(transcript()).toContain('[redacted]');
    const history = join(home, 'history');
    expect(existsSync(history) ? readFileSync(history, 'utf8') : '').not.toContain(password);
  });

  test('is asked again where a question to its shell is damaged', async () => {
    const made = consoleOf();
    // The first loses a word, the second its end.
    made.host.when('shown', /words of this text/, () => made.host.lose(8));
    made.host.when('typed', /exec \/bin\/sh\r/, () => made.host.lose(70));
    const session = await opened(made.route);
    expect(await session.run('exit 2', runOptions())).toMatchObject({ value: { code: 2 } });
    await session.close();
    expect(made.notices).toEqual([]);
  });

  test('runs what was lost on the way once only', async () => {
    const { route, host, home, lines } = consoleOf();
    const session = await opened(route);
    const options = runOptions();
    const marks = join(home, 'marks');
    const program = `echo run >>${marks}; echo begun; until [ -e ${home}/go ]; do sleep 0.1; done; echo done`;
    const running = session.run(program, {
      ...options,
      onOutput: (chunk) => {
        options.onOutput(chunk);
        // The line breaks while the program runs; the terminal, and our agent on it, stay.
        if (chunk.toString().includes('begun')) {
          host.cut();
          writeFileSync(join(home, 'go'), '');
        }
      },
    });
    expect(await running).toEqual({ ok: true, value: { type: 'code', code: 0 } });
    expect(options.output().toString()).toBe('begun\ndone\n');
    expect(readFileSync(marks, 'utf8')).toBe('run\n');
    expect(lines()).toBe(2);
    await session.close();
  });

  test('a run that is stopped is lost, and its program ended', async () => {
    const { route, home } = consoleOf();
    const session = await opened(route);
    const options = runOptions();
    const running = session.run(`echo $$ >${home}/pid; echo begun; exec sleep 600`, {
      ...options,
      onOutput: () => options.stop.abort(),
    });
    expect(await running).toMatchObject({ ok: true, value: { type: 'lost' } });
    const pid = readFileSync(join(home, 'pid'), 'utf8').trim();
    await until(
      () => !existsSync(`/proc/${pid}`),
      () => pid,
    );
    await session.close();
  });

  test('a run that is stopped while nothing gets over the line says what it does not know, and soon', async () => {
    const { route, host } = consoleOf();
    const session = await opened(route);
    const options = runOptions();
    const running = session.run('echo begun; exec sleep 600', {
      ...options,
      onOutput: () => {
        host.hold(600_000);
        options.stop.abort();
      },
    });
    const began = performance.now();
    const because = 'it was stopped from here; nobody says that it has ended';
    expect(await running).toEqual({ ok: true, value: { type: 'lost', because } });
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  test('a run that is stopped before its program is there begins nothing, and does not wait for the rest', async () => {
    const { route, host, home, notices } = consoleOf({ baud: 115_200 });
    const session = await opened(route);
    const options = runOptions();
    const megabyte = randomBytes(1_000_000).toString('base64');
    // At this speed the whole would take a minute and a half.
    host.when('typed', /\r:u k1 [1-9]/, () => options.stop.abort());
    const result = await session.run(`touch ${home}/begun; : ${megabyte}`, options);
    expect(result).toMatchObject({ ok: false, error: { code: 'interrupted' } });
    expect(await session.run('exit 3', runOptions())).toMatchObject({ value: { code: 3 } });
    await session.close();
    expect(host.typed.length).toBeLessThan(100_000);
    expect(existsSync(join(home, 'begun'))).toBe(false);
    expect(notices).toEqual([]);
  });
});

atRoot.concurrent('a shell that somebody left open', { timeout: 60_000 }, () => {
  test.each([
    ['at its prompt', ''],
    ['in a program', 'cat\r'],
    ['in the middle of a text', 'cat <<end\rone\r'],
    ['in the middle of a line', 'echo not done'],
    ['with a stopped line', '\u0013'],
  ])('%s', { timeout: 60_000 }, async (_, typed) => {
    const { route, host, notices } = consoleOf({}, { command: "PS1='# ' exec dash -i" });
    await until(
      () => host.shown.includes('# '),
      () => host.shown,
    );
    host.wire().write(Buffer.from(typed));
    await until(
      () => host.typed === typed,
      () => host.typed,
    );
    const session = await opened(route);
    const options = runOptions();
    expect(await session.run('echo here', options)).toMatchObject({ ok: true, value: { code: 0 } });
    expect(options.output().toString()).toBe('here\n');
    await session.close();
    expect(notices.join()).toContain('taken over');
    await until(
      () => host.isGone,
      () => host.shown,
    );
  });
});

atRoot('a run that is stopped while its agent is looked for', { timeout: 60_000 }, () => {
  test('says that a shell may be open where none answers', async () => {
    const made = start({ shell: numberedShell, times: { quiet: 300 } });
    const session = await opened(made.route);
    const options = runOptions();
    const silence = vi.spyOn(AgentLink.prototype, 'begin').mockImplementationOnce(async () => {
      process.kill(Number(readFileSync(join(made.home, 'shell'), 'utf8')), 'SIGSTOP');
      made.host.when('typed', /:p 0|:p \d+ \d+ \.\r$/, () => options.stop.abort());
      throw new LinkLost('nobody answers', false);
    });
    const result = await session.run('exit 3', options);
    expect(silence).toHaveBeenCalledOnce();
    expect(result).toMatchObject({ ok: true, value: { type: 'lost' } });
    await session.close();
    expect(made.notices).toEqual([expect.stringContaining('may still have a root shell open')]);
    process.kill(Number(readFileSync(join(made.home, 'shell'), 'utf8')), 'SIGCONT');
    silence.mockRestore();
  });
});
