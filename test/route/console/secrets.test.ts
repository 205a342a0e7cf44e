import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/core/secret.ts';
import { isEchoed, Mask } from '../../../src/route/console/mask.ts';
import { Screen } from '../../../src/route/console/screen.ts';
import { atRoot, start, password } from './support.ts';

const login = `printf 'web1 login: '; read -r u; printf 'Password: '`;

describe('a console password that is shown', () => {
  test.concurrent.each([
    [
      'by a login that refuses it',
      `read -r p; sleep 0.5; printf '\\nLogin incorrect\\n\\nweb1 login: '`,
    ],
    ['by a login that then falls silent', `read -r p; sleep 60`],
    ['by a login that then ends', `read -r p; sleep 0.3; exit 1`],
    [
      'later, as a text',
      `stty -echo; read -r p; stty echo; printf '\\n%s\\nsh: not found\\n' "$p"; sleep 60`,
    ],
  ])('%s: it is said, and not repeated', { timeout: 60_000 }, async (_, answer) => {
    const made = start({ command: `${login}; ${answer}; exec cat` });
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({
      ok: false,
      error: {
        code: 'auth-failed',
        todo: expect.stringContaining('Change that password') as string,
      },
    });
    expect(JSON.stringify([session, made.notices])).not.toContain(password);
    expect(made.transcript()).not.toContain(password);
    expect(made.host.typed.split(password)).toHaveLength(2);
  });

  test('in the midst of a line: the failure does not repeat it', { timeout: 60_000 }, async () => {
    const answer = `stty -echo; read -r p; stty echo; printf '\\nno such password: %s.\\n\\nLogin incorrect\\n' "$p"; sleep 60`;
    const made = start({ command: `${login}; ${answer}` });
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'auth-failed' } });
    expect(JSON.stringify(session)).toContain('no such password: [redacted].');
    expect(JSON.stringify(session)).not.toContain(password);
  });
});

atRoot('a console password that is shown', () => {
  test('by a login that lets us in: we log out', { timeout: 60_000 }, async () => {
    const shell = `while :; do ${login}; read -r p; printf '\\nWelcome\\n'; sh -i; done`;
    const made = start({ command: shell });
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({
      ok: false,
      error: {
        code: 'auth-failed',
        todo: expect.stringContaining('Change that password') as string,
      },
    });
    expect(JSON.stringify(session)).not.toContain(password);
    expect(made.host.shown).toMatch(/login: [^]*Welcome[^]*login: $/);
  });
});

describe('a mask', () => {
  const masked = (text: string): string => {
    const mask = new Mask();
    for (const word of ['abc', 'abcdef', 'x y z']) mask.hide(new Secret(word));
    return mask.of(text);
  };

  test.each([
    ['one in another', 'abcdefg', '[redacted]g'],
    ['each time', 'abc x y z abc', '[redacted] [redacted] [redacted]'],
    ['a beginning at the end', 'is x y', 'is [redacted]'],
    ['no letter that happens to be one', 'is x', 'is x'],
  ])('takes out %s', (_, text, expected) => {
    expect(masked(text)).toBe(expected);
  });

  test('is over what a failure shows, and not over what we read', () => {
    const mask = new Mask();
    const screen = new Screen(mask);
    mask.hide(new Secret('abcdef'));
    screen.push(Buffer.from('one\r\nabc'));
    screen.push(Buffer.from('def\r\n'));
    expect(screen.shown(2)).toBe('one\n[redacted]');
    expect(screen.lastLines(2)).toBe('one\nabcdef');
  });

  test.each([
    ['abcdef\nnext', true],
    ['\nabcdef\n', true],
    ['\nabcdef@web1:~$ ', false],
    ['\n******\n', false],
  ])('an echo: %j is %s', (said, echoed) => {
    expect(isEchoed(said, new Secret('abcdef'))).toBe(echoed);
  });
});
