import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  joinNonce,
  makeNonce,
  parseReport,
  prologue,
  readSudoRefusal,
} from '../../src/route/elevate.ts';

const marker = makeNonce('0123456789abcdef0123456789abcdef');
const prompt = makeNonce('fedcba9876543210fedcba9876543210');

describe('the prologue', () => {
  const text = prologue(marker, prompt);

  test('never holds a whole nonce, so that an echo is no answer', () => {
    expect(text).not.toContain(joinNonce(marker));
    expect(text).not.toContain(joinNonce(prompt));
  });

  test.each(['dash', 'bash'])('is POSIX shell for %s', (shell) => {
    const checked = spawnSync(shell, ['-n'], { input: text, encoding: 'utf8' });
    if (checked.error === undefined) {
      expect(checked.stderr).toBe('');
    }
  });

  test('runs nothing when it is cut off anywhere', () => {
    const body = text.trimEnd();
    for (let length = 1; length < body.length; length += 37) {
      const cut = spawnSync('sh', { input: body.slice(0, length), encoding: 'utf8' });
      expect(cut.stdout).toBe('');
    }
  });
});

describe('reports', () => {
  test.each([
    [' ready root', { type: 'ready', elevation: 'root' }],
    [' ready sudo\r', { type: 'ready', elevation: 'sudo' }],
    [' ready queen', null],
    [' missing', { type: 'missing' }],
    [' need sudo: a password is required', { type: 'need', why: 'sudo: a password is required' }],
    [' hello 0 ', { type: 'hello', uid: 0, connection: null }],
    [' hello unknown ', { type: 'hello', uid: null, connection: null }],
    [' hello 0 evil words here now', { type: 'hello', uid: 0, connection: null }],
    [
      ' hello 1000 fe80::1%eth0 50000 2001:db8::2 22',
      {
        type: 'hello',
        uid: 1000,
        connection: {
          client: { address: 'fe80::1', assumed: false },
          serverAddress: '2001:db8::2',
          serverPort: 22,
        },
      },
    ],
    ['ready root', null],
  ])('%s', (text, expected) => {
    expect(parseReport(text)).toEqual(expected);
  });
});

test.each([
  ['sudo: sorry, you must have a tty to run sudo', 'needs-tty'],
  ['joe is not in the sudoers file.  This incident will be reported.', 'not-allowed'],
  ['Sorry, user joe is not allowed to execute /bin/sh as root on web1.', 'not-allowed'],
  ['Sorry, try again.', 'wrong-password'],
  ['sudo: 1 incorrect password attempt', 'wrong-password'],
  ['sudo: Authentication failed, try again.', 'wrong-password'],
  ['sudo: a password is required', 'other'],
])('sudo says "%s": %s', (text, expected) => {
  expect(readSudoRefusal(text)).toBe(expected);
});
