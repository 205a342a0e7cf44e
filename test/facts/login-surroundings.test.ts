import { describe, expect, it } from 'vitest';
import { pamFact } from '../../src/facts/pam.ts';
import { sshdDaemonFact } from '../../src/facts/sshd-daemon.ts';
import { tcpWrappersFact } from '../../src/facts/tcp-wrappers.ts';
import { capturedParts, capturedValue, distros, part } from './support/captured.ts';

describe.each(distros)('pam on %s', (distro) => {
  it('has the stacks with all that they include, and their modules', () => {
    const pam = capturedValue(pamFact, undefined, `${distro}-clean`);
    expect(Object.keys(pam.services).toSorted()).toEqual([
      'common-account',
      'common-auth',
      'common-password',
      'common-session',
      'other',
      'sshd',
    ]);
    expect(pam.services['sshd']?.lines[0]).toEqual({ line: 4, text: '@include common-auth' });
    expect(pam.modules['pam_unix.so']).toBe(true);
    expect(Object.values(pam.modules)).not.toContain(false);
  });
});

describe('pam', () => {
  const pam = capturedValue(pamFact, undefined, 'debian12-edited');

  it('follows substacks, and says what is not there', () => {
    expect(pam.services['inner']?.lines).toEqual([
      { line: 1, text: 'account sufficient pam_succeed_if.so uid < 1000 quiet # system' },
    ]);
    expect(pam.services['gone']).toBeNull();
    expect(pam.modules['pam_nothing.so']).toBe(false);
  });

  it('has the rules of the modules by file and line', () => {
    expect(pam.files['/etc/security/access.conf']?.map(({ text }) => text)).toEqual([
      '+:root:ALL',
      '-:admin:10.77.0.0/24',
    ]);
    expect(pam.files['/etc/security/limits.conf']?.[0]?.text).toBe('@deploy - maxlogins 2');
    expect(pam.files['/etc/security/nothing']).toBeUndefined();
  });

  it('is unknown where the answer is cut off', () => {
    const stacks = capturedParts('pam', 'debian12-clean').get('stacks')?.text.slice(0, 200) ?? '';
    expect(pamFact.parse(new Map([['stacks', part(stacks)]]), undefined)).toMatchObject({
      known: false,
    });
  });
});

describe('tcp-wrappers', () => {
  it.each(distros)('is linked on %s', (distro) => {
    expect(capturedValue(tcpWrappersFact, undefined, `${distro}-clean`)).toEqual({
      linked: true,
      allow: [],
      deny: [],
    });
  });

  it('has rules with their lines, and joins those that go on', () => {
    const { allow, deny } = capturedValue(tcpWrappersFact, undefined, 'debian12-rules');
    expect(allow).toEqual([
      { file: '/etc/hosts.allow', line: 2, text: 'sshd: 10.77.0.0/24' },
      { file: '/etc/hosts.allow', line: 3, text: 'ALL: LOCAL   .example.org' },
    ]);
    expect(deny).toEqual([{ file: '/etc/hosts.deny', line: 1, text: 'ALL: ALL' }]);
  });
});

describe('sshd-daemon', () => {
  it.each(distros)('finds all in order on %s', (distro) => {
    expect(capturedValue(sshdDaemonFact, undefined, `${distro}-clean`)).toEqual({
      pid: expect.any(Number),
      privilegeFolder: { path: '/run/sshd', state: 'ok' },
      openHostKeys: [],
      changedSince: [],
      nologin: [],
    });
  });

  it('sees what changed after sshd was started, and what it will miss', () => {
    expect(capturedValue(sshdDaemonFact, undefined, 'debian12-changed')).toEqual({
      pid: null,
      privilegeFolder: { path: '/run/sshd', state: 'missing' },
      openHostKeys: ['/etc/ssh/ssh_host_rsa_key'],
      changedSince: ['/etc/ssh/sshd_config.d', '/etc/ssh/sshd_config.d/50-new.conf'],
      nologin: ['/etc/nologin'],
    });
  });

  it.each([
    ['0\n0\n', null],
    ['0\n731\n99\n', 731],
    ['', null],
    ['x\n-5\n', null],
  ])('takes the process of the unit before that of a pid file: %j', (text, pid) => {
    const parts = new Map(capturedParts('sshd-daemon', 'debian12-clean'));
    const observed = sshdDaemonFact.parse(parts.set('pid', part(text)), undefined);
    expect(observed).toMatchObject({ known: true, value: { pid } });
  });

  it('does not know what changed where no daemon runs', () => {
    const parts = new Map(capturedParts('sshd-daemon', 'debian12-clean'));
    const observed = sshdDaemonFact.parse(parts.set('changed', part('', { status: 3 })), undefined);
    expect(observed).toMatchObject({ known: true, value: { changedSince: null } });
  });

  it.each([
    ['stat 1000 755', 'unsafe'],
    ['stat 0 775', 'unsafe'],
    ['stat 0 711', 'ok'],
  ])('judges a folder with %s as %s', (stat, state) => {
    const parts = new Map(capturedParts('sshd-daemon', 'debian12-clean'));
    parts.set('folder', part(`folder /run/sshd\n${stat}\n`));
    expect(sshdDaemonFact.parse(parts, undefined)).toMatchObject({
      known: true,
      value: { privilegeFolder: { state } },
    });
  });

  it.each([
    ['0 0 640 /k', ['/k']],
    ['0 101 640 /k', []],
    ['0 101 644 /k', ['/k']],
    ['1000 0 644 /k', []],
  ])('judges the host key %j', (line, open) => {
    const parts = new Map(capturedParts('sshd-daemon', 'debian12-clean'));
    parts.set('keys', part(`${line}\n`));
    expect(sshdDaemonFact.parse(parts, undefined)).toMatchObject({
      known: true,
      value: { openHostKeys: open },
    });
  });
});
