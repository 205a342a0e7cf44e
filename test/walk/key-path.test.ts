import { describe, expect, it } from 'vitest';
import { loginPathsFact, type LoginPaths, type PathEntry } from '../../src/facts/login-path.ts';
import type { Accounts } from '../../src/facts/accounts.ts';
import { expandPattern, judgeKeyPath } from '../../src/walk/key-path.ts';
import { judgeKeys, type KeyQuestion } from '../../src/walk/keys.ts';
import { capturedValue } from '../facts/support/captured.ts';
import { accountOf, accounts } from './support/login.ts';

const admin = accountOf('admin');
const clean = capturedValue(loginPathsFact, undefined, 'debian12-clean');
const file = '/home/admin/.ssh/authorized_keys';

function paths(
  changes: Readonly<Record<string, Partial<PathEntry>>>,
  more: Partial<LoginPaths> = {},
): LoginPaths {
  const entries = { ...clean.entries };
  for (const [path, change] of Object.entries(changes)) {
    const own = entries[path] ?? { type: 'directory', uid: 0, gid: 0, mode: 0o755, acl: false };
    entries[path] = { ...own, ...change };
  }
  return { ...clean, entries, ...more };
}

function judge(
  changes: Readonly<Record<string, Partial<PathEntry>>>,
  more: { strict?: boolean; paths?: Partial<LoginPaths>; accounts?: Accounts; path?: string } = {},
): string {
  const finding = judgeKeyPath(more.path ?? file, {
    paths: paths(changes, more.paths),
    account: admin,
    accounts: more.accounts ?? accounts,
    strict: more.strict ?? true,
  });
  return `${finding.state}: ${finding.by}`;
}

describe('expandPattern', () => {
  it.each([
    ['.ssh/authorized_keys', '/home/admin/.ssh/authorized_keys'],
    ['/etc/ssh/keys/%u', '/etc/ssh/keys/admin'],
    ['%h/keys', '/home/admin/keys'],
    ['/k/%U', '/k/1000'],
    ['/k/100%%', '/k/100%'],
    ['//k///x', '/k/x'],
    ['/k/%x', null],
    ['/k/../x', null],
  ])('makes of %s %s', (pattern, path) => {
    expect(expandPattern(pattern, admin)).toBe(path);
  });
});

describe('StrictModes', () => {
  it.each<[string, Readonly<Record<string, Partial<PathEntry>>>, string]>([
    ['nothing changed', {}, 'ok'],
    ['a home that others may write to', { '/home/admin': { mode: 0o757 } }, 'broken'],
    ['a home that its own group may write to', { '/home/admin': { mode: 0o775 } }, 'ok'],
    [
      'a home that another group may write to',
      { '/home/admin': { mode: 0o775, gid: 0 } },
      'broken',
    ],
    ['a home of another', { '/home/admin': { uid: 5 } }, 'broken'],
    ['a home of root', { '/home/admin': { uid: 0 } }, 'ok'],
    ['/home that all may write to', { '/home': { mode: 0o777 } }, 'ok'],
    ['.ssh of another', { '/home/admin/.ssh': { uid: 5, mode: 0o755 } }, 'broken'],
    ['keys that all may write to', { [file]: { mode: 0o666 } }, 'broken'],
    ['keys of root, for all to read', { [file]: { uid: 0, mode: 0o644 } }, 'ok'],
    ['keys of root, for nobody to read', { [file]: { uid: 0, gid: 0, mode: 0o600 } }, 'broken'],
    [
      'keys with a list of their own',
      { [file]: { uid: 0, gid: 0, mode: 0o600, acl: true } },
      'unknown',
    ],
    ['a home that nobody may enter', { '/home/admin': { mode: 0o600 } }, 'broken'],
    ['a folder in place of the keys', { [file]: { type: 'directory' } }, 'broken'],
  ])('%s', (_, changes, state) => {
    expect(judge(changes)).toMatch(new RegExp(`^${state}`));
  });

  it('names what is wrong', () => {
    expect(judge({ '/home/admin': { mode: 0o757 } })).toBe(
      'broken: StrictModes: bad owner or mode of /home/admin (owner 1000, group 1000, mode 0757)',
    );
  });

  it('looks at nothing but the way in without it', () => {
    expect(judge({ '/home/admin': { mode: 0o757 } }, { strict: false })).toMatch(/^ok/);
    expect(judge({ '/home/admin': { mode: 0o600 } }, { strict: false })).toMatch(/^broken/);
  });

  it('tolerates no group on other systems', () => {
    const other = { privateGroups: false };
    expect(judge({ '/home/admin': { mode: 0o775 } }, { paths: other })).toMatch(/^broken/);
  });

  it.each<[string, readonly string[], string]>([
    ['with another member', ['games'], 'broken'],
    ['with the user named', ['admin'], 'ok'],
    ['with two', ['admin', 'games'], 'broken'],
  ])('tolerates the own group only %s: %s', (_, members, state) => {
    const groups = accounts.groups.map((group) =>
      group.name === 'admin' ? { ...group, members } : group,
    );
    expect(
      judge({ '/home/admin': { mode: 0o775 } }, { accounts: { ...accounts, groups } }),
    ).toMatch(new RegExp(`^${state}`));
  });

  it('checks a file outside of the home up to /', () => {
    const own = { type: 'file' as const, mode: 0o644 };
    const path = '/keys/all/admin';
    const at = (mode: number): string =>
      judge({ '/keys': { mode }, '/keys/all': {}, [path]: own }, { path });
    expect(at(0o755)).toMatch(/^ok/);
    expect(at(0o777)).toMatch(/^broken: .*\/keys /);
    expect(at(0o775)).toMatch(/^broken: .*\/keys /);
  });

  it('follows links to what they lead to', () => {
    const real = { [file]: '/data/keys' };
    const data = { '/data/keys': { type: 'file' as const, mode: 0o644, uid: 1000 } };
    expect(judge({ ...data, '/data': {} }, { paths: { real } })).toMatch(/^ok/);
    expect(judge({ ...data, '/data': { mode: 0o777 } }, { paths: { real } })).toMatch(/^broken/);
    expect(judge({}, { paths: { real: { [file]: '' } } })).toBe(`broken: there is no ${file}`);
  });

  it('is unknown where root itself may not look', () => {
    expect(judge({}, { paths: { shut: ['/home/admin'] } })).toMatch(/^unknown/);
  });
});

describe('judgeKeys', () => {
  const question: KeyQuestion = {
    offered: null,
    address: '10.77.0.1',
    today: 20_778,
    accepted: null,
    rsaBits: 1024,
    needsCommand: false,
  };
  const ed = { fingerprint: 'SHA256:ed', type: 'ED25519', bits: 256 };
  const rsa = { fingerprint: 'SHA256:rsa', type: 'RSA', bits: 2048 };

  it.each<[string, string, Partial<KeyQuestion>, string]>([
    ['no options', '', {}, 'ok'],
    ['a net that holds us', 'from="10.77.0.0/24"', {}, 'ok'],
    ['a pattern that holds us', 'from="10.77.0.*"', {}, 'ok'],
    ['a net of others', 'from="192.0.2.0/24"', {}, 'broken'],
    ['a net without us', 'from="!10.77.0.1,*"', {}, 'broken'],
    ['a name', 'from="*.example.org"', {}, 'unknown'],
    ['a net, and nobody knows where we are', 'from="10.0.0.0/8"', { address: null }, 'unknown'],
    ['an end long past', 'expiry-time="20200101"', {}, 'broken'],
    ['an end to come', 'expiry-time="20990101"', {}, 'ok'],
    ['an end about now', 'expiry-time="202611211200"', {}, 'unknown'],
    ['a key that signs', 'cert-authority', {}, 'unknown'],
    ['quotes and commas', 'no-pty,from="10.77.0.1,192.0.2.1",no-X11-forwarding', {}, 'ok'],
    ['root needs a command', '', { needsCommand: true }, 'broken'],
    ['root has a command', 'command=""', { needsCommand: true }, 'ok'],
    ['another key', '', { offered: ['SHA256:other'] }, 'broken'],
    ['our key', '', { offered: ['SHA256:other', 'SHA256:ed'] }, 'ok'],
    ['its algorithm is left out', '', { accepted: 'rsa-sha2-512,ecdsa-*' }, 'broken'],
    ['its algorithm is taken away', '', { accepted: '-ssh-ed25519' }, 'broken'],
    ['another is added', '', { accepted: '+ssh-rsa' }, 'ok'],
    ['a pattern takes it', '', { accepted: 'ssh-ed25519*' }, 'ok'],
  ])('%s', (_, options, more, state) => {
    const found = judgeKeys(file, { keys: [ed], options: [options] }, { ...question, ...more });
    expect(found.state).toBe(state);
  });

  it('takes the best of several keys', () => {
    const both = { keys: [ed, rsa], options: ['from="192.0.2.1"', ''] };
    expect(judgeKeys(file, both, question).state).toBe('ok');
    expect(judgeKeys(file, both, { ...question, offered: ['SHA256:ed'] }).state).toBe('broken');
    expect(judgeKeys(file, both, { ...question, rsaBits: 3072 }).state).toBe('broken');
  });

  it('does not know which options are whose where some lines are no keys', () => {
    const odd = { keys: [ed], options: ['from="192.0.2.1"', ''] };
    expect(judgeKeys(file, odd, question).state).toBe('unknown');
    expect(judgeKeys(file, { keys: [ed], options: ['', '', ''] }, question).state).toBe('ok');
  });

  it('says what is not there', () => {
    expect(judgeKeys(file, { keys: [], options: [] }, question).state).toBe('broken');
    expect(judgeKeys(file, { keys: null, options: [] }, question).state).toBe('broken');
    expect(judgeKeys(file, { keys: null, options: [''] }, question).state).toBe('ok');
    expect(judgeKeys(file, undefined, question).state).toBe('unknown');
  });

  it('sees a command of its own', () => {
    expect(judgeKeys(file, { keys: [ed], options: ['command=""'] }, question).forced).toBe(true);
    expect(judgeKeys(file, { keys: [ed], options: ['no-pty'] }, question).forced).toBe(false);
  });
});
