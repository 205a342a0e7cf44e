import { describe, expect, it } from 'vitest';
import { known, unknown } from '../../src/facts/fact.ts';
import type { TcpWrappers } from '../../src/facts/tcp-wrappers.ts';
import { walkTcpWrappers } from '../../src/walk/tcp-wrappers.ts';

function rules(allow: readonly string[], deny: readonly string[]): TcpWrappers {
  const toRules = (file: string, lines: readonly string[]): TcpWrappers['allow'] =>
    lines.map((text, index) => ({ file, line: index + 1, text }));
  return {
    linked: true,
    allow: toRules('/etc/hosts.allow', allow),
    deny: toRules('/etc/hosts.deny', deny),
  };
}

const four = { address: '10.77.0.1', destination: '10.77.0.2' };
const six = { address: 'fd77::1', destination: 'fd77::2' };

describe('walkTcpWrappers', () => {
  it.each<[string, readonly string[], readonly string[], string]>([
    ['nothing', [], [], 'ok'],
    ['all denied', [], ['ALL: ALL'], 'broken'],
    ['another daemon', [], ['in.telnetd: ALL'], 'ok'],
    ['a list of daemons', [], ['in.telnetd, sshd: ALL'], 'broken'],
    ['daemons EXCEPT ours', [], ['ALL EXCEPT sshd: ALL'], 'ok'],
    ['an allow before', ['sshd: 10.77.0.1'], ['ALL: ALL'], 'ok'],
    ['an allow of others', ['sshd: 10.77.0.9'], ['ALL: ALL'], 'broken'],
    ['a prefix', [], ['sshd: 10.77.'], 'broken'],
    ['a prefix of others', [], ['sshd: 10.7.'], 'ok'],
    ['a mask', ['sshd: 10.77.0.0/255.255.255.0'], ['ALL: ALL'], 'ok'],
    ['CIDR', ['sshd: 10.77.0.0/24'], ['ALL: ALL'], 'ok'],
    ['a wildcard', [], ['sshd: 10.77.0.?'], 'broken'],
    ['EXCEPT us', [], ['ALL: ALL EXCEPT 10.77.0.0/24'], 'ok'],
    ['EXCEPT within EXCEPT', [], ['ALL: ALL EXCEPT 10.77. EXCEPT 10.77.0.1'], 'broken'],
    ['an allow that denies', ['sshd: ALL: deny'], [], 'broken'],
    ['a deny that allows', [], ['sshd: ALL: allow', 'ALL: ALL'], 'ok'],
    [
      'options that change nothing',
      [],
      ['sshd: ALL: spawn (echo %h) & : severity auth.info'],
      'broken',
    ],
    ['another program in its place', [], ['sshd: ALL: twist /bin/echo no'], 'unknown'],
    ['a name, and all denied', ['sshd: .example.org'], ['ALL: ALL'], 'unknown'],
    ['a name, and nothing denied', ['sshd: .example.org'], [], 'ok'],
    ['a denied name', [], ['sshd: .example.org'], 'unknown'],
    ['PARANOID', [], ['ALL: PARANOID'], 'unknown'],
    ['PARANOID behind an allow', ['sshd: 10.'], ['ALL: PARANOID'], 'ok'],
    ['a netgroup', [], ['sshd: @bad'], 'unknown'],
    ['a file of patterns', [], ['sshd: /etc/bad'], 'unknown'],
    ['a user', [], ['sshd: joe@10.77.0.1'], 'unknown'],
    ['all users', [], ['sshd: ALL@10.77.0.1'], 'broken'],
    ['a daemon at our address', [], ['sshd@10.77.0.2: ALL'], 'broken'],
    ['a daemon at another address', [], ['sshd@10.77.0.3: ALL'], 'ok'],
    ['IPv6 of others', [], ['sshd: [2001:db8::]/32'], 'ok'],
  ])('judges %s', (_, allow, deny, state) => {
    expect(walkTcpWrappers(known(rules(allow, deny)), four)?.state).toBe(state);
  });

  it.each<[string, readonly string[], readonly string[], string]>([
    ['a prefix in brackets', ['sshd: [fd77::]/64'], ['ALL: ALL'], 'ok'],
    ['IPv4 of others', ['sshd: 10.77.'], ['ALL: ALL'], 'broken'],
    ['an address in brackets', [], ['sshd: [fd77::1]'], 'broken'],
  ])('judges %s for a client of IPv6', (_, allow, deny, state) => {
    expect(walkTcpWrappers(known(rules(allow, deny)), six)?.state).toBe(state);
  });

  it('names the rule', () => {
    expect(walkTcpWrappers(known(rules([], ['# no', 'ALL: ALL'])), four)?.by).toBe(
      '/etc/hosts.deny:2: ALL: ALL',
    );
  });

  it('judges only what needs no address where nobody knows it', () => {
    const nobody = { address: null, destination: null };
    expect(walkTcpWrappers(known(rules([], ['ALL: ALL'])), nobody)?.state).toBe('broken');
    expect(walkTcpWrappers(known(rules([], ['sshd: 10.'])), nobody)?.state).toBe('unknown');
  });

  it('has nothing to say where sshd does not ask', () => {
    expect(walkTcpWrappers(known({ ...rules([], ['ALL: ALL']), linked: false }), four)).toBeNull();
    expect(walkTcpWrappers(unknown('no sshd'), four)).toMatchObject({ state: 'unknown' });
  });
});
