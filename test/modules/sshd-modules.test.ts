import { describe, expect, it } from 'vitest';
import type { Change } from '../../src/core/change.ts';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { accountRequest, accountsRequest, type Accounts } from '../../src/facts/accounts.ts';
import { known, request, FactSet, type Observed } from '../../src/facts/fact.ts';
import { listenersFact } from '../../src/facts/listeners.ts';
import { sshdConfigRequest, type SshdConfig } from '../../src/facts/sshd-config.ts';
import { sshdFaultsRequest, type SshdFaults } from '../../src/facts/sshd-faults.ts';
import { parseDaemonOptions } from '../../src/facts/sshd-options.ts';
import { unitsFact } from '../../src/facts/units.ts';
import { groupToolsRequest } from '../../src/modules/group-member.ts';
import type { ModulePlan } from '../../src/modules/module.ts';
import { sshdAdmit } from '../../src/modules/sshd-admit.ts';
import { sshdOption } from '../../src/modules/sshd-option.ts';
import { sshdSyntax } from '../../src/modules/sshd-syntax.ts';
import { sshdRequest } from '../../src/modules/ssh-unit.ts';
import { configOf, dropIn, main } from '../facts/support/sshd-config.ts';

const endpoint: Endpoint = {
  host: 'web',
  address: '10.77.0.2',
  port: 22,
  user: 'admin',
  from: { address: '10.77.0.1', assumed: false },
};
const context = { endpoint, runId: 'r1', render: () => '' };

const account = {
  name: 'admin',
  uid: 1000,
  gid: 1000,
  home: '/home/admin',
  shell: '/bin/sh',
  shellState: 'ok',
  groups: ['admin'],
  local: true,
  password: 'usable',
  aging: null,
  lastLogin: null,
} as const;

function accountsOf(groups: readonly string[] = ['admin']): Accounts {
  return {
    today: 20000,
    accounts: [{ ...account, groups }],
    groups: [
      { name: 'admin', gid: 1000, members: [] },
      { name: 'ops', gid: 2000, members: groups.includes('ops') ? ['admin'] : [] },
      { name: 'sudo', gid: 27, members: [] },
    ],
    incomplete: null,
    groupsIncomplete: null,
  };
}

const unit = {
  id: 'ssh.service',
  load: 'loaded',
  active: 'active',
  sub: 'running',
  file: 'enabled',
  result: 'success',
};
const units = request(unitsFact, ['ssh.service', 'sshd.service', 'ssh.socket', 'sshd.socket']);

interface Host {
  readonly config: SshdConfig;
  readonly accounts?: Accounts;
  readonly active?: string;
  readonly faults?: Partial<SshdFaults>;
}

function factsOf({ config, accounts = accountsOf(), active = 'active', faults }: Host): FactSet {
  const values: [string, unknown][] = [
    [sshdConfigRequest.key, config],
    [accountsRequest.key, accounts],
    [accountRequest('admin').key, accounts.accounts[0]],
    [groupToolsRequest.key, { gpasswd: true }],
    [units.key, { 'ssh.service': { ...unit, active } }],
    [
      request(listenersFact, undefined).key,
      { sockets: [{ address: '0.0.0.0', port: 22, processes: ['sshd'] }] },
    ],
    [
      sshdRequest.key,
      { installed: true, valid: true, problem: '', authorizedKeysFile: null, forbidden: false },
    ],
    [
      sshdFaultsRequest.key,
      { faults: [], binary: [], left: [], complete: true, originals: [], ...faults },
    ],
  ];
  return new FactSet(
    new Map(values.map(([key, value]): [string, Observed<unknown>] => [key, known(value)])),
  );
}

function changesOf(plan: ModulePlan): readonly Change[] {
  return plan.action === 'change' ? plan.changes : [];
}

/** New text by path; what the module says again on the facts that its changes leave. */
function written(plan: ModulePlan): Record<string, string | null> {
  return Object.fromEntries(
    changesOf(plan).flatMap(({ action }) =>
      action.type === 'write' ? [[action.path, action.content?.toString() ?? null]] : [],
    ),
  );
}

function after(facts: FactSet, plan: ModulePlan): FactSet {
  return changesOf(plan).reduce((now, one) => now.with(one.factsAfter), facts);
}

const option = { mode: 'set', everywhere: false } as const;

describe('sshd-option', () => {
  const no = { ...option, option: 'PasswordAuthentication', value: 'no' };

  it.each<[string, Record<string, string>, Record<string, string>]>([
    [
      'edits the drop-in that wins and leaves the loser, CRLF and comments as they are',
      {
        [main]: 'Include sshd_config.d/*.conf\nPasswordAuthentication yes\n',
        [dropIn('50-cloud')]: '# x\r\n\tPasswordAuthentication  yes  # why\r\nMaxSessions 1',
      },
      { [dropIn('50-cloud')]: '# x\r\n\tPasswordAuthentication  no  # why\r\nMaxSessions 1' },
    ],
    [
      'writes below the commented example',
      { [main]: 'UsePAM yes\n#PasswordAuthentication yes\nMatch user x\nX11Forwarding no\n' },
      {
        [main]:
          'UsePAM yes\n#PasswordAuthentication yes\nPasswordAuthentication no\nMatch user x\nX11Forwarding no\n',
      },
    ],
    [
      'never writes into a Match block',
      { [main]: 'Match user x\nX11Forwarding no\n#PasswordAuthentication yes\n' },
      {
        [main]:
          'PasswordAuthentication no\nMatch user x\nX11Forwarding no\n#PasswordAuthentication yes\n',
      },
    ],
    [
      'keeps a missing last newline',
      { [main]: 'UsePAM yes' },
      { [main]: 'UsePAM yes\nPasswordAuthentication no' },
    ],
    [
      'keeps the spelling',
      { [main]: 'passwordauthentication=YES\n' },
      { [main]: 'passwordauthentication=no\n' },
    ],
  ])('%s', (_, before, wanted) => {
    const facts = factsOf({ config: configOf(before) });
    const plan = sshdOption.plan(no, facts, context);
    expect(written(plan)).toEqual(wanted);
    expect(changesOf(plan).at(-1)?.action).toEqual({
      type: 'sshd-reload',
      unit: 'ssh.service',
      ports: [22],
    });
    expect(sshdOption.plan(no, after(facts, plan), context)).toMatchObject({ action: 'none' });
  });

  it('everywhere reaches the Match blocks, too; the reason names each line', () => {
    const text =
      'PasswordAuthentication yes\nMatch user a\nPasswordAuthentication yes\nMatch user b\nPasswordAuthentication no\n';
    const plan = sshdOption.plan(
      { ...no, everywhere: true },
      factsOf({ config: configOf({ [main]: text }) }),
      context,
    );
    expect(written(plan)[main]).toBe(text.replaceAll(' yes', ' no'));
    expect(plan.reason).toContain(`${main}:1 wins: PasswordAuthentication yes`);
    expect(plan.reason).toContain(`${main}:3 applies to some`);
  });

  it('a value that stands is left; so is one that is the default', () => {
    const facts = factsOf({ config: configOf({ [main]: 'PasswordAuthentication no\n' }) });
    expect(sshdOption.plan(no, facts, context)).toMatchObject({ action: 'none' });
    expect(
      sshdOption.plan({ ...option, option: 'X11Forwarding', value: 'no' }, facts, context),
    ).toMatchObject({ action: 'none', reason: expect.stringContaining('default') });
  });

  it('warns where a file says that something else writes it', () => {
    const config = configOf({
      [main]: '# This file is managed by Puppet\nPasswordAuthentication yes\n',
    });
    expect(sshdOption.plan(no, factsOf({ config }), context).reason).toMatch(
      /Puppet.*written over/,
    );
  });

  it('is blocked by the command line of the daemon, which wins', () => {
    const config = {
      ...configOf({ [main]: '' }),
      options: parseDaemonOptions(['-o', 'PasswordAuthentication=yes']),
    };
    expect(sshdOption.plan(no, factsOf({ config }), context)).toMatchObject({ action: 'blocked' });
  });

  it('leaves a daemon that is down alone', () => {
    const facts = factsOf({
      config: configOf({ [main]: 'PasswordAuthentication yes\n' }),
      active: 'failed',
    });
    const plan = sshdOption.plan(no, facts, context);
    expect(changesOf(plan).map(({ kind }) => kind)).toEqual(['file']);
    expect(plan.reason).toContain('does not run');
  });

  it.each([
    ['Port', '2222', 'set'],
    ['AllowUsers', 'a', 'set'],
    ['MaxSessions', '2', 'add'],
    ['Match', 'all', 'set'],
    ['Banner', '"/a', 'set'],
  ] as const)('refuses %s %s by %s', (name, value, mode) => {
    const facts = factsOf({ config: configOf({ [main]: '' }) });
    expect(sshdOption.plan({ ...option, option: name, value, mode }, facts, context)).toMatchObject(
      {
        action: 'blocked',
      },
    );
  });

  const list = (mode: 'add' | 'remove', value: string, text: string): ModulePlan =>
    sshdOption.plan(
      { option: 'AllowUsers', everywhere: false, mode, value },
      factsOf({ config: configOf({ [main]: text }) }),
      context,
    );

  it('adds to a list and takes out of it', () => {
    expect(written(list('add', 'b', 'AllowUsers a\n'))).toEqual({ [main]: 'AllowUsers a b\n' });
    expect(written(list('remove', 'b', 'AllowUsers a\nAllowUsers b\n# x\n'))).toEqual({
      [main]: 'AllowUsers a\n# x\n',
    });
  });

  it('never begins an Allow list, which would shut out all others, and never empties one', () => {
    expect(list('add', 'b', '')).toMatchObject({ action: 'none' });
    expect(list('remove', 'a', 'AllowUsers a\n')).toMatchObject({ action: 'blocked' });
  });
});

describe('sshd-admit', () => {
  const plan = (text: string, host: Partial<Host> = {}): ModulePlan =>
    sshdAdmit.plan(
      { user: 'admin' },
      factsOf({ config: configOf({ [main]: text }), ...host }),
      context,
    );

  it.each<[string, string, string]>([
    ['is listed', 'AllowUsers root bob # x\n', 'AllowUsers root bob admin # x\n'],
    [
      'is listed for this address only where it is for others',
      'AllowUsers admin@192.0.2.1\n',
      'AllowUsers admin@192.0.2.1 admin@10.77.0.1\n',
    ],
    [
      'is listed where the list counts: in the Match',
      'AllowUsers admin\nMatch address 10.77.*\nAllowUsers root\n',
      'AllowUsers admin\nMatch address 10.77.*\nAllowUsers root admin\n',
    ],
    ['is taken out of DenyUsers', 'DenyUsers bob admin\n', 'DenyUsers bob\n'],
    [
      'passes two lists, though lines go',
      'DenyUsers admin\nAllowUsers root\n',
      'AllowUsers root admin\n',
    ],
    ['joins no powerful group for a login', 'AllowGroups sudo\n', 'AllowGroups sudo admin\n'],
  ])('an account %s', (_, text, wanted) => {
    expect(written(plan(text))).toEqual({ [main]: wanted });
  });

  it('an account joins the group that is allowed, and no file changes', () => {
    const changes = changesOf(plan('AllowGroups sudo ops\n'));
    expect(changes.map(({ action, undo }) => [action, undo])).toEqual([
      [
        { type: 'run', argv: ['gpasswd', '-a', 'admin', 'ops'] },
        { type: 'run', argv: ['gpasswd', '-d', 'admin', 'ops'] },
      ],
    ]);
  });

  it('an account leaves the group that is denied', () => {
    const changes = changesOf(plan('DenyGroups ops\n', { accounts: accountsOf(['admin', 'ops']) }));
    expect(changes.map(({ action }) => action)).toEqual([
      { type: 'run', argv: ['gpasswd', '-d', 'admin', 'ops'] },
    ]);
  });

  it.each(['DenyUsers adm*\n', 'DenyUsers *\n', 'DenyGroups a*\n'])(
    'a pattern that keeps others out is left alone: %s',
    (text) => {
      expect(plan(text)).toMatchObject({
        action: 'blocked',
        reason: expect.stringContaining(`${main}:1`),
      });
    },
  );

  it('where no list keeps it out there is nothing to do', () => {
    expect(plan('AllowUsers admin\n')).toMatchObject({ action: 'none' });
  });
});

describe('sshd-syntax', () => {
  const plan = (text: string, faults: Partial<SshdFaults>, restore = false): ModulePlan =>
    sshdSyntax.plan({ restore }, factsOf({ config: configOf({ [main]: text }), faults }), context);
  const original = { path: '/usr/share/openssh/sshd_config', text: 'UsePAM yes\n', sha256: '0' };
  const fault = (line: number, last = line): SshdFaults['faults'][number] => ({
    file: main,
    line,
    last,
    why: 'bad',
  });

  it('comments out the refused lines and a refused Match with its block', () => {
    const text = 'Port 22\r\nFoo\r\nMatch address 1/2\r\n\r\n  X11Forwarding no\r\nMatch all\r\n';
    expect(written(plan(text, { faults: [fault(2), fault(3, 5)] }))[main]).toBe(
      'Port 22\r\n# remedy r1: sshd refused it: bad: Foo\r\n# remedy r1: sshd refused it: bad: Match address 1/2\r\n\r\n# remedy r1: its Match was refused:   X11Forwarding no\r\nMatch all\r\n',
    );
  });

  it.each(['', '\n \n', '\0\0\0'])('a file without content (%j) is brought back', (text) => {
    expect(written(plan(text, { originals: [original] }))).toEqual({ [main]: 'UsePAM yes\n' });
    expect(plan(text, {})).toMatchObject({ action: 'blocked' });
  });

  it('NUL bytes go, the rest of the file stays', () => {
    expect(written(plan('Port 2222\n\0\0\0', { binary: [main] }))[main]).toBe('Port 2222\n');
  });

  it('a complaint that no line answers for is named; missing host keys are not its business', () => {
    expect(plan('Port 22\n', { left: ['fatal: out of luck'] })).toMatchObject({
      action: 'blocked',
      reason: expect.stringContaining('out of luck'),
    });
    expect(plan('Port 22\n', { left: ['sshd: no hostkeys available -- exiting.'] })).toMatchObject({
      action: 'none',
    });
  });

  it('restore puts the file of the package in place', () => {
    expect(written(plan('Port 2222\n', { originals: [original] }, true))).toEqual({
      [main]: 'UsePAM yes\n',
    });
  });

  it('a second run finds nothing', () => {
    const facts = factsOf({
      config: configOf({ [main]: 'Foo\n' }),
      faults: { faults: [fault(1)] },
    });
    const first = sshdSyntax.plan({ restore: false }, facts, context);
    expect(sshdSyntax.plan({ restore: false }, after(facts, first), context)).toMatchObject({
      action: 'none',
    });
  });
});
