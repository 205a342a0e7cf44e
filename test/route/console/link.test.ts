import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Line } from '../../../src/route/console/line.ts';
import { AgentLink } from '../../../src/route/console/link.ts';
import { SimulatedHost, type Damage, type Weather } from './simulator.ts';

const hosts: SimulatedHost[] = [];

afterEach(() => {
  for (const host of hosts.splice(0)) host.end();
});

async function started(weather: Weather, shell = 'sh -i'): Promise<AgentLink> {
  const host = new SimulatedHost(`stty -echo; PS1=; exec ${shell}`);
  hosts.push(host);
  const session = randomBytes(4).toString('hex');
  const link = new AgentLink(new Line(host.wire(weather)), { session, deadManSeconds: 60 });
  await link.start();
  return link;
}

async function roundTrip(link: AgentLink, bytes: number): Promise<void> {
  const content = randomBytes(bytes);
  const program = Buffer.from(`printf %s ${content.toString('base64')} | base64 -d; exit 7\n`);
  await link.upload('one', program);
  await link.begin('one');
  await link.begin('one');
  const out: Buffer[] = [];
  for (;;) {
    const from = Buffer.concat(out).length;
    const { state, size, bytes: more } = await link.progress('one', 'out', from);
    out.push(more);
    if (typeof state === 'number' && from + more.length === size) {
      expect(state).toBe(7);
      break;
    }
  }
  expect(Buffer.concat(out).equals(content)).toBe(true);
  await link.clear('one');
  await link.finish('stay');
}

const shells = ['dash', 'bash', 'busybox sh', 'mksh'];

describe('the agent', () => {
  test.each(shells)('runs in %s', async (shell) => {
    const link = await started({}, shell);
    await roundTrip(link, 2000);
  });
});

// dash lets a function stand before its own `command`, so that tools seem to be missing.
const missing = 'cksum|base64|openssl|python3|perl|gzip|sha256sum|fold|setsid';

describe('a host without', () => {
  test('all the tools that are nice to have', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'remedy-bare-'));
    const file = join(folder, 'env');
    writeFileSync(file, `command() { case $2 in ${missing}) return 1 ;; esac; type "$2"; }\n`);
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

const both = (damage: Damage): Weather => ({ up: damage, down: damage });

const weathers: [string, Weather][] = [
  ['loss 1e-4', both({ loss: 1e-4 })],
  ['loss 1e-3', both({ loss: 1e-3 })],
  ['bursts of loss', both({ burst: 64, burstEvery: 8000 })],
  ['kernel messages', { noise: { text: '[ 12.3] usb 1-1: new device\r\n', everyBytes: 700 } }],
  ['words of wall', { noise: { text: '\r\nBroadcast message from root\r\n', everyBytes: 2000 } }],
  ['marks of systemd', { noise: { text: '\u001b]3008;start=1234\u001b\\', everyBytes: 900 } }],
  ['bracketed paste', { noise: { text: '\u001b[?2004h', everyBytes: 500 } }],
  ['questions of a line editor', { noise: { text: '\u001b[6n', everyBytes: 500 } }],
  ['NUL and Latin-1', { noise: { text: '\u0000\u00e9', everyBytes: 900 } }],
  ['300 ms of latency', { latencyMs: 300 }],
  ['stalls of a second', { stall: { ms: 1000, everyMs: 4000 } }],
  ['a byte at a time', { oneByteAtATime: true }],
];

// These take minutes: `npm run test:full`.
const bad: [string, Weather][] = [
  ['duplication 5e-3', both({ duplication: 5e-3 })],
  ['9600 baud', { baud: 9600 }],
  ['a stall of 20 s', { stall: { ms: 20_000, everyMs: 30_000 } }],
  ['9600 baud and loss 1e-3', { ...both({ loss: 1e-3 }), baud: 9600 }],
];

describe('a line with', () => {
  const all = process.env['REMEDY_FULL'] === '1' ? [...weathers, ...bad] : weathers;
  test.each(all)('%s', { timeout: 300_000 }, async (_, weather) => {
    const link = await started(weather, 'dash');
    await roundTrip(link, 4000);
  });
});
