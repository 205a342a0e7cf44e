import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences, openLab, snapshot, type Lab, type LabHost } from '../support/lab.ts';
import { hostOf, remedy } from '../support/remedy.ts';
import { releases } from '../support/tier.ts';

interface Trap {
  readonly name: string;
  /** The drop-in that sshd -t accepts. */
  readonly file: string;
  readonly content: string;
  /** What the host has already. */
  readonly before?: string;
  /** How the refusal names the rule. */
  readonly rule: RegExp;
}

const traps: readonly Trap[] = [
  {
    name: 'AllowUsers without the people who come',
    file: '50-allow.conf',
    content: 'AllowUsers nobody',
    rule: /authentication: .*AllowUsers.*50-allow\.conf/,
  },
  {
    name: 'a ListenAddress elsewhere',
    file: '50-listen.conf',
    content: 'ListenAddress 127.0.0.1',
    rule: /listener: .*127\.0\.0\.1/,
  },
  {
    name: 'a Port that nobody opened',
    file: '50-port.conf',
    content: 'Port 2222',
    before: 'ufw allow 22/tcp && ufw --force enable',
    rule: /listener: .*22/,
  },
  {
    name: 'a drop-in that makes a later one lose',
    file: '10-root.conf',
    content: 'PermitRootLogin no',
    before: 'echo "PermitRootLogin yes" >/etc/ssh/sshd_config.d/50-root.conf; systemctl reload ssh',
    rule: /authentication: .*PermitRootLogin.*10-root\.conf/,
  },
  {
    name: 'a Match that swallows a line',
    file: '50-match.conf',
    content: 'Match Address 10.77.0.0/24\nX11Forwarding no\nPubkeyAuthentication no',
    rule: /authentication: .*50-match\.conf/,
  },
];

describe.each(releases)('on %s', (root) => {
  let lab: Lab;
  let host: LabHost;

  beforeAll(async () => {
    lab = await openLab();
    host = await lab.up('gate', { root });
  });

  afterAll(async () => {
    await lab.down();
  });

  test.each(traps)('$name is refused by the gate, and undone by the guard', async (trap) => {
    await host.reset();
    if (trap.before !== undefined) {
      await host.read(trap.before);
    }
    const playbook = await lab.ctl.writeFile(
      `trap-${trap.file}.yaml`,
      [
        'schema: remedy.playbook/1',
        'name: trap',
        'summary: A change that sshd -t accepts and that locks people out',
        'steps:',
        '  - id: place',
        '    uses: sshd-drop-in',
        '    with:',
        `      name: ${trap.file}`,
        '      content: |',
        ...trap.content.split('\n').map((line) => `        ${line}`),
        '',
      ].join('\n'),
    );
    const before = await snapshot(host);

    const refused = await remedy(lab, host, playbook, { args: ['--yes'] });
    expect(refused.status, JSON.stringify(hostOf(refused.document).failure)).toBe(1);
    expect(hostOf(refused.document)).toMatchObject({
      outcome: 'refused',
      failure: { code: 'access-gate', access: 'Nothing was changed on the host.' },
    });
    expect(hostOf(refused.document).failure?.why).toMatch(trap.rule);
    expect(differences(before, await snapshot(host))).toEqual([]);

    const guarded = await remedy(lab, host, playbook, {
      args: ['--yes', '--guard-seconds', '60'],
      options: { env: { REMEDY_TEST_ACCESS_GATE: 'off' } },
    });
    expect(guarded.status).toBe(1);
    const ended = hostOf(guarded.document);
    expect(ended, JSON.stringify(ended.failure)).toMatchObject({
      outcome: 'reverted',
      stages: [{ guard: { state: 'reverted' } }],
      failure: { code: 'proof-failed' },
    });
    expect((await host.login('root')).status, 'the login works again').toBe(0);
    expect((await host.read(`ls /etc/ssh/sshd_config.d`)).split('\n')).not.toContain(trap.file);
  });
});
