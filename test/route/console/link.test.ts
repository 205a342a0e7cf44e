import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { Line } from '../../../src/route/console/line.ts';
import { AgentLink } from '../../../src/route/console/link.ts';
import { SimulatedHost, type Weather } from './simulator.ts';

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
  await link.finish();
}

const shells = ['dash', 'bash', 'busybox sh', 'mksh'];

describe('the agent', () => {
  test.each(shells)('runs in %s', async (shell) => {
    const link = await started({}, shell);
    await roundTrip(link, 2000);
  });
});

const weathers: [string, Weather][] = [
  ['loss 1e-4', { up: { loss: 1e-4 }, down: { loss: 1e-4 } }],
  ['loss 1e-3', { up: { loss: 1e-3 }, down: { loss: 1e-3 } }],
  ['loss 1e-2', { up: { loss: 1e-2 }, down: { loss: 1e-2 } }],
  ['duplication 5e-3', { up: { duplication: 5e-3 }, down: { duplication: 5e-3 } }],
  ['bursts', { up: { burst: 64, burstEvery: 8000 }, down: { burst: 64, burstEvery: 8000 } }],
  ['kernel lines', { noise: { text: '[ 12.3] usb 1-1: new device\r\n', everyBytes: 700 } }],
];

describe('a line with', () => {
  test.each(weathers)('%s', { timeout: 120_000 }, async (_, weather) => {
    const link = await started(weather, 'dash');
    await roundTrip(link, 6000);
  });
});
