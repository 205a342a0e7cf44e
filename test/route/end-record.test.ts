import { describe, expect, test } from 'vitest';
import { makeNonce } from '../../src/route/elevate.ts';
import { EndRecord } from '../../src/route/end-record.ts';

const nonce = makeNonce('0123456789abcdef'.repeat(2));
const marker = `${nonce.first}${nonce.second}`;

async function pass(
  chunks: readonly string[],
): Promise<{ output: string; status: number | null; noise: string }> {
  const record = new EndRecord(nonce);
  const filter = record.filter();
  const output: Buffer[] = [];
  filter.on('data', (chunk: Buffer) => output.push(chunk));
  for (const chunk of chunks) {
    filter.write(chunk);
  }
  filter.end();
  await new Promise((resolve) => filter.once('end', resolve));
  return {
    output: Buffer.concat(output).toString(),
    status: record.status,
    noise: record.noise,
  };
}

const begin = `${marker} begin\n`;

describe('the record of an end', () => {
  test.each([
    ['noise, output, status', `motd\n${begin}out${marker} 7\n`, 'out', 7, 'motd\n'],
    ['no end', `${begin}out`, 'out', null, ''],
    ['no beginning', 'motd\nerror', '', null, 'motd\nerror'],
    ['what is written after the end', `${begin}a${marker} 0\nb`, 'ab', 0, ''],
    ['an end like none of ours', `${begin}${marker} x\n`, `${marker} x\n`, null, ''],
    ['an end that goes on and on', `${begin}${marker} 123456`, `${marker} 123456`, null, ''],
    ['an end that is cut', `${begin}a${marker} 25`, `a${marker} 25`, null, ''],
    [
      'half a marker at the end',
      `${begin}a${marker.slice(0, 20)}`,
      `a${marker.slice(0, 20)}`,
      null,
      '',
    ],
    ['half a marker before a whole one', `${begin}remedy-${marker} 255\n`, 'remedy-', 255, ''],
  ])('%s, in any pieces', async (_name, text, output, status, noise) => {
    for (const size of [1, 2, 3, 7, 16, text.length]) {
      const chunks = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(await pass(chunks), `in pieces of ${size}`).toEqual({ output, status, noise });
    }
  });

  test('what cannot be ours goes on at once', async () => {
    const record = new EndRecord(nonce);
    const filter = record.filter();
    filter.write(begin);
    filter.write('a line\n');
    await record.begun;
    expect(String(filter.read())).toBe('a line\n');
  });

  test('the marker is sent in two parts, so that an echo is no answer', async () => {
    const { text } = new EndRecord(nonce);
    expect(text).not.toContain(marker);
    expect(await pass([text])).toMatchObject({ output: '', status: null });
  });
});
