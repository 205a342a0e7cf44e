import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { FactSet, request, type FactRequest } from '../../src/facts/fact.ts';
import { fail2banFact } from '../../src/facts/fail2ban.ts';
import { hostKeysFact } from '../../src/facts/host-keys.ts';
import { listenersFact } from '../../src/facts/listeners.ts';
import { loginFilesFact } from '../../src/facts/login-files.ts';
import { sshdFact } from '../../src/facts/sshd.ts';
import { tcpWrappersRequest } from '../../src/facts/tcp-wrappers.ts';
import type { Layer, Link } from '../../src/walk/link.ts';
import type { View } from '../../src/walk/login.ts';
import { brokenLink, walk, walkRequests } from '../../src/walk/walk.ts';
import { capturedParts, capturedValue, captured } from '../facts/support/captured.ts';
import {
  accountOf,
  accounts,
  cleanFacts,
  endpointOf,
  keys,
  pamWith,
  withAccounts,
  withConfig,
  withPam,
} from './support/login.ts';

const clean = cleanFacts();

function verdict(facts: FactSet, endpoint: Endpoint = endpointOf(), view: View = 'now'): string {
  const links = walk(facts, endpoint, view);
  const link = brokenLink(links) ?? links.find(({ state }) => state === 'unknown');
  return link === undefined ? 'ok' : `${link.layer} ${link.state}: ${link.by}`;
}

function linkOf(facts: FactSet, layer: Layer, endpoint = endpointOf(), view: View = 'now'): Link {
  const found = walk(facts, endpoint, view).find((link) => link.layer === layer);
  if (found === undefined) {
    throw new TypeError(`no ${layer}`);
  }
  return found;
}

function sshd(lines: string, user = 'admin', more: Partial<Endpoint> = {}): string {
  return verdict(withConfig(clean, { '50-own': lines }), endpointOf(user, more));
}

describe('a login to an untouched host', () => {
  it.each(['root', 'admin'])('passes every layer as %s', (user) => {
    const links = walk(clean, endpointOf(user));
    expect(links.map(({ layer, state }) => `${layer} ${state}`)).toEqual([
      'firewall ok',
      'listener ok',
      'handshake ok',
      'authentication ok',
      'account ok',
      'session ok',
    ]);
  });

  it('asks for each fact once', () => {
    const requested = walkRequests(endpointOf()).map(({ key }) => key);
    expect(new Set(requested).size).toBe(requested.length);
  });

  it('is unknown in every layer where nothing was observed', () => {
    const links = walk(new FactSet(new Map()), endpointOf());
    expect(links.map(({ state }) => state)).not.toContain('ok');
    expect(links.map(({ state }) => state)).not.toContain('broken');
  });
});

describe('sshd lets in by its lists', () => {
  const drop = '/etc/ssh/sshd_config.d/50-own.conf';

  it.each([
    ['AllowUsers root', `authentication broken: admin is not listed in AllowUsers (${drop}:1)`],
    ['AllowUsers root admin', 'ok'],
    ['AllowUsers admin@10.77.0.0/24', 'ok'],
    [
      'AllowUsers admin@192.0.2.*',
      `authentication broken: admin is not listed in AllowUsers (${drop}:1)`,
    ],
    ['DenyUsers admin', `authentication broken: admin is listed in DenyUsers (admin at ${drop}:1)`],
    [
      'AllowGroups wheel',
      `authentication broken: none of the groups of admin is listed in AllowGroups (${drop}:1)`,
    ],
    [
      'Match User admin\nPubkeyAuthentication no',
      `authentication broken: PubkeyAuthentication no (${drop}:2)`,
    ],
    ['Match User root\nDenyUsers admin', 'ok'],
    ['PubkeyAuthentication no', `authentication broken: PubkeyAuthentication no (${drop}:1)`],
    [
      'AuthenticationMethods password',
      `authentication broken: AuthenticationMethods password (${drop}:1) leaves out publickey`,
    ],
    [
      'AuthenticationMethods publickey,password',
      `authentication unknown: AuthenticationMethods publickey,password (${drop}:1) asks for more than publickey`,
    ],
    ['AuthenticationMethods publickey password', 'ok'],
    [
      'AuthorizedKeysFile none',
      `authentication broken: AuthorizedKeysFile none (${drop}:1): sshd reads no file of keys`,
    ],
    [
      'AuthorizedKeysFile /keys/%u',
      'authentication unknown: AuthorizedKeysFile /keys/%u: the file was not looked at',
    ],
    [
      'AuthorizedKeysFile .ssh/authorized_keys2',
      'authentication broken: there is no /home/admin/.ssh/authorized_keys2',
    ],
    [
      'AuthorizedKeysFile .ssh/authorized_keys2\nAuthorizedKeysCommand /bin/keys',
      `authentication unknown: whether AuthorizedKeysCommand /bin/keys (${drop}:2) has a key for this login is not known`,
    ],
    [
      'RevokedKeys /etc/ssh/revoked',
      `authentication unknown: RevokedKeys /etc/ssh/revoked (${drop}:1): the file was not looked at`,
    ],
    ['MaxSessions 0', `session broken: MaxSessions 0 (${drop}:1)`],
    ['MaxStartups 0:30:10', `handshake broken: MaxStartups 0 lets no connection in`],
    [
      'ForceCommand /bin/x',
      `session unknown: ForceCommand /bin/x (${drop}:1) runs in place of what a login asks for`,
    ],
    ['UsePAM no', 'ok'],
  ])('%s', (lines, expected) => {
    expect(sshd(lines)).toBe(expected);
  });

  it('takes the first of two lines that say different things', () => {
    const facts = withConfig(clean, {
      '10-first': 'PubkeyAuthentication yes',
      '50-own': 'PubkeyAuthentication no',
    });
    expect(verdict(facts)).toBe('ok');
  });

  it.each([
    ['yes', 'ok'],
    ['prohibit-password', 'ok'],
    ['without-password', 'ok'],
    ['no', `authentication broken: PermitRootLogin no (${drop}:1)`],
  ])('PermitRootLogin %s with a key', (value, expected) => {
    expect(sshd(`PermitRootLogin ${value}`, 'root')).toBe(expected);
  });

  it('does not know who is asked for by address where nobody knows it', () => {
    expect(
      sshd('Match Address 10.0.0.0/8\nPubkeyAuthentication no', 'admin', { from: null }),
    ).toContain('unknown');
    expect(sshd('AllowUsers admin', 'admin', { from: null })).toBe(
      'firewall unknown: the address that logins come from is not known',
    );
  });
});

describe('a password', () => {
  const password = (user = 'admin'): Endpoint => endpointOf(user, { credential: 'password' });

  it('is asked for, and is good for an account that has one', () => {
    expect(verdict(clean, password())).toBe('ok');
  });

  it.each<[string, FactSet, Endpoint, string]>([
    [
      'switched off',
      withConfig(clean, { '50-own': 'PasswordAuthentication no' }),
      password(),
      'authentication broken: PasswordAuthentication no (/etc/ssh/sshd_config.d/50-own.conf:1)',
    ],
    [
      'root',
      clean,
      password('root'),
      'authentication broken: PermitRootLogin prohibit-password (default)',
    ],
    [
      'locked',
      withAccounts(clean, accountOf('admin', { password: 'locked' })),
      password(),
      'authentication broken: the password of admin is locked',
    ],
    [
      'none',
      withAccounts(clean, accountOf('admin', { password: 'star' })),
      password(),
      'authentication broken: admin has no password',
    ],
    [
      'empty',
      withAccounts(clean, accountOf('admin', { password: 'empty' })),
      password(),
      'authentication broken: the password of admin is empty (PermitEmptyPasswords no (default))',
    ],
  ])('%s', (_, facts, endpoint, expected) => {
    expect(verdict(facts, endpoint)).toBe(expected);
  });

  it('may come by PAM where plain passwords are off', () => {
    const facts = withConfig(clean, {
      '50-own': 'PasswordAuthentication no\nKbdInteractiveAuthentication yes',
    });
    expect(verdict(facts, password())).toBe('ok');
  });

  it('passes the auth stack of PAM, which a key does not', () => {
    const facts = withPam(clean, pamWith(['auth required pam_deny.so']));
    expect(verdict(facts, password())).toMatch(/^authentication broken: .*pam_deny/);
    expect(verdict(facts)).toBe('ok');
  });

  it('or a key will do where nobody knows what the login shows', () => {
    const either = endpointOf('admin', { credential: null });
    const noKeys = withConfig(clean, { '50-own': 'PubkeyAuthentication no' });
    expect(verdict(noKeys, either)).toBe('ok');
    const neither = withConfig(clean, {
      '50-own': 'PubkeyAuthentication no\nPasswordAuthentication no',
    });
    expect(verdict(neither, either)).toBe(
      'authentication broken: PubkeyAuthentication no (/etc/ssh/sshd_config.d/50-own.conf:1); PasswordAuthentication no (/etc/ssh/sshd_config.d/50-own.conf:2)',
    );
    const gssapi = withConfig(clean, {
      '50-own': 'PubkeyAuthentication no\nPasswordAuthentication no\nGSSAPIAuthentication yes',
    });
    expect(verdict(gssapi, either)).toContain('unknown: whether GSSAPIAuthentication yes');
  });
});

describe('the account', () => {
  const others = accounts.accounts.filter(({ name }) => name !== 'admin');
  const withoutAdmin = clean.with([{ key: 'accounts', value: { ...accounts, accounts: others } }]);
  const change = (more: Parameters<typeof accountOf>[1]): FactSet =>
    withAccounts(clean, accountOf('admin', more));

  it.each<[string, FactSet, string]>([
    ['is not there', withoutAdmin, 'authentication broken: there is no account admin'],
    [
      'has a shell that is not there',
      change({ shell: '/bin/x', shellState: 'missing' }),
      'account broken: the shell of admin, /bin/x, is not there',
    ],
    [
      'has a shell that cannot be run',
      change({ shellState: 'not-executable' }),
      'account broken: the shell of admin, /bin/bash, cannot be run',
    ],
    [
      'has nologin',
      change({ shell: '/usr/sbin/nologin' }),
      'account broken: the shell of admin, /usr/sbin/nologin, ends every session',
    ],
    [
      'has a strange shell',
      change({ shell: '/usr/bin/menu' }),
      'account unknown: what the shell of admin, /usr/bin/menu, does is not known',
    ],
    ['has no shell named', change({ shell: '' }), 'ok'],
    ['is locked', change({ password: 'locked' }), 'ok'],
    [
      'is locked without PAM',
      withConfig(change({ password: 'locked-bang' }), { '50-own': 'UsePAM no' }),
      'account broken: the account admin is locked (! in /etc/shadow), and UsePAM no (/etc/ssh/sshd_config.d/50-own.conf:1)',
    ],
    [
      'has a star without PAM',
      withConfig(change({ password: 'star' }), { '50-own': 'UsePAM no' }),
      'ok',
    ],
  ])('%s', (_, facts, expected) => {
    expect(verdict(facts)).toBe(expected);
  });

  it('needs no shell for the sftp server that is built in', () => {
    const facts = withConfig(change({ shell: '/usr/sbin/nologin' }), {
      '50-own': 'ForceCommand internal-sftp',
    });
    expect(linkOf(facts, 'account').state).toBe('ok');
  });

  it('is unknown where a directory service need not have told of it', () => {
    const facts = clean.with([
      { key: 'accounts', value: { ...accounts, accounts: [accountOf('sshd')], incomplete: 'sss' } },
    ]);
    expect(linkOf(facts, 'authentication').state).toBe('unknown');
    expect(linkOf(facts, 'account').state).toBe('unknown');
  });
});

describe('what sshd has not read yet', () => {
  const changed = clean.with([
    {
      key: keys.daemon,
      value: {
        privilegeFolder: { path: '/run/sshd', state: 'ok' },
        openHostKeys: [],
        changedSince: ['/etc/ssh/sshd_config.d/50-own.conf'],
        nologin: [],
      },
    },
  ]);

  it('is unknown now, and counts once it is read', () => {
    const facts = withConfig(changed, { '50-own': 'DenyUsers admin' });
    expect(linkOf(facts, 'authentication')).toMatchObject({
      state: 'unknown',
      by: expect.stringContaining('once it does: kept out, admin is listed in DenyUsers') as string,
    });
    expect(linkOf(facts, 'authentication', endpointOf(), 'reloaded').state).toBe('broken');
  });
});

describe('the handshake', () => {
  const fact = <V>(wanted: FactRequest<V>, value: unknown): FactSet =>
    clean.with([{ key: wanted.key, value }]);
  const hostKeys = request(hostKeysFact, undefined);

  it('fails without a host key', () => {
    const bad = capturedValue(hostKeysFact, undefined, 'debian12-host-keys-bad');
    expect(linkOf(fact(hostKeys, bad), 'handshake')).toMatchObject({
      state: 'broken',
      by: 'sshd has no host key that it can use',
    });
  });

  it('fails where a rule of hosts.deny fits', () => {
    const wrappers = {
      linked: true,
      allow: [],
      deny: [{ file: '/etc/hosts.deny', line: 3, text: 'ALL: 10.' }],
    };
    expect(linkOf(fact(tcpWrappersRequest, wrappers), 'handshake').by).toBe(
      '/etc/hosts.deny:3: ALL: 10.',
    );
  });

  it('fails without the account sshd', () => {
    const others = accounts.accounts.filter(({ name }) => name !== 'sshd');
    const gone = clean.with([{ key: 'accounts', value: { ...accounts, accounts: others } }]);
    expect(linkOf(gone, 'handshake')).toMatchObject({
      state: 'broken',
      by: 'the account sshd, as which sshd talks to strangers, is not there',
    });
  });

  it('fails on a configuration that sshd refuses once it reads it', () => {
    const refused = fact(request(sshdFact, undefined), {
      ...capturedValue(sshdFact, undefined, 'debian12-clean'),
      valid: false,
      problem: 'line 3: Bad configuration option',
    });
    expect(linkOf(refused, 'handshake').state).toBe('ok');
    expect(linkOf(refused, 'handshake', endpointOf(), 'reloaded')).toMatchObject({
      state: 'broken',
      by: 'sshd -t: line 3: Bad configuration option',
    });
  });
});

describe('the listener that will be', () => {
  it.each([
    ['', 22, 'ok'],
    ['Port 2222', 22, 'broken'],
    ['Port 2222', 2222, 'ok'],
    ['Port 22\nPort 2222', 22, 'ok'],
    ['ListenAddress 127.0.0.1', 22, 'broken'],
    ['ListenAddress 10.99.0.1', 22, 'broken'],
    ['ListenAddress 0.0.0.0:2222', 22, 'broken'],
    ['AddressFamily inet6', 22, 'broken'],
    ['ListenAddress ssh.example.org', 22, 'unknown'],
  ])('%j on port %i is %s', (lines, port, state) => {
    const facts = withConfig(clean, { '50-own': lines });
    expect(linkOf(facts, 'listener', endpointOf('admin', { port }), 'reloaded').state).toBe(state);
    // The daemon as it runs knows nothing of it.
    expect(linkOf(facts, 'listener', endpointOf(), 'now').state).toBe('ok');
  });

  it('names the line', () => {
    const facts = withConfig(clean, { '50-own': 'Port 2222' });
    expect(linkOf(facts, 'listener', endpointOf(), 'reloaded').by).toBe(
      'sshd will not listen on port 22, but on 2222 (/etc/ssh/sshd_config.d/50-own.conf:1)',
    );
  });

  it('is that of the socket unit which holds the port', () => {
    const socket = captured(listenersFact, undefined, 'debian12-socket');
    const facts = withConfig(clean, { '50-own': 'Port 2222' }).with([
      { key: 'listeners', value: socket.known ? socket.value : null },
    ]);
    expect(linkOf(facts, 'listener', endpointOf(), 'reloaded').state).toBe('ok');
  });

  it('is none where no daemon runs', () => {
    const facts = clean.with([{ key: 'listeners', value: { sockets: [] } }]);
    expect(linkOf(facts, 'listener', endpointOf(), 'reloaded').by).toBe(
      'nothing listens on port 22',
    );
  });
});

describe('a ban', () => {
  it('is named with its jail where its rule stops the client', () => {
    const wanted = [request(fail2banFact, undefined), ...walkRequests(endpointOf()).slice(0, 2)];
    const facts = clean.with(
      wanted.map((one) => {
        const observed = one.parse(capturedParts(one.name, 'debian12-fail2ban'));
        return { key: one.key, value: observed.known ? observed.value : null };
      }),
    );
    const link = linkOf(facts, 'firewall');
    expect(link.state).toBe('broken');
    expect(link.by).toMatch(/^fail2ban bans 10\.77\.0\.1 \(jails? .*\): /);
  });
});

describe('planned changes', () => {
  it('of owners and modes are seen in the walk', () => {
    const files = capturedValue(loginFilesFact, 'admin', 'debian12-admin');
    const shut = files.entries.map((entry) => ({
      ...entry,
      identity: { ...entry.identity, mode: '0777' },
    }));
    const facts = clean.with([
      { key: request(loginFilesFact, 'admin').key, value: { ...files, entries: shut } },
    ]);
    expect(linkOf(facts, 'authentication').by).toContain('StrictModes');
  });
});
