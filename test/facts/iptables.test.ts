import { describe, expect, it } from 'vitest';
import { iptablesFact, parseIpsets, parseSave } from '../../src/facts/iptables.ts';
import { parseIptablesRule, portRanges, splitSaved } from '../../src/facts/iptables-rule.ts';
import type { Match, Rule, Verdict } from '../../src/facts/ruleset.ts';
import { capturedParts, capturedValue, distros, part } from './support/captured.ts';

function rule(line: string, sets: Readonly<Record<string, readonly string[]>> = {}): Rule {
  const parsed = parseIptablesRule(line, (name) => sets[name] ?? null);
  if (parsed === null) {
    throw new Error(`not a rule: ${line}`);
  }
  return parsed.rule;
}

function kinds(line: string): string[] {
  return rule(line).matches.map((match) =>
    match.kind === 'assumed' ? `assumed ${String(match.holds)}` : match.kind,
  );
}

describe.each(distros)('iptables on %s', (distro) => {
  it('has empty tables on a fresh host, in both families', () => {
    const fact = capturedValue(iptablesFact, undefined, `${distro}-clean`);
    expect(fact.families).toEqual(['ip', 'ip6']);
    expect(
      fact.ruleset.tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules)),
    ).toEqual([]);
    expect(fact.commands).toEqual({ iptables: 'iptables', 'iptables-legacy': 'iptables-legacy' });
  });

  it('reads the rules of ufw, with chains that are only jumped to', () => {
    const fact = capturedValue(iptablesFact, undefined, `${distro}-ufw-rules`);
    const filter = fact.ruleset.tables.find(
      ({ family, name }) => family === 'ip' && name === 'filter',
    );
    const input = filter?.chains.find(({ name }) => name === 'INPUT');
    expect(input?.base).toEqual({
      hook: 'input',
      type: 'filter',
      priority: 0,
      policy: 'drop',
      devices: [],
    });
    const user = filter?.chains.find(({ name }) => name === 'ufw-user-input');
    expect(user?.base).toBeNull();
    expect(user?.rules).toHaveLength(11);
    expect(user?.rules[8]).toMatchObject({
      text: '-A ufw-user-input -i eth0 -p tcp -m tcp --dport 2222 -j ACCEPT',
      matches: [
        { kind: 'interface', names: ['eth0'], negate: false },
        { kind: 'protocol', names: ['tcp'], negate: false },
        { kind: 'port', ranges: [{ first: 2222, last: 2222 }], negate: false },
      ],
      verdict: { kind: 'accept' },
    });
  });

  it('reads live and saved rules, with the digest of the file', () => {
    const fact = capturedValue(iptablesFact, undefined, `${distro}-iptables-reject-last`);
    const input = fact.ruleset.tables[0]?.chains.find(({ name }) => name === 'INPUT');
    expect(input?.rules.map(({ text }) => text)).toEqual([
      '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A INPUT -i lo -j ACCEPT',
      '-A INPUT -j REJECT --reject-with icmp-host-prohibited',
    ]);
    expect(fact.saved.map(({ family, path, unit }) => `${family} ${path} ${unit}`)).toEqual([
      'ip /etc/iptables/rules.v4 netfilter-persistent.service',
      'ip6 /etc/iptables/rules.v6 netfilter-persistent.service',
    ]);
    expect(fact.saved[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(fact.saved[0]?.text).toContain(
      '-A INPUT -j REJECT --reject-with icmp-host-prohibited\n',
    );
  });
});

describe('iptables', () => {
  it('is unknown where one family cannot be read', () => {
    const parts = new Map(capturedParts('iptables', 'debian12-clean'));
    parts.set('save6', part('', { status: 4, errors: 'Fatal: cannot open' }));
    expect(iptablesFact.parse(parts, undefined)).toEqual({
      known: false,
      because: 'ip6tables rules could not be read: Fatal: cannot open',
    });
  });

  it('is unknown where the output was cut', () => {
    const parts = new Map(capturedParts('iptables', 'debian12-clean'));
    parts.set('save', part('*filter\n', { cut: true }));
    expect(iptablesFact.parse(parts, undefined)).toMatchObject({
      because: 'iptables rules could not be read: the output is too long',
    });
  });

  it('leaves out IPv6 where the host has none', () => {
    const parts = new Map(capturedParts('iptables', 'debian12-clean'));
    parts.set('save6', part('', { status: 3 }));
    expect(iptablesFact.parse(parts, undefined)).toMatchObject({ value: { families: ['ip'] } });
  });

  it('names the tables that iptables cannot show in full', () => {
    const parts = new Map(capturedParts('iptables', 'debian12-clean'));
    parts.set('save', part("# Table `filter' is incompatible, use 'nft' tool.\n"));
    expect(iptablesFact.parse(parts, undefined)).toMatchObject({
      value: { incompatible: ['ip filter'] },
    });
  });

  it('keeps legacy rules apart, with a command of their own', () => {
    const parts = new Map(capturedParts('iptables', 'debian12-clean'));
    parts.set('legacy', part('*filter\n:INPUT DROP [0:0]\nCOMMIT\n'));
    const fact = iptablesFact.parse(parts, undefined);
    expect(fact.known && fact.value.ruleset.tables.at(-1)).toMatchObject({
      tool: 'iptables-legacy',
      family: 'ip',
      name: 'filter',
    });
  });

  it('leaves out a saved file whose service does not load it', () => {
    const parts = new Map(capturedParts('iptables', 'debian12-iptables-reject-last'));
    parts.set('saved:ip:netfilter-persistent.service', part('', { status: 4 }));
    const fact = iptablesFact.parse(parts, undefined);
    expect(fact.known && fact.value.saved.map(({ family }) => family)).toEqual(['ip6']);
  });
});

describe('parseSave', () => {
  const docker = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT DROP [12:720]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A f2b-sshd -s 192.0.2.7/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
-A INPUT -m mark --mark 0x4000/0x4000 -m comment --comment "kubernetes firewall, \\"quoted\\" -j DROP" -j ACCEPT
COMMIT
`;

  it('reads several tables with the priority of their hook', () => {
    const tables = parseSave(docker, 'ip', 'iptables');
    expect(tables.map(({ name }) => name)).toEqual(['nat', 'filter']);
    const bases = tables.flatMap(({ chains }) =>
      chains.map(
        ({ name, base }) =>
          `${name} ${base?.hook ?? '-'} ${base?.type ?? '-'} ${base?.priority ?? '-'} ${base?.policy ?? '-'}`,
      ),
    );
    expect(bases).toEqual([
      'PREROUTING prerouting nat -100 accept',
      'INPUT input nat 100 accept',
      'DOCKER - - - -',
      'INPUT input filter 0 drop',
      'FORWARD forward filter 0 drop',
      'DOCKER-USER - - - -',
      'f2b-sshd - - - -',
    ]);
  });

  it('keeps rules in the order of their chain, even where chains are mixed', () => {
    const filter = parseSave(docker, 'ip', 'iptables')[1];
    expect(filter?.chains[0]?.rules.map(({ verdict }) => verdict)).toEqual([
      { kind: 'jump', target: 'f2b-sshd' },
      { kind: 'accept' },
    ]);
  });

  it.each([
    ['nothing', '', 0],
    ['a rule outside a table', '-A INPUT -j DROP\n', 0],
    ['a rule of a chain that is not there', '*filter\n-A INPUT -j DROP\n', 1],
    [
      'a table named like a property of objects',
      '*__proto__\n:__proto__ ACCEPT [0:0]\n-A __proto__ -j DROP\nCOMMIT\n',
      1,
    ],
    [
      'a line of a megabyte',
      `*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment "${'a '.repeat(500_000)}" -j DROP\n`,
      1,
    ],
    [
      'a string without an end',
      `*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m comment --comment "${'\\" '.repeat(300_000)}\n`,
      1,
    ],
  ])('survives %s', (_, text, tables) => {
    expect(parseSave(text, 'ip', 'iptables')).toHaveLength(tables);
  });
});

describe('parseIptablesRule', () => {
  it.each<[string, Match]>([
    ['-s 10.0.0.0/8', { kind: 'source', nets: ['10.0.0.0/8'], negate: false }],
    ['! -s 10.0.0.0/8', { kind: 'source', nets: ['10.0.0.0/8'], negate: true }],
    [
      '-m iprange --src-range 10.0.0.1-10.0.0.9',
      { kind: 'source', nets: ['10.0.0.1-10.0.0.9'], negate: false },
    ],
    ['-d 192.0.2.1/32', { kind: 'destination', nets: ['192.0.2.1/32'], negate: false }],
    ['-i eth+', { kind: 'interface', names: ['eth*'], negate: false }],
    ['! -p udp', { kind: 'protocol', names: ['udp'], negate: true }],
    ['--dport 22', { kind: 'port', ranges: [{ first: 22, last: 22 }], negate: false }],
    [
      '-m multiport --dports 22,8000:8010',
      {
        kind: 'port',
        ranges: [
          { first: 22, last: 22 },
          { first: 8000, last: 8010 },
        ],
        negate: false,
      },
    ],
    ['-m state --state NEW', { kind: 'state', states: ['new'], negate: false }],
    ['-m mark ! --mark 0x1/0xff', { kind: 'mark', value: 1, mask: 255, negate: true }],
    ['-m set --match-set bad src', { kind: 'source', nets: ['192.0.2.0/24'], negate: false }],
    ['-m set --match-set other src', { kind: 'unknown', text: '--match-set other src' }],
    ['-m set --match-set bad src,dst', { kind: 'unknown', text: '--match-set bad src,dst' }],
    ['-m owner --uid-owner 0', { kind: 'unknown', text: '--uid-owner 0' }],
    ['-m statistic --mode random', { kind: 'unknown', text: '--mode random' }],
    ['-m string ! --string abc', { kind: 'unknown', text: '! --string abc' }],
    ['-m socket', { kind: 'unknown', text: '-m socket' }],
  ])('reads %s', (options, match) => {
    expect(rule(`-A INPUT ${options} -j DROP`, { bad: ['192.0.2.0/24'] }).matches).toEqual([match]);
  });

  it.each([
    ['-m limit --limit 3/min --limit-burst 10', true],
    ['-m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip --hashlimit-name ssh', false],
    ['-m connlimit --connlimit-above 3 --connlimit-mask 32 --connlimit-saddr', false],
    ['-m addrtype --dst-type LOCAL', true],
    ['-m addrtype ! --dst-type LOCAL', false],
    ['-m pkttype --pkt-type broadcast', false],
    ['-m tcp --tcp-flags FIN,SYN,RST,ACK SYN', true],
    ['-m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN', false],
    ['-m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE', false],
    ['-m rpfilter --invert', false],
    ['-m rt --rt-type 0', false],
    ['-f', false],
    ['-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource', true],
  ])('assumes what %s means for a first packet: %s', (options, holds) => {
    expect(kinds(`-A INPUT ${options} -j DROP`)).toEqual([`assumed ${String(holds)}`]);
  });

  it('takes a client that comes rarely to be off the list of a recent match', () => {
    expect(
      kinds(
        '-A INPUT -m recent --update --seconds 30 --hitcount 6 --name DEFAULT --mask 255.255.255.255 --rsource -j DROP',
      ),
    ).toContain('assumed false');
  });

  it('does not take an option inside a comment for one', () => {
    expect(rule('-A INPUT -m comment --comment "x -s 10.0.0.0/8 -j DROP" -j ACCEPT')).toMatchObject(
      { matches: [], verdict: { kind: 'accept' } },
    );
  });

  it.each<[string, Verdict]>([
    ['-j ACCEPT', { kind: 'accept' }],
    ['-j DROP', { kind: 'drop', how: 'DROP' }],
    ['-j REJECT --reject-with tcp-reset', { kind: 'reject', how: 'tcp-reset' }],
    ['-j RETURN', { kind: 'return' }],
    ['-j LOG --log-prefix "[X] " --log-level 4', { kind: 'continue' }],
    ['-g elsewhere', { kind: 'goto', target: 'elsewhere' }],
    ['-j KUBE-FIREWALL', { kind: 'jump', target: 'KUBE-FIREWALL' }],
    ['-j MARK --set-xmark 0x1/0xffffffff', { kind: 'set-mark' }],
    ['-j CT --notrack', { kind: 'untrack' }],
    ['-j CT --zone 1', { kind: 'continue' }],
    ['-j REDIRECT --to-ports 22', { kind: 'redirect', port: 22 }],
    ['-j DNAT --to-destination 172.17.0.2:80', { kind: 'divert', address: '172.17.0.2', port: 80 }],
    ['-j DNAT --to-destination :2222', { kind: 'divert', address: null, port: 2222 }],
    [
      '-j DNAT --to-destination [2001:db8::1]:22',
      { kind: 'divert', address: '2001:db8::1', port: 22 },
    ],
    [
      '-j DNAT --to-destination 2001:db8::1',
      { kind: 'divert', address: '2001:db8::1', port: null },
    ],
    ['-j NFQUEUE --queue-num 0', { kind: 'unknown', text: '-j NFQUEUE' }],
    ['', { kind: 'continue' }],
  ])('reads the target %j', (target, verdict) => {
    expect(rule(`-A INPUT ${target}`.trim()).verdict).toEqual(verdict);
  });

  it('is null for what is not a rule', () => {
    expect(parseIptablesRule('-I INPUT -j DROP', () => null)).toBeNull();
    expect(parseIptablesRule('-A', () => null)).toBeNull();
  });
});

describe('the small readers', () => {
  it('splits quoted words', () => {
    expect(splitSaved(String.raw`-m comment --comment "a \"b\" c" -j X`)).toEqual([
      '-m',
      'comment',
      '--comment',
      'a "b" c',
      '-j',
      'X',
    ]);
  });

  it('reads open ranges of ports', () => {
    expect(portRanges(':1023,8000:')).toEqual([
      { first: 0, last: 1023 },
      { first: 8000, last: 65535 },
    ]);
  });

  it('reads sets of plain addresses and nets, and leaves out those it cannot judge', () => {
    const sets = parseIpsets(`create bad hash:net family inet hashsize 1024 maxelem 65536
add bad 192.0.2.0/24
add bad 198.51.100.7
create pairs hash:ip,port family inet
add pairs 192.0.2.1,tcp:22
create holes hash:net family inet
add holes 10.0.0.0/8
add holes 10.1.0.0/16 nomatch
create __proto__ hash:ip
add __proto__ 192.0.2.9
`);
    expect([...sets]).toEqual([
      ['bad', ['192.0.2.0/24', '198.51.100.7']],
      ['__proto__', ['192.0.2.9']],
    ]);
  });
});
