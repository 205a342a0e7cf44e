import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readHeadline } from '../../src/playbook/headline.ts';
import { edited, openPort } from './registry.ts';

const summary = "Let SSH through the host's own firewall";

describe('readHeadline', () => {
  it.each([
    ['plain', openPort],
    ['with Windows line ends', `\ufeff${openPort.replaceAll('\n', '\r\n')}`],
    ['quoted', edited(summary, JSON.stringify(summary))],
    ['folded', edited(summary, ">-\n  Let SSH through\n  the host's own firewall")],
    ['although the rest is broken', edited('steps:', 'steps: [')],
  ])('reads a headline %s', (_, text) => {
    expect(readHeadline(text)).toEqual({ name: 'open-port', summary });
  });

  it.each([
    '',
    '[]',
    'name: x',
    'name: [x]\nsummary: y',
    `name: ${'['.repeat(100_000)}`,
    `name: x\nsummary: ${'y'.repeat(1 << 20)}`,
  ])('gives null where there is none', (text) => {
    expect(readHeadline(text)).toBeNull();
  });

  it('imports nothing but the YAML parser', () => {
    const source = readFileSync(new URL('../../src/playbook/headline.ts', import.meta.url), 'utf8');
    expect([...source.matchAll(/ from '(.*)'/g)].map((match) => match[1])).toEqual(['yaml']);
  });
});
