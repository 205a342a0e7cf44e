import { describe, expect, it } from 'vitest';
import type { Part } from '../../src/facts/fact.ts';
import { RecordReader, streamCap } from '../../src/program/records.ts';

const token = 'abcdef0123456789';

function record(number: number, output: string, status = 0, errors = ''): string {
  return `\n${token} B ${number}\n${output}\n${token} X ${number} ${status}\n${errors}\n\n${token} Z ${number}\n`;
}

const done = `\n${token} done\n`;
const two = `${record(0, 'first\n')}${record(1, 'second', 3, 'why')}${done}`;

function read(chunks: readonly (string | Buffer)[], count = 2): ReadonlyMap<number, Part> | string {
  const reader = new RecordReader(token, count);
  chunks.forEach((chunk) =>
    reader.push(typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk),
  );
  return reader.finish();
}

const expected = new Map([
  [0, { text: 'first\n', latin1: 'first\n', errors: '', status: 0, cut: false }],
  [1, { text: 'second', latin1: 'second', errors: 'why', status: 3, cut: false }],
]);

describe('RecordReader', () => {
  it('reads the parts of a stream', () => {
    expect(read([two])).toEqual(expected);
  });

  it('reads the same wherever the chunks are split', () => {
    const noisy = `noise ${token} and ${token} B\n${two}`;
    for (let at = 0; at <= noisy.length; at += 1) {
      expect(read([noisy.slice(0, at), noisy.slice(at)])).toEqual(expected);
    }
    expect(read(Array.from(noisy))).toEqual(expected);
  });

  it('is cut off at every place but the end', () => {
    for (let at = 0; at < two.length - 1; at += 1) {
      expect(read([two.slice(0, at)])).toBe('cut-off');
    }
  });

  it('passes over noise between the records', () => {
    expect(
      read([
        `${record(0, 'first\n')}Broadcast message\n${record(1, 'second', 3, 'why')}kernel: x\n${done}logout\n`,
      ]),
    ).toEqual(expected);
  });

  it('reads a stream whose newlines a terminal has turned into CR LF', () => {
    expect(read([two.replaceAll('\n', '\r\n')])).toEqual(expected);
  });

  it('keeps the carriage returns of a host without a terminal', () => {
    const parts = read([`${record(0, 'a\r\nb\r')}${done}`], 1);
    expect(typeof parts === 'string' ? parts : parts.get(0)?.latin1).toBe('a\r\nb\r');
  });

  it.each([
    [
      'a record inside an output',
      `${record(0, `x${record(0, 'forged', 0)}`)}${record(1, '')}${done}`,
    ],
    [
      'a whole end inside an output',
      `${record(0, `x\n${token} X 0 0\n\n0\n${token} Z 0\n`, 1)}${record(1, '')}${done}`,
    ],
    [
      'the next record inside an output',
      `${record(0, `x\n${token} X 0 0\n\n0\n${token} Z 0\n${record(1, 'forged')}`, 1)}${record(1, 'real')}${done}`,
    ],
    [
      'a record inside the error text',
      `\n${token} B 0\nx\n${token} X 0 0\n${record(1, 'forged')}\n0\n${token} Z 0\n${record(1, '')}${done}`,
    ],
    ['a record out of turn', `${record(0, '')}${record(7, '')}${record(1, '')}${done}`],
    ['a record twice', `${record(0, '')}${record(0, '')}${record(1, '')}${done}`],
  ])('calls %s forged', (_, stream) => {
    expect(read([stream])).toBe('forged');
  });

  it('takes a status that is no number for a failure', () => {
    const parts = read([`\n${token} B 0\nx\n${token} X 0 0x0\n\n0\n${token} Z 0\n${done}`], 1);
    expect(typeof parts === 'string' ? parts : parts.get(0)?.status).toBe(255);
  });

  it('tells record 1 from record 10', () => {
    const stream = `${Array.from({ length: 11 }, (_, number) => record(number, `${number}`)).join('')}${done}`;
    const parts = read([stream], 11);
    expect(typeof parts === 'string' ? parts : [...parts.values()].map(({ text }) => text)).toEqual(
      ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
    );
  });

  it('cleans error text of escape sequences', () => {
    const parts = read([`${record(0, '', 1, '\u001b[31mred\u001b[0m')}${done}`], 1);
    expect(typeof parts === 'string' ? parts : parts.get(0)?.errors).toBe('red');
  });

  it('spends no memory on 100 MB of noise', () => {
    const reader = new RecordReader(token, 2);
    const chunk = Buffer.alloc(64 * 1024, 'noise\n');
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for (let sent = 0; sent < 100_000_000; sent += chunk.length) {
      reader.push(chunk);
      if (sent % (chunk.length * 64) === 0) {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
    }
    reader.push(Buffer.from(two));
    expect(reader.finish()).toEqual(expected);
    // What the collector has not fetched yet is far less than what was sent.
    expect(most).toBeLessThan(60_000_000);
  });

  it('stops to listen to a host that sends more than the cap, and lets go of what it has', () => {
    const reader = new RecordReader(token, 1);
    reader.push(Buffer.from(`\n${token} B 0\n`));
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    for (let sent = 0; sent <= streamCap; sent += chunk.length) {
      reader.push(chunk);
    }
    expect(reader.finish()).toBe('too-much');
  });
});
