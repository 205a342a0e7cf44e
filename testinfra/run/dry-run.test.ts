import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences, openLab, snapshot, type Lab, type Root } from '../support/lab.ts';
import { hostOf, remedy } from '../support/remedy.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

const all = 'open-port start-sshd regenerate-host-keys fix-authorized-keys unban-address';

const hosts: readonly [name: string, root: Root, breaks: readonly string[]][] = [
  ['an untouched host', 'debian12', []],
  ['ufw', 'debian13', ['ufw-enable']],
  ['firewalld', 'debian12', ['firewalld-no-ssh']],
  ['nftables', 'debian13', ['nft-two-tables']],
  ['saved iptables rules', 'debian12-iptables', ['iptables-reject-last']],
  ['fail2ban', 'debian12', ['fail2ban-two-jails']],
  ['sshd stopped and keys missing', 'debian13', ['sshd-stopped', 'host-keys-missing']],
];

describe.concurrent('a dry run of every playbook leaves nothing behind', () => {
  test.each(hosts)('%s', async (name, root, breaks) => {
    const host = await lab.up(`dry${hosts.findIndex(([one]) => one === name)}`, { root });
    if (breaks.length > 0) {
      await host.breakIt(...breaks);
    }
    const before = await snapshot(host);
    const dry = await remedy(lab, host, all, { args: ['--dry-run'] });
    expect({ status: dry.status, failure: hostOf(dry.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(differences(before, await snapshot(host))).toEqual([]);
    await host.down();
  });

  test.each(['readonly-root', 'full-disk'])('%s: the plan is made all the same', async (state) => {
    const host = await lab.up(state, { root: 'debian12' });
    await host.breakIt('ufw-enable');
    await host.breakIt(state);
    const before = await snapshot(host);
    const dry = await remedy(lab, host, all, { args: ['--dry-run'] });
    expect({ status: dry.status, failure: hostOf(dry.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(hostOf(dry.document).outcome).toBe('would-change');
    expect(differences(before, await snapshot(host))).toEqual([]);
    const real = await remedy(lab, host, 'open-port', { args: ['--yes'] });
    expect(hostOf(real.document)).toMatchObject({
      outcome: 'failed',
      failure: { code: 'apply-failed', access: 'Nothing was changed on the host.' },
    });
    expect(real.status).toBe(1);
    await host.down();
  });
});
