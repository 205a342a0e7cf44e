import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Secret } from '../../../src/core/secret.ts';
import { parseConsole } from '../../../src/route/console/address.ts';
import { createConsoleRoute } from '../../../src/route/console/route.ts';
import type { Route } from '../../../src/route/route.ts';
import { isRoot, opened, password, runOptions, user } from './support.ts';

const fakeLogin = `sh ${import.meta.dirname}/fake-login.sh`;
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'remedy-wire-'));
  ends.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function environment(home: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    FAKE_HOME: home,
    FAKE_USER: user,
    FAKE_PASSWORD: password,
    TERM: 'vt220',
    TMUX_TMPDIR: home,
  };
}

function routeTo(text: string, home: string): Route {
  const address = parseConsole(text);
  if (!address.ok) throw new Error(address.error.why);
  return createConsoleRoute({
    text,
    address: address.value,
    hint: null,
    user: userInfo().username,
    password: new Secret(password),
    askPassword: async () => null,
    sudoPassword: null,
    environment: environment(home),
    recorder: null,
    onNotice: () => undefined,
    times: { quiet: 800, settle: 200, answer: 4000 },
  });
}

async function works(route: Route): Promise<void> {
  const session = await opened(route);
  const options = runOptions();
  const exit = await session.run('seq 1 500', options);
  expect(exit).toEqual({ ok: true, value: { type: 'code', code: 0 } });
  expect(options.output().toString().split('\n')).toHaveLength(501);
  await session.close();
}

/** A fake login on a terminal, behind a server. */
async function served(home: string, listen: (server: Server) => void): Promise<Server> {
  const server = createServer((socket) => {
    const child: ChildProcess = spawn('script', ['-qefc', fakeLogin, '/dev/null'], {
      env: environment(home),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin?.on('error', () => {});
    socket.on('error', () => {});
    // script(1) blocks SIGHUP.
    socket.on('close', () => child.kill('SIGKILL'));
    if (child.stdin !== null && child.stdout !== null) socket.pipe(child.stdin);
    child.stdout?.pipe(socket);
  });
  await new Promise<void>((resolve) => {
    server.once('listening', resolve);
    listen(server);
  });
  ends.push(() => server.close());
  return server;
}

if (!isRoot) {
  process.stderr.write(
    'SKIPPED: the wires to a console need root, since their sessions end as root\n',
  );
}

describe.skipIf(!isRoot)('a console is reached by', () => {
  test('a command', async () => {
    const home = folder();
    await works(routeTo(`script -qefc '${fakeLogin}' /dev/null`, home));
  });

  test.each([
    ['the library', '!= script'],
    ['script(1)', '= script'],
  ])('a command that insists on a terminal, by %s', async (by, isScript) => {
    if (by === 'script(1)') {
      vi.doMock('@lydell/node-pty', () => {
        throw new Error('it is not installed');
      });
      ends.push(() => vi.doUnmock('@lydell/node-pty'));
    }
    const home = folder();
    // script starts its command by a shell, which becomes the command.
    const parent = `test "$(ps -o comm= -p $PPID)" ${isScript}`;
    await works(routeTo(`pty:sh -c 'test -t 0 && ${parent} && exec ${fakeLogin}'`, home));
  });

  test('a socket', async () => {
    const home = folder();
    await served(home, (server) => server.listen(join(home, 'socket')));
    await works(routeTo(`unix:${join(home, 'socket')}`, home));
  });

  test('a port', async () => {
    const home = folder();
    const server = await served(home, (one) => one.listen(0, '127.0.0.1'));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await works(routeTo(`tcp:127.0.0.1:${port}`, home));
  });

  const hasTmux = spawnSync('tmux', ['-V']).status === 0;
  if (!hasTmux) process.stderr.write('SKIPPED: the console in a pane of tmux needs tmux\n');
  test.skipIf(!hasTmux)('a pane of tmux', async () => {
    const home = folder();
    const env = environment(home);
    spawnSync('tmux', ['new-session', '-d', '-s', 'work', '-x', '200', '-y', '50', fakeLogin], {
      env,
    });
    ends.push(() => spawnSync('tmux', ['kill-server'], { env }));
    await works(routeTo('tmux:work:0.0', home));
  });

  test('nothing that is not there, and says so', async () => {
    const home = folder();
    const missing = ['no-such-command-here', 'unix:/nowhere/socket', '/dev/tty-no-such'];
    for (const text of missing) {
      const session = await routeTo(text, home).open(new AbortController().signal);
      expect(session, text).toMatchObject({ ok: false, error: { code: 'console-failed' } });
    }
  });
});

describe('a console is not', () => {
  test.each([
    'tcp:host',
    'tcp:host:99999',
    'unix:',
    'ec2:web1',
    'ipmi:-oProxyCommand=x',
    'libvirt:--all',
    ' ',
    "'",
  ])('%j', (text) => {
    expect(parseConsole(text)).toMatchObject({ ok: false, error: { code: 'usage' } });
  });
});
