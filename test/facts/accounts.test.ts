import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { accountFact, accountsFact, cutHash, type Account } from '../../src/facts/accounts.ts';
import { daysSinceLogin } from '../../src/facts/recent-logins.ts';
import { shells } from '../program/support/shells.ts';
import { capturedParts, capturedValue, captured, distros, part } from './support/captured.ts';

function named(accounts: readonly Account[], name: string): Account | undefined {
  return accounts.find((account) => account.name === name);
}

describe.each(distros)('accounts on %s', (distro) => {
  const { accounts, today, incomplete, groupsIncomplete } = capturedValue(
    accountsFact,
    undefined,
    `${distro}-clean`,
  );

  it('has root, admin and the system accounts', () => {
    expect(named(accounts, 'root')).toMatchObject({ uid: 0, home: '/root', password: 'star' });
    expect(named(accounts, 'admin')).toMatchObject({
      uid: 1000,
      shell: '/bin/bash',
      shellState: 'ok',
      groups: ['admin'],
      password: 'usable',
      local: true,
    });
    expect(named(accounts, 'sshd')?.password).toBe('locked-bang');
  });

  it('counts days as shadow does', () => {
    expect(today).toBe(20_778);
    expect(named(accounts, 'admin')?.lastLogin).toBe(0);
    expect(named(accounts, 'games')?.lastLogin).toBeNull();
  });

  it('knows that the files have all', () => {
    expect([incomplete, groupsIncomplete]).toEqual([null, null]);
  });
});

describe('accounts', () => {
  const { accounts } = capturedValue(accountsFact, undefined, 'debian12-states');

  it.each([
    ['admin', 'usable'],
    ['locked', 'locked'],
    ['bang', 'locked-bang'],
    ['empty', 'empty'],
    ['none', 'none'],
    ['plain', 'usable'],
    ['open', 'empty'],
    ['daemon', 'star'],
  ] as const)('says of %s that the password is %s', (name, password) => {
    expect(named(accounts, name)?.password).toBe(password);
  });

  it('reads when an account ends, its groups and its shell', () => {
    expect(named(accounts, 'expired')?.aging).toEqual({
      changed: 17_897,
      max: 30,
      inactive: 5,
      expires: 18_262,
    });
    expect(named(accounts, 'locked')?.groups).toEqual(['audio', 'games', 'locked']);
    expect(named(accounts, 'bang')?.shellState).toBe('missing');
    expect(named(accounts, 'none')?.shellState).toBe('not-executable');
  });

  it('says why accounts may be missing where a directory service is asked', () => {
    const parts = new Map(capturedParts('accounts', 'debian12-clean'));
    const passwd = parts.get('passwd')?.text.replace('source files', 'source files sss') ?? '';
    const observed = accountsFact.parse(parts.set('passwd', part(passwd)), undefined);
    expect(observed).toMatchObject({
      known: true,
      value: { incomplete: 'nsswitch.conf also asks sss, which need not list all it has' },
    });
  });

  it('says so of NIS, too', () => {
    const parts = new Map(capturedParts('accounts', 'debian12-clean'));
    const passwd = `${parts.get('passwd')?.text ?? ''}\n+:empty:::::\n`;
    const observed = accountsFact.parse(parts.set('passwd', part(passwd)), undefined);
    expect(observed.known && observed.value.incomplete).toContain('NIS');
  });

  it('does not know groups for sure where a directory service has some', () => {
    const parts = new Map(capturedParts('accounts', 'debian12-clean'));
    const group = parts.get('group')?.text.replace('source files', 'source files ldap') ?? '';
    const observed = accountsFact.parse(parts.set('group', part(group)), undefined);
    expect(observed.known && named(observed.value.accounts, 'admin')?.groups).toBeNull();
  });

  it.each(['$6$salt$hash', 'hash', 'x', '!$y$j9T$hash', '*LK*', '!!', ''])(
    'leaves no %j of shadow behind',
    (secret) => {
      for (const { argv } of shells) {
        const run = spawnSync(argv[0], [...argv.slice(1), '-c', cutHash], {
          input: `somebody:${secret}:20000:0:99999:7:::\nno colon ${secret}\n:${secret}\n`,
          encoding: 'utf8',
        });
        expect(run.stdout).toMatch(/^somebody:[a-z-]+:20000:0:99999:7:::\n/);
        if (secret.length > 2) {
          expect(run.stdout).not.toContain(secret.replace('!', ''));
        }
      }
    },
  );
});

describe('account', () => {
  it('has all groups of one that is asked for by name', () => {
    expect(captured(accountFact, 'locked', 'debian12-locked')).toMatchObject({
      known: true,
      value: { password: 'locked', groups: ['locked', 'audio', 'games'], local: true },
    });
  });

  it('is null where there is none', () => {
    expect(captured(accountFact, 'nobody-here', 'debian12-absent')).toEqual({
      known: true,
      value: null,
    });
  });

  it('is unknown where the directory did not answer in time', () => {
    expect(accountFact.parse(new Map([['passwd', part('\nstatus 124\n')]]), 'ldap-user')).toEqual({
      known: false,
      because: 'the account ldap-user could not be looked up: exit status 124',
    });
  });

  it('is not that of a number or of another name', () => {
    const parts = new Map([['passwd', part('root:shadow:0:0:root:/root:/bin/bash\n\nstatus 0\n')]]);
    expect(accountFact.parse(parts, '0')).toEqual({ known: true, value: null });
  });
});

describe('daysSinceLogin', () => {
  // "admin" in eight words, as wtmp has it.
  const words = '1768776801,110,0,0,0,0,0,0';

  it('takes the later of lastlog and wtmp', () => {
    const days = daysSinceLogin(`uid 1000 86400\nuser ${words} 864000\n`, 1_000_000);
    expect(days('admin', 1000)).toBe(1);
    expect(days('admin', 7)).toBe(1);
    expect(days('other', 1000)).toBe(10);
    expect(days('other', 7)).toBeNull();
  });

  it('is never below zero, and passes over noise', () => {
    const days = daysSinceLogin('uid x 5\nuser 1,2 3\nnoise\nuid 1 2000000', 1_000_000);
    expect(days('x', 1)).toBe(0);
    expect(days('x', 2)).toBeNull();
  });
});
