import { describe, expect, it } from 'vitest';
import type { Change } from '../../src/core/change.ts';
import type { Endpoint } from '../../src/core/endpoint.ts';
import type { FactSet } from '../../src/facts/fact.ts';
import { modules } from '../../src/modules/index.ts';
import type { ModulePlan } from '../../src/modules/module.ts';
import { capturedFacts, client, distros } from '../facts/support/captured.ts';
import { renderTemplateFile } from '../../src/store/templates.ts';

const endpoint: Endpoint = {
  host: 'web1',
  address: '192.0.2.99',
  port: 22,
  user: 'admin',
  from: { address: client, assumed: false },
};
const context = { endpoint, runId: 'RUN', render: renderTemplateFile };

function plan(name: string, args: object, facts: FactSet): ModulePlan {
  const module = modules.get(name);
  if (module === undefined) {
    throw new Error(`no module ${name}`);
  }
  return module.plan(module.schema.parse(args), facts, context);
}

function changesOf(planned: ModulePlan): readonly Change[] {
  return planned.action === 'change' ? planned.changes : [];
}

function doing(change: Change): string {
  switch (change.action.type) {
    case 'run':
      return change.action.argv.join(' ');
    case 'write':
      return `write ${change.action.path}`;
    case 'attributes':
      return `attributes ${change.action.directory} ${change.action.name} ${change.action.uid}:${change.action.gid} ${change.action.mode}`;
    case 'host-key':
      return `host-key ${change.action.path} ${change.action.keyType} ${change.action.aside ?? '-'}`;
    case 'move':
      return `move ${change.action.from} ${change.action.to}`;
    case 'firewalld-remove':
    case 'nft-delete':
    case 'sshd-reload':
    case 'socket-restart':
    case 'sshd-stop':
      return change.action.type;
  }
}

function fold(facts: FactSet, changes: readonly Change[]): FactSet {
  return changes.reduce((now, change) => now.with(change.factsAfter), facts);
}

interface Case {
  readonly module: string;
  readonly args: object;
  readonly host: string;
  readonly user?: string;
  readonly does: readonly string[];
}

const cases: readonly Case[] = [
  { module: 'ufw-rule', args: { port: 22 }, host: 'ufw-enabled', does: ['ufw allow 22/tcp'] },
  {
    module: 'ufw-rule',
    args: { port: 22, from: '198.51.100.0/24' },
    host: 'ufw-enabled',
    does: ['ufw allow proto tcp from 198.51.100.0/24 to any port 22'],
  },
  {
    module: 'ufw-rule',
    args: { port: 22 },
    host: 'ufw-no-ipv6',
    does: ['ufw allow proto tcp from 0.0.0.0/0 to any port 22'],
  },
  {
    module: 'ufw-rule',
    args: { port: 22 },
    host: 'ufw-deny-source',
    does: ['ufw insert 1 allow proto tcp from 10.77.0.1 to any port 22'],
  },
  {
    module: 'ufw-rule',
    args: { port: 23 },
    host: 'ufw-rules',
    does: [
      'ufw allow proto tcp from 0.0.0.0/0 to any port 23',
      'ufw allow proto tcp from ::/0 to any port 23',
    ],
  },
  {
    module: 'firewalld-port',
    args: { port: 22 },
    host: 'firewalld-no-ssh',
    does: [
      'firewall-cmd --zone=public --add-service=ssh',
      'firewall-cmd --permanent --zone=public --add-service=ssh',
    ],
  },
  {
    module: 'firewalld-port',
    args: { port: 2200 },
    host: 'firewalld-no-ssh',
    does: [
      'firewall-cmd --zone=public --add-port=2200/tcp',
      'firewall-cmd --permanent --zone=public --add-port=2200/tcp',
    ],
  },
  {
    module: 'firewalld-port',
    args: { port: 22 },
    host: 'firewalld-rules',
    does: ['firewall-cmd --zone=public --add-service=ssh'],
  },
  {
    module: 'firewalld-port',
    args: { port: 2222 },
    host: 'firewalld-rules',
    does: ['firewall-cmd --permanent --zone=public --add-port=2222/tcp'],
  },
  {
    module: 'firewalld-port',
    args: { port: 22 },
    host: 'firewalld-drop-zone',
    does: [
      'firewall-cmd --zone=drop --add-service=ssh',
      'firewall-cmd --permanent --zone=drop --add-service=ssh',
    ],
  },
  {
    module: 'iptables-rule',
    args: { port: 22 },
    host: 'iptables-reject-last',
    does: [
      'iptables -w -I INPUT 3 -p tcp -m tcp --dport 22 -j ACCEPT',
      'write /etc/iptables/rules.v4',
      'ip6tables -w -I INPUT 4 -p tcp -m tcp --dport 22 -j ACCEPT',
      'write /etc/iptables/rules.v6',
    ],
  },
  {
    module: 'iptables-rule',
    args: { port: 22 },
    host: 'iptables-deny-source',
    does: [
      'iptables -w -I INPUT 1 -s 10.77.0.1 -p tcp -m tcp --dport 22 -j ACCEPT',
      'write /etc/iptables/rules.v4',
    ],
  },
  {
    module: 'nft-rule',
    args: { port: 22 },
    host: 'nft-two-tables',
    does: [
      'nft add rule inet strict input tcp dport 22 accept comment "remedy RUN"',
      'write /etc/nftables.conf',
    ],
  },
  {
    module: 'nft-rule',
    args: { port: 22 },
    host: 'nft-deny-source',
    does: [
      expect.stringMatching(
        /^nft insert rule inet filter input handle \d+ ip saddr 10\.77\.0\.1 tcp dport 22 accept comment "remedy RUN"$/,
      ) as string,
      'write /etc/nftables.conf',
    ],
  },
  {
    module: 'fail2ban-ban',
    args: { address: client },
    host: 'fail2ban',
    does: [
      'fail2ban-client set recidive unbanip 10.77.0.1',
      'fail2ban-client set sshd unbanip 10.77.0.1',
    ],
  },
  {
    module: 'fail2ban-ban',
    args: { address: '198.51.100.3' },
    host: 'fail2ban',
    does: ['fail2ban-client set recidive unbanip 198.51.100.0/28'],
  },
  {
    module: 'fail2ban-ban',
    args: { address: 'fd77:0:0::1', ignore: true },
    host: 'fail2ban',
    does: [
      'fail2ban-client set recidive unbanip fd77::1',
      'fail2ban-client set sshd unbanip fd77::1',
      'fail2ban-client set recidive addignoreip fd77::1',
      'write /etc/fail2ban/jail.d/zz-remedy-recidive.local',
      'fail2ban-client set sshd addignoreip fd77::1',
      'write /etc/fail2ban/jail.d/zz-remedy-sshd.local',
    ],
  },
  {
    module: 'ssh-unit',
    args: { port: 22 },
    host: 'sshd-stopped',
    does: ['systemctl start ssh.service'],
  },
  {
    module: 'ssh-unit',
    args: { port: 22 },
    host: 'sshd-disabled',
    does: ['systemctl enable ssh.service', 'systemctl start ssh.service'],
  },
  {
    module: 'ssh-unit',
    args: { port: 22 },
    host: 'sshd-masked',
    does: [
      'systemctl unmask ssh.service',
      'systemctl enable ssh.service',
      'systemctl start ssh.service',
    ],
  },
  {
    module: 'ssh-unit',
    args: { port: 22 },
    host: 'sshd-forbidden',
    does: [
      'move /etc/ssh/sshd_not_to_be_run /etc/ssh/sshd_not_to_be_run.remedy-RUN',
      'systemctl start ssh.service',
    ],
  },
  {
    module: 'host-keys',
    args: {},
    host: 'host-keys-bad',
    does: [
      'host-key /etc/ssh/ssh_host_rsa_key rsa -',
      'host-key /etc/ssh/ssh_host_ecdsa_key ecdsa remedy-RUN',
      'host-key /etc/ssh/ssh_host_ed25519_key ed25519 remedy-RUN',
    ],
  },
  {
    module: 'login-files',
    args: { user: 'admin' },
    host: 'home-modes',
    does: ['attributes /home/admin . 1000:1000 0755'],
  },
  {
    module: 'login-files',
    args: { user: 'admin' },
    host: 'ssh-dir-modes',
    does: ['attributes /home/admin/.ssh . 1000:1000 0700'],
  },
  {
    module: 'login-files',
    args: { user: 'admin' },
    host: 'keys-owner',
    does: ['attributes /home/admin/.ssh authorized_keys 1000:1000 0600'],
  },
];

describe.each(distros)('modules on %s', (distro) => {
  it.each(cases)('$module $args on $host', ({ module, args, host, does }) => {
    const facts = capturedFacts(`${distro}-${host}`);
    const planned = plan(module, args, facts);
    expect({ reason: planned.reason, does: changesOf(planned).map(doing) }).toEqual({
      reason: expect.any(String) as string,
      does,
    });
    const again = plan(module, args, fold(facts, changesOf(planned)));
    expect(again).toEqual({ action: 'none', reason: expect.stringMatching(/\S/) as string });
    for (const change of changesOf(planned)) {
      expect(change.summary).toMatch(/\S/);
      expect(change.undo.type === 'none' ? change.undo.why : 'undo').toMatch(/\S/);
    }
  });

  it.each([
    ['ufw-rule', { port: 22 }, 'clean', 'none', 'ufw is installed but not enabled'],
    ['ufw-rule', { port: 2222 }, 'ufw-rules', 'none', 'ufw already lets it through'],
    ['firewalld-port', { port: 22 }, 'clean', 'none', 'firewalld is not running'],
    [
      'iptables-rule',
      { port: 22 },
      'clean',
      'none',
      'no iptables rule stops it, now or after a reboot',
    ],
    [
      'nft-rule',
      { port: 22 },
      'clean',
      'none',
      'no nftables chain stops it; no service loads nftables rules at boot',
    ],
    [
      'nft-rule',
      { port: 22 },
      'fail2ban',
      'none',
      'the client is banned (run unban-address for that)',
    ],
    [
      'fail2ban-ban',
      { address: '203.0.113.1' },
      'fail2ban',
      'none',
      '203.0.113.1 is not banned in any of 2 jails',
    ],
    [
      'fail2ban-ban',
      { address: '203.0.113.1' },
      'clean',
      'none',
      '203.0.113.1 is not banned in the kernel (fail2ban is not running)',
    ],
    [
      'fail2ban-ban',
      { address: 'not-an-address' },
      'fail2ban',
      'blocked',
      'not-an-address is not an IP address',
    ],
    ['ssh-unit', { port: 22 }, 'clean', 'none', 'ssh.service is enabled and running'],
    ['ssh-unit', { port: 22 }, 'socket', 'none', 'ssh.socket is enabled and running'],
    [
      'ssh-unit',
      { port: 22 },
      'sshd-broken',
      'blocked',
      /^ssh\.service would not start: sshd -t says: .*Bad configuration option: NoSuchOption/,
    ],
    ['host-keys', {}, 'clean', 'none', 'all 3 host keys can be used'],
    [
      'host-keys',
      {},
      'host-keys-odd',
      'blocked',
      '/etc/ssh/ssh_host_rsa_key is not a file; look at it by hand',
    ],
    ['login-files', { user: 'admin' }, 'clean', 'none', 'owner and modes are as sshd wants them'],
    [
      'login-files',
      { user: 'admin' },
      'no-ssh-dir',
      'none',
      '/home/admin/.ssh does not exist, so there are no keys that sshd could refuse',
    ],
    [
      'login-files',
      { user: 'admin' },
      'keys-link',
      'blocked',
      '/home/admin/.ssh/authorized_keys is a symbolic link; remedy does not follow links that a user can change',
    ],
    [
      'login-files',
      { user: 'admin' },
      'ssh-link',
      'blocked',
      '/home/admin/.ssh is a symbolic link; remedy does not follow links that a user can change',
    ],
    [
      'login-files',
      { user: 'admin' },
      'keys-hard-link',
      'blocked',
      '/home/admin/.ssh/authorized_keys has 2 names (hard links); changing it would change a file elsewhere',
    ],
  ])('%s %j on %s is %s', (module, args, host, action, reason) => {
    const planned = plan(module, args, capturedFacts(`${distro}-${host}`));
    expect(planned.action).toBe(action);
    expect(planned.reason).toMatch(
      typeof reason === 'string'
        ? new RegExp(`^${reason.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`)
        : reason,
    );
  });

  it('every module is blocked, with the reason, where its facts are not known', () => {
    const nothing = capturedFacts(`${distro}-clean`).without(
      [...modules.values()].flatMap((module) =>
        module.facts(module.schema.parse(argsFor(module.name)), context).map(({ key }) => key),
      ),
      'the host did not say',
    );
    for (const module of modules.values()) {
      expect([module.name, plan(module.name, argsFor(module.name), nothing)]).toEqual([
        module.name,
        { action: 'blocked', reason: 'the host did not say' },
      ]);
    }
  });

  it('saved rules are edited before the rule that stops it, and everything else in the file stays', () => {
    const planned = plan(
      'iptables-rule',
      { port: 22 },
      capturedFacts(`${distro}-iptables-reject-last`),
    );
    const file = changesOf(planned).find(({ kind }) => kind === 'file');
    const added = '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n';
    expect(file?.after).toContain(
      `-A INPUT -i lo -j ACCEPT\n${added}-A INPUT -j REJECT --reject-with icmp-host-prohibited\n`,
    );
    expect(String(file?.after).replace(added, '')).toBe(file?.before);
  });
});

const argsOf: Readonly<Record<string, object>> = {
  'fail2ban-ban': { address: client },
  'host-keys': {},
  'login-files': { user: 'admin' },
  'sshd-admit': { user: 'admin' },
  'sshd-drop-in': { name: '50-x.conf', content: 'X11Forwarding no' },
  'sshd-option': { option: 'X11Forwarding', value: 'no' },
  'sshd-syntax': {},
};

function argsFor(name: string): object {
  return argsOf[name] ?? { port: 22 };
}
