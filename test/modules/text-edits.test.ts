import { describe, expect, it } from 'vitest';
import type { ChainRef } from '../../src/facts/ruleset.ts';
import type { Unit, Units } from '../../src/facts/units.ts';
import { insertSavedLine } from '../../src/modules/iptables-rule.ts';
import { insertNftRule } from '../../src/modules/nft-text.ts';
import { chooseUnit } from '../../src/modules/ssh-unit.ts';

const input = { family: 'inet' as const, table: 'filter', chain: 'input' };
const rule = 'tcp dport 22 accept';

function table(body: string, head = 'table inet filter'): string {
  return `${head} {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n${body}\t}\n}\n`;
}

describe('insertNftRule', () => {
  it.each<[string, string, string | null, string]>([
    [
      'before the rule that stops it',
      table('\t\tiif "lo" accept\n\t\tip saddr 10.0.0.7 drop\n'),
      'ip saddr 10.0.0.7 drop',
      table(`\t\tiif "lo" accept\n\t\t${rule}\n\t\tip saddr 10.0.0.7 drop\n`),
    ],
    [
      'at the end',
      table('\t\tiif "lo" accept\n'),
      null,
      table(`\t\tiif "lo" accept\n\t\t${rule}\n`),
    ],
    [
      'first where the rule is not found by its words',
      table('\t\tip saddr $bad drop\n\t\tudp dport 53 accept\n'),
      'ip saddr 10.0.0.7 drop',
      table(`\t\t${rule}\n\t\tip saddr $bad drop\n\t\tudp dport 53 accept\n`),
    ],
    [
      'past comments that hold braces',
      table('\t\t# } chain input {\n\t\tdrop # }\n'),
      'drop',
      table(`\t\t# } chain input {\n\t\t${rule}\n\t\tdrop # }\n`),
    ],
    [
      'past strings that hold braces',
      table('\t\tlog prefix "} x {" drop\n\t\tdrop\n'),
      'drop',
      table(`\t\tlog prefix "} x {" drop\n\t\t${rule}\n\t\tdrop\n`),
    ],
    [
      'past sets in braces',
      table('\t\ttcp dport { 80, 443 } accept\n\t\tdrop\n'),
      'drop',
      table(`\t\ttcp dport { 80, 443 } accept\n\t\t${rule}\n\t\tdrop\n`),
    ],
    [
      'whatever the counters say',
      table('\t\tcounter drop\n'),
      'counter packets 7 bytes 420 drop',
      table(`\t\t${rule}\n\t\tcounter drop\n`),
    ],
    [
      'with the newlines of the file',
      table('\t\tdrop\n').replaceAll('\n', '\r\n'),
      'drop',
      table(`\t\t${rule}\n\t\tdrop\n`).replaceAll('\n', '\r\n'),
    ],
    [
      'into a chain on one line',
      'table inet filter { chain input { type filter hook input priority 0; drop; } }\n',
      'drop',
      `table inet filter { chain input { type filter hook input priority 0; ${rule}; drop; } }\n`,
    ],
    [
      'at the end of a chain on one line',
      'table inet filter { chain input { type filter hook input priority 0; policy drop; } }\n',
      null,
      `table inet filter { chain input { type filter hook input priority 0; policy drop; ${rule}; } }\n`,
    ],
    [
      'into the right table',
      `${table('\t\tdrop\n', 'table inet other')}${table('\t\tdrop\n')}`,
      'drop',
      `${table('\t\tdrop\n', 'table inet other')}${table(`\t\t${rule}\n\t\tdrop\n`)}`,
    ],
  ])('goes %s', (_, text, before, expected) => {
    expect(insertNftRule(text, input, before, rule)).toBe(expected);
  });

  it('knows that a table without a family is one of IPv4', () => {
    const ref = { ...input, family: 'ip' as const };
    expect(insertNftRule(table('', 'table filter'), ref, null, rule)).toBe(
      table(`\t\t${rule}\n`, 'table filter'),
    );
    expect(insertNftRule(table('', 'table ip filter'), ref, null, rule)).toBe(
      table(`\t\t${rule}\n`, 'table ip filter'),
    );
    expect(insertNftRule(table('', 'table ip6 filter'), ref, null, rule)).toBeNull();
    expect(insertNftRule(table('', 'table filter'), input, null, rule)).toBeNull();
  });

  it.each([
    ['only an include', 'include "/etc/nftables.d/*.nft"\n'],
    [
      'single commands',
      'add table inet filter\nadd chain inet filter input\nadd rule inet filter input drop\n',
    ],
    ['the chain in a comment', '# table inet filter { chain input { } }\n'],
    ['a chain that never ends', 'table inet filter { chain input {\n'],
    ['nothing', ''],
  ])('is null where the file holds %s', (_, text) => {
    expect(insertNftRule(text, input, null, rule)).toBeNull();
  });
});

describe('insertSavedLine', () => {
  const ref: ChainRef = { tool: 'iptables', family: 'ip', table: 'filter', chain: 'INPUT' };
  const file = (rules: string): string =>
    `*nat\n:PREROUTING ACCEPT [0:0]\n-A INPUT -j NATS\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n:INPUT2 - [0:0]\n${rules}COMMIT\n# end\n`;

  it.each([
    [
      'before a rule of that table',
      '-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n',
      1,
      '-A INPUT -i lo -j ACCEPT\nNEW\n-A INPUT -j DROP\n',
    ],
    [
      'behind the last rule of the chain',
      '-A INPUT -i lo -j ACCEPT\n-A INPUT2 -j DROP\n',
      1,
      '-A INPUT -i lo -j ACCEPT\nNEW\n-A INPUT2 -j DROP\n',
    ],
    ['into a chain without rules', '-A INPUT2 -j DROP\n', 0, '-A INPUT2 -j DROP\nNEW\n'],
    [
      'past rules of other chains',
      '-A INPUT2 -j DROP\n-A INPUT -j DROP\n',
      0,
      '-A INPUT2 -j DROP\nNEW\n-A INPUT -j DROP\n',
    ],
  ])('goes %s', (_, before, index, after) => {
    expect(insertSavedLine(file(before), ref, index, 'NEW')).toBe(file(after));
    const crlf = (text: string): string => file(text).replaceAll('\n', '\r\n');
    expect(insertSavedLine(crlf(before), ref, index, 'NEW')).toBe(crlf(after));
  });
});

describe('chooseUnit', () => {
  const unit = (id: string, load: string, active: string, file: string): Unit => ({
    id,
    load,
    active,
    sub: '',
    file,
    result: 'success',
  });
  const missing = (id: string): Unit => unit(id, 'not-found', 'inactive', '');
  const units = (some: Readonly<Record<string, Unit>>): Units => ({
    'ssh.service': missing('ssh.service'),
    'sshd.service': missing('sshd.service'),
    'ssh.socket': missing('ssh.socket'),
    'sshd.socket': missing('sshd.socket'),
    ...some,
  });

  it.each<[string, Readonly<Record<string, Unit>>, string | null]>([
    [
      'Debian’s service',
      {
        'ssh.service': unit('ssh.service', 'loaded', 'inactive', 'disabled'),
        'ssh.socket': unit('ssh.socket', 'loaded', 'inactive', 'disabled'),
      },
      'ssh.service',
    ],
    [
      'the unit behind Debian’s alias',
      {
        'ssh.service': unit('ssh.service', 'loaded', 'inactive', 'enabled'),
        'sshd.service': unit('ssh.service', 'loaded', 'inactive', 'enabled'),
      },
      'ssh.service',
    ],
    [
      'Ubuntu’s socket',
      {
        'ssh.service': unit('ssh.service', 'loaded', 'inactive', 'disabled'),
        'ssh.socket': unit('ssh.socket', 'loaded', 'inactive', 'enabled'),
      },
      'ssh.socket',
    ],
    [
      'the socket that listens for a running service',
      {
        'ssh.service': unit('ssh.service', 'loaded', 'active', 'disabled'),
        'ssh.socket': unit('ssh.socket', 'loaded', 'active', 'enabled'),
      },
      'ssh.socket',
    ],
    [
      'the running service where both are enabled',
      {
        'ssh.service': unit('ssh.service', 'loaded', 'active', 'enabled'),
        'ssh.socket': unit('ssh.socket', 'loaded', 'inactive', 'enabled'),
      },
      'ssh.service',
    ],
    [
      'a masked service',
      { 'ssh.service': unit('ssh.service', 'masked', 'inactive', 'masked') },
      'ssh.service',
    ],
    [
      'Red Hat’s service',
      {
        'sshd.service': unit('sshd.service', 'loaded', 'inactive', 'disabled'),
        'sshd.socket': unit('sshd.socket', 'loaded', 'inactive', 'disabled'),
      },
      'sshd.service',
    ],
    [
      'a socket where there is no service',
      { 'sshd.socket': unit('sshd.socket', 'loaded', 'inactive', 'disabled') },
      'sshd.socket',
    ],
    ['nothing', {}, null],
  ])('takes %s', (_, some, expected) => {
    expect(chooseUnit(units(some))).toBe(expected);
  });
});
