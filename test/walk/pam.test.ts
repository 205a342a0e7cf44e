import { describe, expect, it } from 'vitest';
import type { Pam } from '../../src/facts/pam.ts';
import { judgeAccess } from '../../src/walk/pam-access.ts';
import { judgeModule, type PamQuestion } from '../../src/walk/pam-modules.ts';
import { runStack } from '../../src/walk/pam-run.ts';
import { readStack, type PamEntry, type PamTask } from '../../src/walk/pam-stack.ts';
import { accountOf, pamWith } from './support/login.ts';

function lines(texts: readonly string[]): { line: number; text: string }[] {
  return texts.map((text, index) => ({ line: index + 1, text }));
}

function service(name: string, texts: readonly string[]): Pam['services'] {
  return { [name]: { path: `/etc/pam.d/${name}`, lines: lines(texts) } };
}

/** Runs a stack of modules named after what they say: `account required success.so`. */
function run(
  texts: readonly string[],
  more: Pam['services'] = {},
  task: PamTask = 'account',
): string | null {
  const pam: Pam = {
    services: { other: null, ...service('sshd', texts), ...more },
    modules: {},
    files: {},
  };
  const stack = readStack(pam, task);
  if (!stack.ok) {
    return `refused: ${stack.by}`;
  }
  const says = (entry: PamEntry): string | null => {
    const word = entry.module.replace(/\.so$/, '');
    return word === 'nobody-knows' ? null : word;
  };
  return runStack(stack.entries, (entry) => ({ says: says(entry), why: 'why' })).says;
}

describe('a PAM stack', () => {
  it.each<[string, readonly string[], string | null]>([
    ['one that succeeds', ['account required success.so'], 'success'],
    ['one that fails', ['account required perm_denied.so'], 'perm_denied'],
    ['nothing that decides', ['account optional ignore.so'], 'perm_denied'],
    [
      'a failure that counts to the end',
      ['account required auth_err.so', 'account required success.so'],
      'auth_err',
    ],
    [
      'the first of two failures',
      ['account required auth_err.so', 'account required perm_denied.so'],
      'auth_err',
    ],
    ['requisite', ['account requisite auth_err.so', 'account sufficient success.so'], 'auth_err'],
    ['sufficient', ['account sufficient success.so', 'account required perm_denied.so'], 'success'],
    [
      'sufficient after a failure',
      ['account required auth_err.so', 'account sufficient success.so'],
      'auth_err',
    ],
    [
      'sufficient that fails',
      ['account sufficient auth_err.so', 'account required success.so'],
      'success',
    ],
    [
      'optional that fails',
      ['account optional auth_err.so', 'account required success.so'],
      'success',
    ],
    [
      'a missing module that must succeed',
      ['account required module_unknown.so', 'account required success.so'],
      'module_unknown',
    ],
    [
      'a missing module that need not',
      ['-account optional module_unknown.so', 'account required success.so'],
      'success',
    ],
    [
      'Debian: success',
      [
        'account [success=1 new_authtok_reqd=done default=ignore] success.so',
        'account requisite perm_denied.so',
        'account required success.so',
      ],
      'success',
    ],
    [
      'Debian: expired',
      [
        'account [success=1 new_authtok_reqd=done default=ignore] acct_expired.so',
        'account requisite perm_denied.so',
        'account required success.so',
      ],
      'perm_denied',
    ],
    [
      'Debian: a new password',
      [
        'account [success=1 new_authtok_reqd=done default=ignore] new_authtok_reqd.so',
        'account requisite perm_denied.so',
      ],
      'new_authtok_reqd',
    ],
    [
      'a new password stays',
      ['account required new_authtok_reqd.so', 'account required success.so'],
      'new_authtok_reqd',
    ],
    [
      'a jump too far',
      ['account [success=3 default=ignore] success.so', 'account required success.so'],
      'perm_denied',
    ],
    [
      'reset',
      [
        'account required auth_err.so',
        'account [default=reset] success.so',
        'account required success.so',
      ],
      'success',
    ],
    [
      'nobody knows, and it counts',
      ['account required nobody-knows.so', 'account required success.so'],
      null,
    ],
    [
      'nobody knows, and it does not count',
      ['account optional nobody-knows.so', 'account required success.so'],
      'success',
    ],
    [
      'nobody knows, and another fails',
      ['account required nobody-knows.so', 'account required auth_err.so'],
      'auth_err',
    ],
    [
      'nobody knows, and the rest succeeds anyway',
      ['account sufficient nobody-knows.so', 'account required success.so'],
      'success',
    ],
    ['a line that goes on', ['account required \\', '  auth_err.so'], 'auth_err'],
    ['capitals and comments', ['ACCOUNT REQUIRED success.so # note'], 'success'],
    ['an unreadable control', ['account nonsense success.so'], 'bad'],
    [
      'an unreadable type',
      ['nonsense required success.so', 'account required success.so'],
      'success',
    ],
    ['a line that is cut off', ['account required'], 'bad'],
    [
      'other tasks',
      [
        'auth required auth_err.so',
        'account required success.so',
        'session required session_err.so',
      ],
      'success',
    ],
  ])('%s', (_, texts, says) => {
    const found = run(texts);
    if (says === 'bad') {
      expect(found).not.toBe('success');
    } else {
      expect(found).toBe(says);
    }
  });

  it('follows includes, and fails as a whole where one is not there', () => {
    const inner = service('inner', ['account required auth_err.so']);
    expect(run(['account include inner'], inner)).toBe('auth_err');
    expect(run(['@include inner'], inner)).toBe('auth_err');
    expect(run(['auth include inner', 'account required success.so'], inner)).toBe('success');
    expect(run(['@include gone', 'account required success.so'], { gone: null })).toMatch(
      /^refused/,
    );
    expect(run(['auth include gone', 'account required success.so'])).toMatch(/^refused/);
  });

  it('ends only the substack where that decides', () => {
    const inner = service('inner', [
      'account sufficient success.so',
      'account required auth_err.so',
    ]);
    expect(run(['account substack inner', 'account required perm_denied.so'], inner)).toBe(
      'perm_denied',
    );
    expect(run(['account include inner', 'account required perm_denied.so'], inner)).toBe(
      'success',
    );
  });

  it('counts a substack as one module to skip', () => {
    const inner = service('inner', [
      'account required auth_err.so',
      'account required auth_err.so',
    ]);
    expect(
      run(
        [
          'account [success=1 default=ignore] success.so',
          'account substack inner',
          'account required success.so',
        ],
        inner,
      ),
    ).toBe('success');
  });

  it('uses that of other where the service has no line for the task', () => {
    const other = service('other', ['account required auth_err.so']);
    expect(run(['auth required success.so'], other)).toBe('auth_err');
    expect(run(['account required success.so'], other)).toBe('success');
  });

  it('does not follow services that include each other for ever', () => {
    expect(run(['@include sshd'])).toMatch(/^refused/);
  });
});

const account = accountOf('admin');
const pam = pamWith([]);

function ask(
  text: string,
  more: Partial<PamQuestion> & { readonly files?: Pam['files'] } = {},
): string | null {
  const own = pamWith([text], more.files === undefined ? {} : { files: more.files });
  const stack = readStack(own, 'account');
  const entry = stack.ok ? stack.entries.at(-1) : undefined;
  const question: PamQuestion = {
    pam: own,
    account,
    today: 20_778,
    address: '10.77.0.1',
    nologin: [],
    goodPassword: true,
    ...more,
  };
  return entry === undefined ? 'no entry' : judgeModule(entry, question).says;
}

describe('a PAM module', () => {
  it.each<[string, Partial<NonNullable<typeof account.aging>>, string]>([
    ['nothing set', {}, 'success'],
    ['expires tomorrow', { expires: 20_779 }, 'success'],
    ['expires today', { expires: 20_778 }, 'acct_expired'],
    ['expires at day 0', { expires: 0 }, 'acct_expired'],
    ['a new password is asked for', { changed: 0 }, 'new_authtok_reqd'],
    ['the password is as old as it may be', { changed: 20_748, max: 30 }, 'success'],
    ['the password is too old', { changed: 20_747, max: 30 }, 'new_authtok_reqd'],
    ['its grace has not ended', { changed: 20_740, max: 30, inactive: 8 }, 'new_authtok_reqd'],
    ['its grace has ended', { changed: 20_739, max: 30, inactive: 8 }, 'authtok_expired'],
    ['changed in the future', { changed: 30_000, max: 30 }, 'success'],
  ])('pam_unix: %s', (_, aging, says) => {
    const whole = { changed: 20_000, max: null, inactive: null, expires: null, ...aging };
    expect(ask('account required pam_unix.so', { account: { ...account, aging: whole } })).toBe(
      says,
    );
  });

  it('pam_unix finds no entry in shadow', () => {
    const none = { ...account, aging: null, password: 'none' as const };
    expect(ask('account required pam_unix.so', { account: none })).toBe('authinfo_unavail');
    expect(ask('account required pam_unix.so', { account: { ...none, local: false } })).toBeNull();
  });

  it.each<[string, string | null]>([
    ['account required pam_permit.so', 'success'],
    ['account required pam_deny.so', 'auth_err'],
    ['account required pam_localuser.so', 'success'],
    ['account required pam_sss.so', 'user_unknown'],
    ['account required pam_time.so', 'success'],
    ['account required pam_shells.so', 'success'],
    ['account required pam_something_else.so', null],
    ['account required pam_succeed_if.so uid >= 1000', 'success'],
    ['account required pam_succeed_if.so uid < 1000 quiet', 'auth_err'],
    ['account required pam_succeed_if.so user ingroup wheel:admin', 'success'],
    ['account required pam_succeed_if.so user notingroup admin', 'auth_err'],
    ['account required pam_succeed_if.so user = root', 'auth_err'],
    ['account required pam_succeed_if.so shell = /bin/sh', null],
    ['account required pam_nologin.so', 'ignore'],
    ['account required pam_nologin.so successok', 'success'],
    ['account required pam_nologin.so file=/etc/closed', null],
  ])('%s says %s', (text, says) => {
    expect(ask(text)).toBe(says);
  });

  it('pam_nologin lets root in', () => {
    const nologin = ['/run/nologin'];
    expect(ask('account required pam_nologin.so', { nologin })).toBe('auth_err');
    expect(ask('account required pam_nologin.so', { nologin, account: accountOf('root') })).toBe(
      'ignore',
    );
  });

  it('pam_limits counts logins', () => {
    const says = (text: string, name = 'admin'): string | null =>
      ask('account required pam_limits.so', {
        files: { '/etc/security/limits.conf': lines([text]) },
        account: accountOf(name),
      });
    expect(says('* soft core 0')).toBe('success');
    expect(says('* hard maxlogins 4')).toBeNull();
    expect(says('* hard maxlogins 4', 'root')).toBe('success');
    expect(says('admin - maxlogins 0')).toBe('perm_denied');
    expect(says('@admin - maxlogins 4')).toBeNull();
    expect(says('@wheel - maxlogins 0')).toBe('success');
    expect(says('* soft nproc 4096')).toBe('success');
    expect(says('* hard nproc 1')).toBeNull();
  });
});

describe('pam_access', () => {
  it.each<[string, readonly string[], string | null]>([
    ['no rule', [], 'success'],
    ['a rule for others', ['-:root:ALL'], 'success'],
    ['a denial', ['-:admin:ALL'], 'perm_denied'],
    ['the first that fits', ['+:admin:10.77.0.0/24', '-:ALL:ALL'], 'success'],
    ['a grant from elsewhere', ['+:admin:192.0.2.0/24', '-:ALL:ALL'], 'perm_denied'],
    ['a group in brackets', ['+:(admin):ALL', '-:ALL:ALL'], 'success'],
    ['a group without', ['+:admin:ALL', '-:ALL:ALL'], 'success'],
    ['EXCEPT', ['-:ALL EXCEPT root admin:ALL'], 'success'],
    ['EXCEPT others', ['-:ALL EXCEPT root:ALL'], 'perm_denied'],
    ['a prefix', ['-:admin:10.77.'], 'perm_denied'],
    ['terminals', ['-:ALL:tty1 tty2 :0'], 'success'],
    ['LOCAL', ['-:ALL:LOCAL'], null],
    ['a name that may fit before a denial', ['+:admin:.example.org', '-:ALL:ALL'], null],
    ['a name that may fit, and all is granted', ['+:admin:.example.org'], 'success'],
    ['a netgroup', ['-:@bad:ALL'], null],
    ['IPv6', ['-:admin:2001:db8::/32', '+:admin:ALL'], 'success'],
    ['no rule at all', ['nonsense'], 'success'],
  ])('%s', (_, texts, says) => {
    const own: Pam = { ...pam, files: { '/etc/security/access.conf': lines(texts) } };
    expect(judgeAccess(own, [], account, '10.77.0.1').says).toBe(says);
  });

  it('reads the file that it is told to, or says that nobody did', () => {
    const own: Pam = { ...pam, files: { '/etc/security/access.conf': lines(['-:ALL:ALL']) } };
    expect(judgeAccess(own, ['accessfile=/etc/other'], account, '10.77.0.1').says).toBeNull();
  });

  it('takes group names only in brackets where it is told to', () => {
    const own: Pam = { ...pam, files: { '/etc/security/access.conf': lines(['-:staff:ALL']) } };
    const staff = { ...account, groups: ['staff'] };
    expect(judgeAccess(own, [], staff, null).says).toBe('perm_denied');
    expect(judgeAccess(own, ['nodefgroup'], staff, null).says).toBe('success');
  });
});
