import { describe, expect, it } from 'vitest';
import { JournalReader, type JournalRecord } from '../../src/program/journal.ts';

const token = '00112233445566778899aabbccddeeff';

function read(chunks: readonly (string | Buffer)[]): JournalRecord[] {
  const reader = new JournalReader(token);
  return chunks.flatMap((chunk) =>
    reader.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk),
  );
}

const journal = `Welcome
${token} start 1

${token} output größer als \u001b[31mrot\u001b[0m
${token} done 1
noise ${token} start 2
${token} failed 2 7\r
${token} undone 1
${token} undo-failed 1 4
${token} refuse locked run x (process 7) is at work
${token} lost no reason
${token} end reverted
`;

const records: JournalRecord[] = [
  { type: 'start', number: 1 },
  { type: 'output', text: 'größer als rot' },
  { type: 'done', number: 1 },
  { type: 'start', number: 2 },
  { type: 'failed', number: 2, status: 7 },
  { type: 'undone', number: 1 },
  { type: 'undo-failed', number: 1, status: 4 },
  { type: 'refuse', code: 'locked', text: 'run x (process 7) is at work' },
  { type: 'lost', text: 'no reason' },
  { type: 'end', how: 'reverted' },
];

describe('JournalReader', () => {
  it('reads every kind of record, with a terminal in the way, behind noise on the line', () => {
    expect(read([journal])).toEqual(records);
  });

  it('reads the same wherever the bytes are split, also within a letter', () => {
    const bytes = Buffer.from(journal);
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(records);
    }
  });

  it.each([
    'other token start 1\n',
    `${token}start 1\n`,
    `${token} unknown 1\n`,
    `${token} end elsewhere\n`,
    '\n',
    `${token} start 1`,
  ])('finds no record in %j', (text) => {
    expect(read([text])).toEqual([]);
  });

  it('drops a line without end, and reads on behind it', () => {
    const long = 'x'.repeat(1_000_000);
    expect(read([long, long, `\n${token} done 3\n`])).toEqual([{ type: 'done', number: 3 }]);
  });

  it('cuts very long output', () => {
    const [record] = read([`${token} output ${'y'.repeat(5000)}\n`]);
    expect(record).toEqual({ type: 'output', text: `${'y'.repeat(1500)}…` });
  });
});
