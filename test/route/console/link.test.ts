import { randomBytes } from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { armDeadMan } from '../../../src/route/console/become-root.ts';
import type { Dialogue } from '../../../src/route/console/dialogue.ts';
import { Line } from '../../../src/route/console/line.ts';
import { AgentLink } from '../../../src/route/console/link.ts';
import { LinkLost, NoRoom } from '../../../src/route/console/answers.ts';
import { SimulatedHost, type Damage, type Weather } from './simulator.ts';
import { hasTool } from './support.ts';

const hosts: SimulatedHost[] = [];

afterAll(() => {
  for (const host of hosts.splice(0)) host.end();
});

function hostOf(shell: string): SimulatedHost {
  const host = new SimulatedHost(`stty -echo; PS1=; exec ${shell}`);
  hosts.push(host);
  return host;
}

async function started(
  weather: Weather,
  shell = 'sh -i',
  host = hostOf(shell),
  seed = 1,
): Promise<AgentLink> {
  const session = randomBytes(4).toString('hex');
  const link = new AgentLink(new Line(host.wire(weather, seed)), { session, deadManSeconds: 60 });
  await link.start();
  return link;
}

async function fetched(link: AgentLink): Promise<Buffer> {
  const out: Buffer[] = [];
  for (;;) {
    const from = Buffer.concat(out).length;
    const { state, size, bytes } = await link.progress('k1', 'out', from);
    out.push(bytes);
    if (typeof state === 'number' && from + bytes.length === size) {
      expect(state).toBe(7);
      return Buffer.concat(out);
    }
  }
}

async function roundTrip(link: AgentLink, bytes: number): Promise<void> {
  const content = randomBytes(bytes);
  const program = `printf %s ${content.toString('base64')} | base64 -d; exit 7\n`;
  await link.upload('k1', Buffer.from(program));
  await link.begin('k1');
  await link.begin('k1');
  expect((await fetched(link)).equals(content)).toBe(true);
  await link.clear('k1');
  await link.finish('stay');
}

describe.concurrent('the agent', () => {
  for (const shell of ['dash', 'bash', 'busybox sh', 'mksh', 'ksh']) {
    test.skipIf(!hasTool(shell.split(' ')[0] ?? ''))(`runs in ${shell}`, async () => {
      await roundTrip(await started({}, shell), 2000);
    });
  }
});

describe.concurrent('Ctrl-C on its terminal', () => {
  for (const shell of ['dash', 'bash', 'busybox sh', 'mksh']) {
    const isHere = hasTool(shell.split(' ')[0] ?? '');
    test.skipIf(!isHere)(`does not end the guard of the agent in ${shell}`, async () => {
      const link = await started({}, shell);
      const folder = link.tools.folder ?? '';
      const [name = ''] = readdirSync(folder).filter((one) => one.startsWith('watch-'));
      const guard = Number(name.replace('watch-', ''));
      expect(await endedByIt(guard)).toEqual([]);
      await link.finish('stay');
    });

    test.skipIf(!isHere)(`does not end what guards ${shell} before it`, async () => {
      const host = hostOf(shell);
      const wire = host.wire();
      const line = { type: (text: string) => wire.write(Buffer.from(text)) };
      const dialogue = { line, ask: async () => ['armed'] } as unknown as Dialogue;
      await armDeadMan(dialogue, 60);
      line.type(' echo "guard=$REMEDY_RW."\r');
      const guard = await vi.waitUntil(() => /guard=(\d+)\./.exec(host.shown)?.[1], 10_000);
      expect(await endedByIt(Number(guard))).toEqual([]);
    });
  }
});

/** A guard, and what it waits for, that would not outlive what a terminal sends (signal(7): 1, 2, 3). */
async function endedByIt(guard: number): Promise<string[]> {
  const children = (): string[] =>
    spawnSync('ps', ['-o', 'pid=', '--ppid', String(guard)], { encoding: 'utf8' })
      .stdout.split('\n')
      .map((pid) => pid.trim())
      .filter((pid) => pid !== '');
  await vi.waitUntil(() => children().length > 0, 10_000);
  return [String(guard), ...children()].filter((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const ignored = Number.parseInt(/^SigIgn:\s*\w*(\w)$/m.exec(status)?.[1] ?? '0', 16);
    return (ignored & 7) !== 7;
  });
}

test('a program whose number is not written yet runs, and is ended as soon as it is', async () => {
  const host = hostOf('dash');
  const link = await started({}, '', host);
  const folder = link.tools.folder ?? '';
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  mkdirSync(join(folder, 'run-k1'));
  writeFileSync(join(folder, 'pid-k1'), '');
  expect(await link.progress('k1', 'out', 0)).toMatchObject({ state: 'running' });
  host.when('typed', /:k \d+ k1 /, () => {
    setTimeout(() => writeFileSync(join(folder, 'pid-k1'), `${child.pid}\n`), 500);
  });
  expect(await link.kill('k1')).toBe(true);
  expect(await ended).toEqual([null, 'SIGTERM']);
  expect(await link.progress('k1', 'out', 0)).toMatchObject({ state: 'none' });
  await link.finish('stay');
});

// dash lets a function stand before its own `command`, so that tools seem to be missing.
const missing = 'cksum|base64|openssl|python3|perl|gzip|sha256sum|fold|setsid';

describe('a host without', () => {
  test('all the tools that are nice to have', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'remedy-bare-'));
    const file = join(folder, 'env');
    writeFileSync(
      file,
      `command() { case $2 in ${missing}) return 1 ;; esac; type "$2"; }\ncksum() { return 127; }\n`,
    );
    const link = await started({}, `env ENV=${file} dash -i`);
    expect(link.tools).toEqual({
      check: 'sum',
      encodes: 'hex',
      decodes: 'oct',
      gzip: false,
      digests: 'length',
      uid: process.getuid?.() ?? 0,
      folder: expect.stringContaining('/remedy-console-') as string,
    });
    await roundTrip(link, 500);
    rmSync(folder, { recursive: true });
  });
});

// File systems of the host's own need the right to mount.
const mayMount = spawnSync('unshare', ['-m', 'true']).status === 0;
if (!mayMount) {
  process.stderr.write('SKIPPED: hosts without room at a console need the right to mount\n');
}

/** A shell for which these folders are file systems with these options. */
function withFolders(options: Readonly<Record<string, string>>): string {
  const mounts = Object.entries(options).map(
    ([folder, option]) => `mount -t tmpfs -o ${option} none ${folder}`,
  );
  return `unshare -m sh -c '${[...mounts, 'exec dash -i'].join(' && ')}'`;
}

describe.concurrent('a host', () => {
  test.skipIf(!mayMount).each([
    ['with a full /run', { '/run': 'size=32k' }, '/dev/shm/'],
    ['with all read-only but /tmp', { '/run': 'ro', '/dev/shm': 'ro' }, '/tmp/'],
    ['with a full /tmp', { '/tmp': 'size=4k' }, '/run/'],
    ['that lets nothing be executed', { '/run': 'noexec' }, '/run/'],
  ])('%s', async (_, options, folder) => {
    const link = await started({}, withFolders(options));
    expect(link.tools.folder).toContain(folder);
    await roundTrip(link, 500);
  });

  test.skipIf(!mayMount)('that can write nowhere says so', async () => {
    const nowhere = { '/run': 'ro', '/dev/shm': 'ro', '/tmp': 'ro', '/var/tmp': 'size=8k' };
    const link = await started({}, withFolders(nowhere));
    expect(link.tools.folder).toBeNull();
    await link.finish('stay');
  });

  test.skipIf(!mayMount)(
    'without room for the program says so, and takes a smaller one',
    async () => {
      const small = { '/run': 'size=128k', '/dev/shm': 'ro', '/tmp': 'ro', '/var/tmp': 'ro' };
      const link = await started({}, withFolders(small));
      const big = Buffer.from(`: ${randomBytes(150_000).toString('hex')}`);
      await expect(link.upload('k0', big)).rejects.toThrow(NoRoom);
      await link.clear('k0');
      await roundTrip(link, 500);
    },
  );

  test.each(process.env['REMEDY_FULL'] === '1' ? [2000, 10_000] : [2000])(
    'that stops the line for %i ms gets all of it',
    { timeout: 60_000 },
    async (ms) => {
      const host = hostOf('dash -i');
      host.when('typed', /:u k1 0 /, () => host.stop(ms));
      await roundTrip(await started({}, '', host), 4000);
    },
  );
});

const both = (damage: Damage): Weather => ({ up: damage, down: damage });
const noise = (text: string, everyBytes: number): Weather => ({ noise: { text, everyBytes } });

const weathers: [string, Weather][] = [
  ['loss 1e-4', both({ loss: 1e-4 })],
  ['loss 1e-3', both({ loss: 1e-3 })],
  ['bursts of loss', both({ burst: 64, burstEvery: 3000 })],
  ['kernel messages', noise('[ 12.3] usb 1-1: new device\r\n', 700)],
  ['words of wall', noise('\r\nBroadcast message from root\r\n', 2000)],
  ['marks of systemd', noise('\u001b]3008;start=1234\u001b\\', 900)],
  ['bracketed paste', noise('\u001b[?2004h', 500)],
  ['floods of colours', noise('\u001b[1;31m\u001b[0K\u001b[2;1H\u001b[?25l'.repeat(20), 900)],
  ['questions of a line editor', noise('\u001b[6n', 500)],
  ['NUL and Latin-1', noise('\u0000\u00e9', 900)],
  ['300 ms of latency', { latencyMs: 300 }],
  ['a byte at a time', { oneByteAtATime: true }],
];

// These take longer: `npm run test:full`.
const bad: [string, Weather][] = [
  ['duplication 5e-3', both({ duplication: 5e-3 })],
  ['9600 baud', { baud: 9600 }],
  ['9600 baud and loss 1e-3', { ...both({ loss: 1e-3 }), baud: 9600 }],
];

const isFull = process.env['REMEDY_FULL'] === '1';

describe.concurrent('a line with', { timeout: 300_000 }, () => {
  test.each(isFull ? [...weathers, ...bad] : weathers)('%s', async (_, weather) => {
    await roundTrip(
      await started(weather, 'dash -i'),
      weather.oneByteAtATime === true ? 500 : 4000,
    );
  });

  const stalls: [string, 'typed' | 'shown', RegExp][] = [
    ['the agent is brought', 'typed', /#\d{4} /],
    ['a program is brought', 'typed', /:u k1 [1-9]/],
    ['its output is fetched', 'shown', / D 3 /],
  ];
  const stallMs = isFull ? 20_000 : 1000;

  test.each(stalls)(`a stall of ${stallMs} ms while %s`, async (_, where, pattern) => {
    const host = hostOf('dash -i');
    let isStalled = false;
    host.when(where, pattern, () => {
      isStalled = true;
      host.stall(stallMs);
    });
    const began = performance.now();
    await roundTrip(await started({}, '', host), 4000);
    expect(isStalled).toBe(true);
    expect(performance.now() - began).toBeGreaterThan(stallMs);
  });

  test.skipIf(!isFull).each([1, 2, 3])(
    'loss 1e-2 (%i), at 115200 baud: a real program of 30 kB and its answer',
    async (seed) => {
      const host = hostOf('dash -i');
      const weather = { ...both({ loss: 1e-2 }), baud: 115_200 };
      const text = ['session', 'reach', 'agent', 'link', 'failure']
        .map((name) => readFileSync(`src/route/console/${name}.ts`, 'utf8'))
        .join('')
        .slice(0, 30_000);
      const began = performance.now();
      const link = await started(weather, '', host, seed);
      await link.upload('k1', Buffer.from(`cat <<'remedy-end'\n${text}\nremedy-end\nexit 7\n`));
      await link.begin('k1');
      expect((await fetched(link)).toString()).toBe(`${text}\n`);
      process.stderr.write(`loss 1e-2 (${seed}): ${Math.round(performance.now() - began)} ms\n`);
      await link.finish('stay');
    },
  );

  test.skipIf(!isFull)('loss of all that is sent ends as lost, with nothing begun', async () => {
    const host = hostOf('dash -i');
    const link = await started({}, '', host);
    host.stop(600_000);
    await expect(link.upload('k1', randomBytes(500))).rejects.toThrow(LinkLost);
    expect(host.typed).not.toMatch(/:r /);
  });
});
