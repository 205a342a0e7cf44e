import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { quote, quoteArgv } from '../../src/core/quote.ts';
import { printBytes } from '../../src/program/bytes.ts';
import { commonFunctions } from '../../src/program/runtime.ts';
import { shells } from './support/shells.ts';

const words = [
  '',
  ' ',
  "'",
  '"',
  '\\',
  '\\\\',
  '$HOME',
  '`id`',
  '$(id)',
  '!x',
  '-n',
  '--',
  '*',
  '~',
  '#x',
  'a\nb',
  'a\tb',
  '\u001b[31m',
  'ü',
  '端口',
  "it's 'it'",
  ';reboot',
  '&',
  '|',
  '>x',
  '{a,b}',
  '=x',
  '%s',
  '\r',
  'x'.repeat(10_000),
];

function run(argv: readonly [string, ...string[]], script: string): Buffer {
  const result = spawnSync(argv[0], argv.slice(1), {
    input: `${commonFunctions}\n${script}`,
    maxBuffer: 1e8,
  });
  expect(result.stderr.toString()).toBe('');
  return result.stdout;
}

describe.each(shells)('under $name', ({ argv }) => {
  it('a quoted word is that word again', () => {
    const script = words.map((word) => `printf '%s\\000' ${quote(word)}`).join('\n');
    expect(run(argv, script).toString().split('\0').slice(0, -1)).toEqual(words);
  });

  it('a quoted command has those words', () => {
    expect(run(argv, quoteArgv(['printf', '<%s>', ...words])).toString()).toBe(
      words.map((word) => `<${word}>`).join(''),
    );
  });

  it('every byte value is printed as it is', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    expect(run(argv, printBytes(bytes.toString('latin1'))).equals(bytes)).toBe(true);
  });

  it('digits behind a byte, percent signs and backslashes stay', () => {
    const text = '\u00011\u0000077%s%%\\n\\0101\\c end\r\n';
    expect(run(argv, printBytes(text)).toString('latin1')).toBe(text);
  });

  it.each([
    ['bytes that all need an escape', Buffer.alloc(70_001, 0xff)],
    ['single quotes', Buffer.alloc(70_001, "'")],
    ['text', Buffer.alloc(70_001, 'text\n')],
  ])('much of it is printed whole: %s', (_, bytes) => {
    expect(run(argv, printBytes(bytes.toString('latin1'))).equals(bytes)).toBe(true);
  });

  it('nothing is printed for no bytes', () => {
    expect(run(argv, printBytes('')).length).toBe(0);
  });
});

describe('quote', () => {
  it('leaves plain words as they are, so that people can read them', () => {
    expect(quoteArgv(['ufw', 'allow', '22/tcp'])).toBe('ufw allow 22/tcp');
    expect(quote("it's")).toBe(String.raw`'it'\''s'`);
  });

  it('refuses a NUL byte', () => {
    expect(() => quote('a\0b')).toThrow('NUL');
  });
});
