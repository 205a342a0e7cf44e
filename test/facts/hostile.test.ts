import { describe, expect, it } from 'vitest';
import { capturedParts } from './support/captured.ts';
import { answerAll, everyFact } from './support/every-fact.ts';

const megabyte = 1_000_000;

const texts: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['one newline', '\n'],
  ['escape sequences', '\u001b[2J\u001b]0;title\u0007\u009b31mtext\u001b[0m\n'.repeat(100)],
  [
    'names of object properties',
    '__proto__\nconstructor=1\n*__proto__\n:constructor ACCEPT\n-A __proto__ -j constructor\nkey /__proto__\njail __proto__\nAsked=__proto__\n{"__proto__": {"x": 1}}\n',
  ],
  ['truncated JSON', '{"nftables": [{"table": {"family": "inet", "name": "x"'],
  ['deep JSON', '['.repeat(100_000)],
  ['a line of a megabyte', 'a'.repeat(megabyte)],
  ['a megabyte of blanks', ' '.repeat(megabyte)],
  ['a megabyte of quotes', '"'.repeat(megabyte)],
  ['a megabyte of colons', ':'.repeat(megabyte)],
  ['a megabyte of backslashes in a string', `"${'\\'.repeat(megabyte)}`],
  ['many short lines', '-A\n'.repeat(megabyte / 4)],
  ['replacement characters', '\ufffd'.repeat(1000)],
];

describe.each(everyFact.map((wanted) => [wanted.key, wanted] as const))('%s', (_, wanted) => {
  it.each(texts)('survives %s', (_text, text) => {
    const observed = wanted.parse(answerAll(wanted, text));
    expect(typeof observed.known).toBe('boolean');
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('is unknown, or says that the thing is absent, where nothing was printed', () => {
    const observed = wanted.parse(new Map());
    expect(JSON.stringify(observed)).not.toContain('"active":true');
    expect(JSON.stringify(observed)).not.toContain('"running":true');
  });

  it('is never known from output that ended with an error', () => {
    const observed = wanted.parse(answerAll(wanted, 'garbage', { status: 1, errors: 'broken' }));
    // sshd -t says by its status that the configuration is bad: that is an answer.
    expect(observed.known).toBe(wanted.name === 'sshd');
  });

  it('survives each captured output cut at any place', () => {
    const names = {
      ufw: 'debian12-ufw-rules',
      iptables: 'debian12-ufw-rules',
      nft: 'debian12-native',
      firewalld: 'debian12-firewalld-rules',
      fail2ban: 'debian12-fail2ban',
      'login-files': 'debian12-admin',
    };
    const name = names[wanted.name as keyof typeof names] ?? 'debian12-clean';
    const parts = capturedParts(wanted.name, name);
    for (let step = 0; step < 40; step += 1) {
      const cut = new Map(
        [...parts].map(([key, one]) => [
          key,
          {
            ...one,
            text: one.text.slice(0, Math.floor((one.text.length * step) / 40)),
            latin1: one.latin1.slice(0, Math.floor((one.latin1.length * step) / 40)),
          },
        ]),
      );
      expect(typeof wanted.parse(cut).known).toBe('boolean');
    }
  });
});
