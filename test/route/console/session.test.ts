import { mkdtempSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ok } from '../../../src/core/result.ts';
import { Secret } from '../../../src/core/secret.ts';
import { Recorder } from '../../../src/route/console/recorder.ts';
import { createConsoleRoute } from '../../../src/route/console/route.ts';
import type { Route, RunOptions } from '../../../src/route/route.ts';
import { SimulatedHost, type Weather } from './simulator.ts';

const hosts: SimulatedHost[] = [];
const password = 'Ohb4ooL1 x';

afterEach(() => {
  for (const host of hosts.splice(0)) host.end();
});

interface Console {
  readonly host: SimulatedHost;
  readonly route: Route;
  readonly transcript: () => string;
  readonly notices: string[];
}

function consoleOf(
  weather: Weather = {},
  given: { readonly password?: string; readonly shell?: string; readonly command?: string } = {},
): Console {
  const home = mkdtempSync(join(tmpdir(), 'remedy-console-'));
  const host = new SimulatedHost(given.command ?? `sh ${import.meta.dirname}/fake-login.sh`, {
    FAKE_USER: userInfo().username,
    FAKE_PASSWORD: password,
    FAKE_HOME: home,
    HOME: home,
    ...(given.shell !== undefined && { FAKE_SHELL: given.shell }),
  });
  hosts.push(host);
  let transcript = '';
  const recorder = new Recorder((text) => {
    transcript += text;
  });
  const notices: string[] = [];
  const route = createConsoleRoute({
    text: 'a test',
    address: { type: 'unix', path: '/nowhere' },
    hint: null,
    user: userInfo().username,
    password: new Secret(given.password ?? password),
    askPassword: async () => null,
    sudoPassword: null,
    environment: {},
    recorder,
    onNotice: (text) => notices.push(text),
    deadManSeconds: 60,
    times: { quiet: 800, settle: 150, answer: 4000, login: 8000 },
    wire: async () => ok(host.wire(weather)),
  });
  return { host, route, transcript: () => transcript, notices };
}

function runOptions(): RunOptions & { readonly output: () => string } {
  const chunks: Buffer[] = [];
  return {
    onOutput: (chunk) => chunks.push(chunk),
    signal: new AbortController().signal,
    idleMs: 60_000,
    output: () => Buffer.concat(chunks).toString(),
  };
}

async function opened(route: Route) {
  const session = await route.open(new AbortController().signal);
  if (!session.ok) throw new Error(JSON.stringify(session.error));
  return session.value;
}

describe('a console with a login', () => {
  test('lets us in, runs programs, and is left at its login', async () => {
    const { route, host, transcript, notices } = consoleOf();
    const session = await opened(route);
    expect(session.elevation).toBe('root');
    const options = runOptions();
    const exit = await session.run('echo one; echo two >&2; exit 3', options);
    expect(exit).toEqual({ ok: true, value: { type: 'code', code: 3 } });
    expect(options.output()).toBe('one\n');
    expect(session.errorOutput?.()).toBe('two\n');
    await session.close();
    expect(notices).toEqual([]);
    expect(transcript()).not.toContain(password);
    expect(transcript()).toContain('[redacted]');
    expect(host.typed).toContain(password);
  });

  test('tells a wrong password after one try', async () => {
    const { route, host } = consoleOf({}, { password: 'wrong' });
    const session = await route.open(new AbortController().signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(host.typed.split('wrong')).toHaveLength(2);
  });
});
