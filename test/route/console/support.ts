import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe } from 'vitest';
import { fail, ok } from '../../../src/core/result.ts';
import { Secret } from '../../../src/core/secret.ts';
import type { ConsoleTimes } from '../../../src/route/console/dialogue.ts';
import { Recorder } from '../../../src/route/console/recorder.ts';
import { createConsoleRoute } from '../../../src/route/console/route.ts';
import type { Route, RunOptions, Session } from '../../../src/route/route.ts';
import { SimulatedHost, type Weather } from './simulator.ts';

export const password = 'Ohb4ooL1 x';
export const user = userInfo().username;
/** The programs run as root only where we are root. */
export const isRoot = process.getuid?.() === 0;

/** `describe` of what ends as root; said aloud where it is skipped. */
export const atRoot = isRoot ? describe : describe.skip;
if (!isRoot) {
  process.stderr.write('SKIPPED: sessions over a console need root, since they end as root\n');
}

/** Whether a program is here; said aloud where it is not. */
export function hasTool(name: string): boolean {
  const has = spawnSync('sh', ['-c', `command -v "${name}"`]).status === 0;
  if (!has) {
    process.stderr.write(`SKIPPED: what is tried of ${name} at a console needs ${name}\n`);
  }
  return has;
}

export interface TestConsole {
  readonly host: SimulatedHost;
  readonly route: Route;
  readonly transcript: () => string;
  readonly notices: readonly string[];
  readonly home: string;
  /** Lines that were laid so far. */
  readonly lines: () => number;
}

export interface Given {
  readonly password?: string;
  /** The login shell behind the fake login. */
  readonly shell?: string;
  /** What is on the terminal in place of the fake login. */
  readonly command?: string;
  readonly deadManSeconds?: number;
  readonly mark?: string;
  /** So many lines may be laid, and no more. */
  readonly mostLines?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly hint?: string;
  readonly sudoPassword?: string;
  readonly times?: Partial<ConsoleTimes>;
}

const consoles: TestConsole[] = [];

afterAll(() => {
  for (const { host, home } of consoles.splice(0)) {
    host.end();
    rmSync(home, { recursive: true, force: true, maxRetries: 3 });
  }
});

/** A console in simulated weather, and a route through it. It ends with the tests of the file. */
export function consoleOf(weather: Weather = {}, given: Given = {}): TestConsole {
  const home = mkdtempSync(join(tmpdir(), 'remedy-console-'));
  const host = new SimulatedHost(given.command ?? `sh ${import.meta.dirname}/fake-login.sh`, {
    FAKE_USER: given.user ?? user,
    FAKE_PASSWORD: password,
    FAKE_HOME: home,
    HOME: home,
    ...(given.shell !== undefined && { FAKE_SHELL: given.shell }),
    ...given.environment,
  });
  let transcript = '';
  const recorder = new Recorder((text) => {
    transcript += text;
  });
  const notices: string[] = [];
  let lines = 0;
  const route = createConsoleRoute({
    text: 'a test',
    address: { type: 'unix', path: '/nowhere' },
    hint: given.hint ?? null,
    user: given.user ?? user,
    password: new Secret(given.password ?? password),
    askPassword: async () => null,
    sudoPassword: given.sudoPassword === undefined ? null : new Secret(given.sudoPassword),
    environment: {},
    recorder,
    onNotice: (text) => notices.push(text),
    deadManSeconds: given.deadManSeconds ?? 60,
    ...(given.mark !== undefined && { mark: given.mark }),
    times: {
      quiet: 800,
      settle: 150,
      answer: 2500,
      login: 8000,
      stray: 3000,
      noise: 6000,
      ...given.times,
    },
    wire: async () => {
      lines += 1;
      return lines > (given.mostLines ?? 100)
        ? fail('no line is laid any more')
        : ok(host.wire(weather, lines));
    },
  });
  const made = { host, route, transcript: () => transcript, notices, home, lines: () => lines };
  consoles.push(made);
  return made;
}

/** A console on a line that does no harm. */
export function start(given: Given = {}): TestConsole {
  return consoleOf({}, given);
}

/** A login shell that writes its number into its home, so that a test can stop or end it. */
export const numberedShell = `sh -c 'echo $$ >$FAKE_HOME/shell; exec sh -i'`;

/** What lies in /run of the consoles with a mark. */
export function filesOf(mark: string): string[] {
  return readdirSync('/run').filter((name) => name.includes(mark));
}

/** Waits until nothing of the consoles with a mark lies in /run. */
export async function untilGone(mark: string): Promise<void> {
  await until(
    () => filesOf(mark).length === 0,
    () => filesOf(mark).join(),
  );
}

/** What a run is given, and all that came of it. */
export function runOptions(): RunOptions & {
  readonly output: () => Buffer;
  readonly stop: AbortController;
} {
  const chunks: Buffer[] = [];
  const stop = new AbortController();
  return {
    onOutput: (chunk) => chunks.push(chunk),
    signal: stop.signal,
    idleMs: 60_000,
    output: () => Buffer.concat(chunks),
    stop,
  };
}

/** Waits until something holds; for tests that run at the same time, where `expect.poll` loses its test. */
export async function until(holds: () => boolean, what: () => string, ms = 15_000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it never came: ${what()}`);
    await pause(50);
  }
}

export async function opened(route: Route): Promise<Session> {
  const session = await route.open(new AbortController().signal);
  if (!session.ok) throw new Error(JSON.stringify(session.error));
  return session.value;
}
