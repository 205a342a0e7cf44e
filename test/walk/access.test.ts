import { describe, expect, it } from 'vitest';
import { request, type FactSet } from '../../src/facts/fact.ts';
import { iptablesFact, parseSave } from '../../src/facts/iptables.ts';
import { loginPathsFact, type LoginPaths } from '../../src/facts/login-path.ts';
import {
  accessGate,
  accessRequests,
  type AccessInput,
  type AccessVerdict,
} from '../../src/walk/access.ts';
import { capturedValue } from '../facts/support/captured.ts';
import {
  accountOf,
  cleanFacts,
  endpointOf,
  keys,
  pamWith,
  withAccounts,
  withConfig,
  withPam,
} from './support/login.ts';

const clean = cleanFacts();
const drop = '/etc/ssh/sshd_config.d/50-own.conf';

function gate(after: FactSet, more: Partial<AccessInput> = {}): AccessVerdict {
  return accessGate({
    before: clean,
    after,
    endpoint: endpointOf('admin'),
    operator: null,
    acceptLoss: [],
    ...more,
  });
}

function planned(lines: string, more: Partial<AccessInput> = {}): AccessVerdict {
  return gate(withConfig(more.before ?? clean, { '50-own': lines }), more);
}

function losses(verdict: AccessVerdict): string[] {
  return verdict.losses.map(
    ({ user, reason, link }) => `${user} (${reason}): ${link.layer}: ${link.by}`,
  );
}

/** The clean host with an account that logs in by password only. */
const withBob = withAccounts(
  clean,
  accountOf('admin'),
  accountOf('admin', {
    name: 'bob',
    uid: 1001,
    gid: 1001,
    home: '/home/bob',
    groups: ['bob'],
    lastLogin: 3,
  }),
);

describe('the access gate', () => {
  it('has nothing against a plan that changes nothing', () => {
    expect(gate(clean)).toEqual({
      refused: false,
      losses: [],
      doubts: [],
      findings: [],
      assumedFrom: false,
      walked: [
        { user: 'admin', reason: 'endpoint' },
        { user: 'root', reason: 'keys' },
      ],
      incomplete: null,
    });
  });

  it.each<[string, string, readonly string[]]>([
    [
      'AllowUsers without them',
      'AllowUsers root',
      [`admin (endpoint): authentication: admin is not listed in AllowUsers (${drop}:1)`],
    ],
    [
      'AllowUsers without others',
      'AllowUsers admin',
      [`root (keys): authentication: root is not listed in AllowUsers (${drop}:1)`],
    ],
    [
      'DenyUsers',
      'DenyUsers root',
      [`root (keys): authentication: root is listed in DenyUsers (root at ${drop}:1)`],
    ],
    [
      'ListenAddress elsewhere',
      'ListenAddress 127.0.0.1',
      [`admin (endpoint): listener: port 22 is open only on 127.0.0.1 (${drop}:1)`],
    ],
    [
      'another port',
      'Port 2222',
      [`admin (endpoint): listener: sshd will not listen on port 22, but on 2222 (${drop}:1)`],
    ],
    [
      'a Match that takes more than it should',
      'PermitRootLogin yes\nMatch User *\nPubkeyAuthentication no',
      [],
    ],
    [
      'no keys',
      'PubkeyAuthentication no\nPasswordAuthentication yes',
      [
        `admin (endpoint): authentication: PubkeyAuthentication no (${drop}:1)`,
        `root (keys): authentication: PubkeyAuthentication no (${drop}:1); PermitRootLogin prohibit-password (default)`,
      ],
    ],
    ['what loses nothing', 'X11Forwarding no', []],
  ])('%s', (_, lines, expected) => {
    const verdict = planned(lines);
    if (lines.includes('Match User *')) {
      expect(verdict.refused).toBe(true);
      return;
    }
    expect(losses(verdict)).toEqual(expected);
    expect(verdict.refused).toBe(expected.length > 0);
  });

  it('lets a drop-in be that loses to an earlier one', () => {
    const before = withConfig(clean, { '10-first': 'PasswordAuthentication yes' });
    const after = withConfig(clean, {
      '10-first': 'PasswordAuthentication yes',
      '50-own': 'PasswordAuthentication no',
    });
    const password = endpointOf('admin', { credential: 'password' });
    expect(gate(after, { before, endpoint: password }).refused).toBe(false);
    expect(
      gate(
        withConfig(clean, {
          '05-own': 'PasswordAuthentication no',
          '10-first': 'PasswordAuthentication yes',
        }),
        { before, endpoint: password },
      ).refused,
    ).toBe(true);
  });

  it('counts accounts without keys where passwords go', () => {
    const verdict = planned('PasswordAuthentication no', { before: withBob });
    const gone = accessGate({
      before: withBob,
      after: withConfig(withBob, { '50-own': 'PasswordAuthentication no' }),
      endpoint: endpointOf('admin'),
      operator: null,
      acceptLoss: [],
    });
    expect(losses(gone)).toEqual([
      `bob (recent): authentication: there is no /home/bob/.ssh/authorized_keys; PasswordAuthentication no (${drop}:1)`,
    ]);
    expect(verdict.refused).toBe(true);
  });

  it('lets an account go that is named', () => {
    const more = { before: withBob, acceptLoss: ['bob'] };
    const verdict = planned('DenyUsers bob', more);
    expect(verdict.losses).toMatchObject([{ user: 'bob', accepted: true }]);
    expect(verdict.refused).toBe(false);
  });

  it('does not ask about accounts that could not get in, nor about those that nobody uses', () => {
    const locked = withAccounts(
      clean,
      accountOf('admin'),
      accountOf('admin', { name: 'old', uid: 1002, home: '/home/old', lastLogin: 400 }),
      accountOf('admin', {
        name: 'shut',
        uid: 1003,
        home: '/home/shut',
        lastLogin: 1,
        password: 'star',
      }),
    );
    const verdict = planned('DenyUsers old shut', { before: locked });
    expect(verdict.losses).toEqual([]);
    expect(verdict.walked.map(({ user }) => user)).toEqual(['admin', 'root']);
  });

  it('leaves what was broken before as a finding', () => {
    const before = withConfig(clean, { '50-own': 'DenyUsers admin' });
    const after = withConfig(clean, { '50-own': 'DenyUsers admin', '60-more': 'X11Forwarding no' });
    const verdict = gate(after, { before });
    expect(verdict.refused).toBe(false);
    expect(verdict.findings).toMatchObject([{ layer: 'authentication', state: 'broken' }]);
  });

  it('sees a change of an account and of PAM', () => {
    const expired = withAccounts(
      clean,
      accountOf('admin', { shell: '/bin/x', shellState: 'missing' }),
    );
    expect(losses(gate(expired))).toEqual([
      'admin (endpoint): account: the shell of admin, /bin/x, is not there',
    ]);
    const pam = withPam(clean, pamWith(['account required pam_deny.so']));
    expect(gate(pam).losses.map(({ user }) => user)).toEqual(['admin', 'root']);
  });

  it('sees what sshd would read with the reload of a plan that is about something else', () => {
    const stale = withConfig(clean, { '50-own': 'DenyUsers root' }).with([
      {
        key: keys.daemon,
        value: {
          privilegeFolder: { path: '/run/sshd', state: 'ok' },
          openHostKeys: [],
          changedSince: [drop],
          nologin: [],
        },
      },
    ]);
    expect(gate(stale, { before: stale }).refused).toBe(false);
    const reloaded = gate(stale, { before: stale, reloads: true });
    expect(losses(reloaded)).toEqual([
      `root (keys): authentication: root is listed in DenyUsers (root at ${drop}:1)`,
    ]);
    expect(reloaded.losses[0]?.was).toBe('unknown');
  });

  it('lists what was sure and is not any more, and does not refuse for it', () => {
    const verdict = planned('AuthenticationMethods publickey,password');
    expect(verdict.refused).toBe(false);
    expect(verdict.doubts.map(({ user, link }) => `${user}: ${link.layer}`)).toEqual([
      'admin: authentication',
      'root: authentication',
    ]);
  });
});

describe('a port that moves', () => {
  const rules = `*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n`;
  const iptables = request(iptablesFact, undefined);
  const firewalled = (facts: FactSet): FactSet =>
    facts.with([
      {
        key: iptables.key,
        value: {
          ...capturedValue(iptablesFact, undefined, 'debian12-clean'),
          ruleset: { tables: parseSave(rules, 'ip', 'iptables') },
        },
      },
    ]);

  it('is lost where nobody opened it in the firewall', () => {
    const before = firewalled(clean);
    const after = withConfig(before, { '50-own': 'Port 2222' });
    const endpointAfter = endpointOf('admin', { port: 2222 });
    const verdict = gate(after, { before, endpointAfter });
    expect(losses(verdict)).toEqual([
      'admin (endpoint): firewall: iptables filter INPUT: policy drop',
    ]);
  });

  it('is fine where nothing stands in its way', () => {
    const after = withConfig(clean, { '50-own': 'Port 2222' });
    expect(gate(after, { endpointAfter: endpointOf('admin', { port: 2222 }) }).refused).toBe(false);
  });
});

describe('the operator', () => {
  const operator = { user: 'root', port: null, from: { address: '10.77.0.1', assumed: false } };

  it('is walked by name and counts first', () => {
    const verdict = planned('DenyUsers root', { operator });
    expect(verdict.losses).toMatchObject([{ user: 'root', reason: 'operator' }]);
  });

  it('may come by a port that only a router has', () => {
    const after = withConfig(clean, { '50-own': 'Port 22' });
    const verdict = gate(after, { operator: { ...operator, port: 2222 }, reloads: true });
    // Nothing listened there before: something else leads from there to the host.
    expect(verdict.losses).toEqual([]);
  });

  it('is in, so a new rule that locks them out counts whatever stood there before', () => {
    const before = withConfig(clean, { '50-own': 'PermitRootLogin no' });
    const after = withConfig(clean, {
      '50-own': 'PermitRootLogin no',
      '60-more': 'DenyUsers root',
    });
    expect(gate(after, { before, operator }).refused).toBe(true);
    expect(gate(before, { before, operator }).refused).toBe(false);
  });

  it('has facts of their own', () => {
    const wanted = accessRequests(endpointOf('admin'), operator).map(({ key }) => key);
    expect(wanted).toContain('account("root")');
    expect(new Set(wanted).size).toBe(wanted.length);
  });
});

describe('what a verdict rests on', () => {
  it.each([
    [{ address: '10.77.0.1', assumed: true }, true],
    [{ address: '10.77.0.1', assumed: false }, false],
    [null, true],
  ])('from %j: assumed %s', (from, assumed) => {
    expect(gate(clean, { endpoint: endpointOf('admin', { from }) }).assumedFrom).toBe(assumed);
  });

  it('is not all accounts where some may be missing', () => {
    const accounts = (clean.byKey('accounts') as { value: object }).value;
    const before = clean.with([{ key: 'accounts', value: { ...accounts, incomplete: 'sss' } }]);
    expect(gate(before, { before }).incomplete).toBe('sss');
  });

  it('counts keys in a folder for all', () => {
    const paths: LoginPaths = capturedValue(loginPathsFact, undefined, 'debian12-clean');
    const before = withBob.with([
      {
        key: keys.loginPaths,
        value: {
          ...paths,
          keys: { ...paths.keys, '/etc/ssh/keys/bob': { keys: [{}], options: [''] } },
        },
      },
    ]);
    const bob = accountOf('admin', { name: 'bob', home: '/home/bob', lastLogin: null });
    const verdict = gate(withAccounts(before, accountOf('admin'), bob), {
      before: withAccounts(before, accountOf('admin'), bob),
    });
    expect(verdict.walked).toContainEqual({ user: 'bob', reason: 'keys' });
  });
});
