import { describe, expect, test } from 'vitest';
import { lostBecause, opensshFailure } from '../../src/route/openssh-failure.ts';
import { makeTarget } from './support/server.ts';

const open = 'debug1: Connection established.\n';
const banner = `${open}debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\n`;
const login = `${banner}debug1: SSH2_MSG_NEWKEYS received\n`;

const target = makeTarget(22, {
  host: 'web1',
  name: 'web1',
  address: 'web1',
  jump: [makeTarget(22, { host: 'outer', name: 'outer', address: '192.0.2.9', user: 'ops' })],
});

// Texts of OpenSSH 9.2 and 10.0 that need more than a server on this machine to come about.
describe('what the OpenSSH client says', () => {
  test.each([
    ['ssh: Could not resolve hostname web1: Name or service not known', '', 'resolve', 'web1'],
    ['ssh: connect to host web1 port 22: Connection timed out', '', 'connect-timeout', 'web1'],
    ['ssh: connect to host web1 port 22: No route to host', '', 'no-route', 'web1'],
    ['ssh: connect to host web1 port 22: Network is unreachable', '', 'net-unreachable', 'web1'],
    [`${open}Connection timed out during banner exchange`, '', 'handshake-timeout', 'web1'],
    [
      `${open}kex_exchange_identification: read: Connection reset by peer`,
      '',
      'handshake-closed',
      'reset by peer',
    ],
    [
      `${login}Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures`,
      '',
      'auth-failed',
      'Too many',
    ],
    [`${login}Connection closed by 192.0.2.1 port 22`, '', 'auth-failed', 'closed by'],
    [
      `${banner}Host key ED25519 SHA256:x revoked by file /etc/ssh/revoked`,
      '',
      'host-key-revoked',
      '/etc/ssh/revoked',
    ],
    [
      'kex_exchange_identification: Connection closed by remote host',
      'ops@outer: Permission denied (publickey).',
      'auth-failed',
      'jump host outer',
    ],
    [
      'kex_exchange_identification: Connection closed by remote host',
      'channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed',
      'connection-refused',
      'jump host outer',
    ],
    [
      'kex_exchange_identification: Connection closed by remote host',
      'ssh: connect to host 192.0.2.9 port 22: Connection timed out',
      'connect-timeout',
      'jump host outer',
    ],
    ['Connection timed out during banner exchange', '', 'connect-timeout', 'jump host outer'],
    ['', '/tmp/c: line 3: Bad configuration option: nosuch', 'invalid-host', 'nosuch'],
    ['something new', '', 'no-route', 'something new'],
  ])('%j %j', (log, said, code, word) => {
    const failure = opensshFailure(target, {
      log: `${log}\n`,
      said,
      notes: [],
      timedOut: null,
      connectSeconds: 10,
    });
    expect(failure.code).toBe(code);
    expect(`${failure.what} ${failure.why}`).toContain(word);
  });

  test('words of the other side are cleaned', () => {
    const failure = opensshFailure(target, {
      log: `${login}\u001b]0;evil\u0007Connection closed by \u001b[31mhost\n`,
      said: '',
      notes: [],
      timedOut: null,
      connectSeconds: 10,
    });
    expect(JSON.stringify(failure)).not.toMatch(/\\u001b|\\u0007/);
  });

  test.each([
    ['Timeout, server web1 not responding.', 'Timeout, server web1 not responding.'],
    ['Connection to web1 closed by remote host.', 'Connection to web1 closed by remote host.'],
    ['debug1: nothing of use', 'the OpenSSH client ended with status 255'],
  ])('a lost connection: %s', (log, because) => {
    expect(lostBecause(`${log}\n`, 'with status 255')).toBe(because);
  });
});
