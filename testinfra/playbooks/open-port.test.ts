import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Lab, type LabHost, type Root } from '../support/lab.ts';
import { iptablesReleases, releases } from '../support/tier.ts';
import { changesOf, expectRemedy, hostOf, remedy } from '../support/remedy.ts';

let lab: Lab;
let count = 0;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

async function boot(root: Root): Promise<LabHost> {
  count += 1;
  return lab.up(`fw${count}`, { root });
}

const loginAfterReboot = 'after a reboot, too';

const firewalls = [
  ['ufw-enable', 'ufw: allow 22/tcp from anywhere', loginAfterReboot],
  ['ufw-deny-source', 'ufw: allow 22/tcp from 10.77.0.1 before rule 1', ''],
  ['firewalld-no-ssh', 'firewalld: add service ssh to zone public (runtime)', loginAfterReboot],
  ['firewalld-drop-zone', 'firewalld: add service ssh to zone drop (runtime)', ''],
  ['nft-two-tables', 'nft: tcp dport 22 accept in inet', loginAfterReboot],
  ['nft-deny-source', 'nft: ip saddr 10.77.0.1 tcp dport 22 accept in', ''],
] as const;

describe.concurrent.each(releases)('open-port on %s', (root) => {
  test.each(firewalls)(
    '%s is opened where it takes effect: %s %s',
    async (broken, summary, also) => {
      const host = await boot(root);
      await host.breakIt(broken);
      const document = await expectRemedy(lab, host, 'open-port');
      expect(changesOf(document)[0]?.summary).toContain(summary);
      if (also === loginAfterReboot) {
        await host.reboot();
        expect((await host.login('root', 'true', { connectSeconds: 5, family: 4 })).status).toBe(0);
      }
      await host.down();
    },
  );
});

describe.concurrent.each(iptablesReleases)('open-port on %s', (root) => {
  test.each([
    ['iptables-reject-last', 'before rule 3 of INPUT'],
    ['iptables-deny-source', 'iptables: accept 22/tcp from 10.77.0.1 before rule 1 of INPUT'],
  ])(
    '%s: the accept goes before it, live and saved, and survives a reboot',
    async (broken, summary) => {
      const host = await boot(root);
      await host.breakIt(broken);
      const document = await expectRemedy(lab, host, 'open-port');
      expect(changesOf(document)[0]?.summary).toContain(summary);
      await host.reboot();
      expect((await host.login('root', 'true', { connectSeconds: 5, family: 4 })).status).toBe(0);
      await host.down();
    },
  );
});

describe.concurrent('open-port', () => {
  test('IPv6 is opened too', async () => {
    const host = await boot('debian12');
    await host.breakIt('ufw-enable');
    expect((await host.login('root', 'true', { family: 6, connectSeconds: 2 })).status).not.toBe(0);
    await expectRemedy(lab, host, 'open-port');
    expect((await host.login('root', 'true', { family: 6, connectSeconds: 2 })).status).toBe(0);
    await host.down();
  });

  test.each([
    [
      'a deny rule behind an application profile',
      'ufw allow CIFS; ufw deny from 10.77.0.1; ufw allow 22/tcp',
      'before rule 2',
    ],
    ['the same rule as a deny', 'ufw deny 22/tcp', 'turn deny 22/tcp from anywhere into allow'],
    [
      'an allow that stands too late',
      'ufw deny proto tcp to any port 20:30; ufw allow 22/tcp',
      'take out the later allow',
    ],
    ['a rejecting default', 'ufw default reject incoming', 'ufw: allow 22/tcp from anywhere'],
  ])('ufw: %s', async (_what, script, summary) => {
    const host = await boot('debian12');
    await host.read(`(${script}; ufw --force enable) >/dev/null`);
    const document = await expectRemedy(lab, host, 'open-port');
    expect(
      changesOf(document)
        .map((change) => change.summary)
        .join('\n'),
    ).toContain(summary);
    await host.down();
  });

  test('rules of legacy iptables are found and mended', async () => {
    const host = await boot('debian12');
    await host.read(
      'iptables-legacy -A INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset; ip6tables-legacy -A INPUT -p tcp --dport 22 -j DROP',
    );
    const document = await expectRemedy(lab, host, 'open-port');
    expect(changesOf(document)[0]?.summary).toContain('iptables-legacy');
    expect((await host.login('root', 'true', { family: 6, connectSeconds: 2 })).status).toBe(0);
    await host.down();
  });

  test('firewalld: rich rules that deny SSH in both families, also after a reload', async () => {
    const host = await boot('debian12');
    const deny = (family: string): string =>
      `firewall-cmd -q --permanent --add-rich-rule='rule family="${family}" service name="ssh" drop'`;
    await host.read(
      `systemctl start firewalld; ${deny('ipv4')}; ${deny('ipv6')}; firewall-cmd -q --reload`,
    );
    await expectRemedy(lab, host, 'open-port');
    await host.read('firewall-cmd -q --reload');
    expect((await host.login('root', 'true', { family: 4, connectSeconds: 3 })).status).toBe(0);
    expect((await host.login('root', 'true', { family: 6, connectSeconds: 3 })).status).toBe(0);
    await host.down();
  });

  test('firewalld: a zone that denies only after the next reload', async () => {
    const host = await boot('debian12');
    await host.read(
      `systemctl enable --now firewalld 2>/dev/null; firewall-cmd -q --permanent --add-rich-rule='rule family="ipv4" service name="ssh" reject'`,
    );
    const real = await remedy(lab, host, 'open-port', { args: ['--yes'] });
    expect(hostOf(real.document)).toMatchObject({ outcome: 'changed', failure: null });
    await host.read('firewall-cmd -q --reload');
    expect((await host.login('root', 'true', { family: 4, connectSeconds: 3 })).status).toBe(0);
    const again = await remedy(lab, host, 'open-port', { args: ['--yes'] });
    expect(hostOf(again.document).outcome).toBe('unchanged');
    await host.down();
  });

  test.each([
    ['the usual idiom', 'table inet filter {}\ndelete table inet filter\ntable inet filter {'],
    ['a rule bound to an interface', 'flush ruleset\ntable inet filter {'],
  ])('nftables: %s, kept after a reboot', async (_what, head) => {
    const host = await boot('debian12');
    const rules = `${head}\n  chain input {\n    type filter hook input priority 0; policy drop;\n    ct state established,related accept\n    iif "eth0" tcp dport 80 accept\n  }\n}\n`;
    await host.exec(['sh', '-c', 'cat >/etc/nftables.conf'], { stdin: rules });
    await host.read('systemctl enable --now nftables 2>/dev/null');
    await expectRemedy(lab, host, 'open-port');
    await host.reboot();
    expect((await host.login('root', 'true', { family: 4, connectSeconds: 3 })).status).toBe(0);
    await host.down();
  });

  test('a host with IPv6 only', async () => {
    const host = await lab.up('v6only', { ipv6Only: true });
    await host.breakIt('ufw-enable');
    await expectRemedy(lab, host, 'open-port', { family: 6 });
    await host.down();
  });

  test('a host without IPv6', async () => {
    const host = await lab.up('v4only', { noIpv6: true });
    await host.breakIt('ufw-enable');
    await expectRemedy(lab, host, 'open-port');
    await host.down();
  });

  test('only the named clients are let in', async () => {
    const host = await boot('debian12');
    await host.breakIt('ufw-enable');
    const document = await expectRemedy(lab, host, 'open-port', {
      args: ['--var', 'from=10.77.0.0/24'],
    });
    expect(changesOf(document).map(({ summary }) => summary)).toEqual([
      'ufw: allow 22/tcp from 10.77.0.0/24',
    ]);
    expect((await host.login('root', 'true', { family: 6, connectSeconds: 2 })).status).not.toBe(0);
    await host.down();
  });

  test('a client behind NAT is judged by the address that the host sees', async () => {
    const host = await boot('debian12');
    const behind = await lab.controller({ nat: true });
    await host.breakWith({ from: [behind.address4] }, 'ufw-deny-source');
    const flags = ['--from', behind.address4, '--yes'];
    const real = await remedy(lab, host, 'open-port', {
      args: flags,
      options: { controller: behind },
    });
    expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(changesOf(real.document)[0]?.summary).toContain(`from ${behind.address4} before rule 1`);
    await host.down();
  });

  test('a second firewall that only another playbook can mend is named, and the repair is kept', async () => {
    const host = await boot('debian12');
    await host.breakIt('ufw-enable', 'sshd-stopped');
    const real = await remedy(lab, host, 'open-port', { args: ['--yes'] });
    expect(real.status).toBe(3);
    expect(hostOf(real.document)).toMatchObject({
      outcome: 'changed',
      failure: { code: 'endpoint-shut' },
    });
    expect(hostOf(real.document).failure?.why).toContain('listener: nothing listens on port 22');
    const second = await remedy(lab, host, 'start-sshd', { args: ['--yes'] });
    expect({ status: second.status, failure: hostOf(second.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    await host.down();
  });
});
