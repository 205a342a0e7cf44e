import { describe, expect, it } from 'vitest';
import { fail2banFact, parseJails } from '../../src/facts/fail2ban.ts';
import { capturedParts, capturedValue, distros, part } from './support/captured.ts';

describe.each(distros)('fail2ban on %s', (distro) => {
  it('is not running on a fresh host', () => {
    expect(capturedValue(fail2banFact, undefined, `${distro}-clean`)).toMatchObject({
      running: false,
      jails: [],
    });
  });

  it('lists each jail with bans and exceptions', () => {
    const { running, jails } = capturedValue(fail2banFact, undefined, `${distro}-fail2ban`);
    expect(running).toBe(true);
    expect(jails.map((jail) => ({ ...jail, banned: jail.banned.toSorted() }))).toEqual([
      { name: 'recidive', banned: ['10.77.0.1', '198.51.100.0/28', 'fd77::1'], ignored: [] },
      { name: 'sshd', banned: ['10.77.0.1', 'fd77::1'], ignored: ['10.9.0.0/24'] },
    ]);
  });
});

describe('fail2ban', () => {
  it('is unknown where the daemon answers something else', () => {
    const parts = new Map(capturedParts('fail2ban', 'debian12-fail2ban'));
    parts.set('ping', part('', { status: 255, errors: 'Permission denied to socket' }));
    expect(fail2banFact.parse(parts, undefined)).toEqual({
      known: false,
      because: 'fail2ban could not be asked: Permission denied to socket',
    });
  });

  it('is unknown where the answer was cut', () => {
    const parts = new Map(capturedParts('fail2ban', 'debian12-fail2ban'));
    parts.set('jails', part('jail sshd\n', { cut: true }));
    expect(fail2banFact.parse(parts, undefined).known).toBe(false);
  });

  it('reads several exceptions', () => {
    const text =
      'jail sshd\n   `- Banned IP list:\t\nignored\nThese IP addresses/networks are ignored:\n|- 127.0.0.0/8\n|- ::1\n`- bastion.example\n';
    expect(parseJails(text)).toEqual([
      { name: 'sshd', banned: [], ignored: ['127.0.0.0/8', '::1', 'bastion.example'] },
    ]);
  });

  it.each([
    ['', 0],
    ['jail ', 0],
    ['jail x', 1],
    [`jail x\nBanned IP list: ${'1.2.3.4 '.repeat(125_000)}`, 1],
  ])('survives %.20j', (text, count) => {
    expect(parseJails(text)).toHaveLength(count);
  });
});
