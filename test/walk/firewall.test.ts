import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { iptablesFact, parseSave } from '../../src/facts/iptables.ts';
import { nftFact } from '../../src/facts/nft.ts';
import { networkFact } from '../../src/facts/network.ts';
import { findChain, type ChainRef, type Ruleset } from '../../src/facts/ruleset.ts';
import {
  clientPacket,
  describePacket,
  joinRulesets,
  probesFor,
  walkFirewall,
} from '../../src/walk/firewall.ts';
import { acceptRule, passageThrough, passesWith, placeAccept } from '../../src/walk/placement.ts';
import { capturedFacts, client, distros } from '../facts/support/captured.ts';
import { request, unknown } from '../../src/facts/fact.ts';
import { traverse } from '../../src/walk/netfilter.ts';
import type { Packet } from '../../src/walk/packet.ts';

const packet: Packet = {
  family: 'ip',
  source: '192.0.2.7',
  destination: '10.0.0.2',
  port: 22,
  interface: 'eth0',
};
const everyone: Packet = { ...packet, source: '0.0.0.0/0' };

function rules(text: string, policy = 'DROP', more = ''): Ruleset {
  return {
    tables: parseSave(
      `*filter\n:INPUT ${policy} [0:0]\n${more}${text}\nCOMMIT\n`,
      'ip',
      'iptables',
    ),
  };
}

function saved(text: string): Ruleset {
  return { tables: parseSave(text, 'ip', 'iptables') };
}

function verdict(ruleset: Ruleset, of: Packet = packet): string {
  const passage = traverse(ruleset, of);
  return passage.state === 'ok'
    ? 'ok'
    : `${passage.state}: ${passage.block?.by ?? passage.doubts.join('; ')}`;
}

const input: ChainRef = { tool: 'iptables', family: 'ip', table: 'filter', chain: 'INPUT' };

describe('traverse', () => {
  it.each([
    ['an accept', rules('-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'), 'ok'],
    ['only the policy', rules(''), 'broken: iptables filter INPUT: policy drop'],
    [
      'a reject last',
      rules(
        '-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited',
        'ACCEPT',
      ),
      'broken: iptables filter INPUT: -A INPUT -j REJECT --reject-with icmp-host-prohibited',
    ],
    [
      'a denial before the accept',
      rules('-A INPUT -s 192.0.2.0/24 -j DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'),
      'broken: iptables filter INPUT: -A INPUT -s 192.0.2.0/24 -j DROP',
    ],
    [
      'a denial of others',
      rules('-A INPUT -s 198.51.100.0/24 -j DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT'),
      'ok',
    ],
    ['a denial of all but us', rules('-A INPUT ! -s 192.0.2.0/24 -j DROP', 'ACCEPT'), 'ok'],
    [
      'only established connections',
      rules('-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
      'broken: iptables filter INPUT: policy drop',
    ],
    ['new connections', rules('-A INPUT -m conntrack --ctstate NEW -j ACCEPT'), 'ok'],
    ['not an invalid one', rules('-A INPUT -m conntrack ! --ctstate INVALID -j ACCEPT'), 'ok'],
    [
      'another port',
      rules('-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT'),
      'broken: iptables filter INPUT: policy drop',
    ],
    ['all but another port', rules('-A INPUT -p tcp -m tcp ! --dport 2222 -j ACCEPT'), 'ok'],
    [
      'another protocol',
      rules('-A INPUT -p udp -m udp --dport 22 -j ACCEPT'),
      'broken: iptables filter INPUT: policy drop',
    ],
    ['an interface wildcard', rules('-A INPUT -i eth+ -j ACCEPT'), 'ok'],
    [
      'another interface',
      rules('-A INPUT -i wlan+ -j ACCEPT'),
      'broken: iptables filter INPUT: policy drop',
    ],
    ['not our interface', rules('-A INPUT ! -i eth0 -j DROP', 'ACCEPT'), 'ok'],
    ['the address it is sent to', rules('-A INPUT -d 10.0.0.2/32 -j ACCEPT'), 'ok'],
    [
      'a mark that nobody set',
      rules('-A INPUT -m mark --mark 0x1 -j ACCEPT'),
      'broken: iptables filter INPUT: policy drop',
    ],
    ['no mark', rules('-A INPUT -m mark ! --mark 0x1 -j ACCEPT'), 'ok'],
    [
      'a mark that was set',
      saved(
        '*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -m mark --mark 0x1 -j ACCEPT\nCOMMIT\n',
      ),
      'unknown: iptables filter INPUT: policy drop',
    ],
    [
      'a jump that comes back',
      rules(
        '-A INPUT -j other\n-A INPUT -j ACCEPT\n-A other -s 198.51.100.1/32 -j DROP',
        'DROP',
        ':other - [0:0]\n',
      ),
      'ok',
    ],
    [
      'a jump into a denial',
      rules('-A INPUT -j other\n-A INPUT -j ACCEPT\n-A other -j DROP', 'DROP', ':other - [0:0]\n'),
      'broken: iptables filter other: -A other -j DROP',
    ],
    [
      'a return before a denial',
      rules(
        '-A INPUT -j other\n-A INPUT -j ACCEPT\n-A other -p tcp -j RETURN\n-A other -j DROP',
        'DROP',
        ':other - [0:0]\n',
      ),
      'ok',
    ],
    [
      'a return of the base chain, to its policy',
      rules('-A INPUT -j RETURN\n-A INPUT -j ACCEPT'),
      'broken: iptables filter INPUT: policy drop',
    ],
    [
      'a goto, which does not come back',
      rules(
        '-A INPUT -g other\n-A INPUT -j ACCEPT\n-A other -s 198.51.100.1/32 -j DROP',
        'DROP',
        ':other - [0:0]\n',
      ),
      'broken: iptables filter INPUT: policy drop',
    ],
    [
      'a goto that may have accepted, which does not come back either',
      rules(
        '-A INPUT -g other\n-A INPUT -j ACCEPT\n-A other -m socket -j ACCEPT',
        'DROP',
        ':other - [0:0]\n',
      ),
      'unknown: iptables filter INPUT: policy drop',
    ],
    [
      'a goto that may have returned',
      rules(
        '-A INPUT -g other\n-A INPUT -j ACCEPT\n-A other -m socket -j RETURN',
        'DROP',
        ':other - [0:0]\n',
      ),
      'broken: iptables filter INPUT: policy drop',
    ],
    [
      'a maybe-denial before an accept',
      rules('-A INPUT -m socket -j DROP\n-A INPUT -j ACCEPT'),
      'unknown: iptables filter INPUT: -A INPUT -m socket -j DROP',
    ],
    [
      'a maybe-accept before a denial',
      rules('-A INPUT -m socket -j ACCEPT\n-A INPUT -j DROP'),
      'unknown: iptables filter INPUT: -A INPUT -j DROP',
    ],
    [
      'a maybe-accept before an accept',
      rules('-A INPUT -m socket -j ACCEPT\n-A INPUT -j ACCEPT'),
      'ok',
    ],
    [
      'a maybe-denial before a denial',
      rules('-A INPUT -m socket -j DROP\n-A INPUT -j DROP'),
      'broken: iptables filter INPUT: -A INPUT -m socket -j DROP',
    ],
    [
      'a target that nobody knows',
      rules('-A INPUT -j STRANGE\n-A INPUT -j ACCEPT'),
      'unknown: iptables filter INPUT: STRANGE',
    ],
    [
      'a queue',
      rules('-A INPUT -j NFQUEUE --queue-num 0\n-A INPUT -j ACCEPT'),
      'unknown: iptables filter INPUT: -A INPUT -j NFQUEUE --queue-num 0',
    ],
    [
      'a redirect to an open port',
      saved(
        '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT\nCOMMIT\n',
      ),
      'ok',
    ],
    [
      'a redirect away from the open port',
      saved(
        '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n',
      ),
      'broken: iptables filter INPUT: policy drop',
    ],
    [
      'a maybe-redirect away from the open port',
      saved(
        '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m socket -j REDIRECT --to-ports 2222\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n',
      ),
      'unknown: iptables filter INPUT: policy drop',
    ],
    [
      'a maybe-untracked packet',
      saved(
        '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m socket -j CT --notrack\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n',
      ),
      'unknown: iptables filter INPUT: policy drop',
    ],
    [
      'an untracked packet',
      saved(
        '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j CT --notrack\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n',
      ),
      'broken: iptables filter INPUT: policy drop',
    ],
    [
      'a DNAT to another host',
      saved(
        '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j DNAT --to-destination 172.17.0.2:22\nCOMMIT\n',
      ),
      'broken: iptables nat PREROUTING: -A PREROUTING -p tcp -m tcp --dport 22 -j DNAT --to-destination 172.17.0.2:22',
    ],
    [
      'a DNAT to ourselves',
      saved(
        '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j DNAT --to-destination 10.0.0.2:2222\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT\nCOMMIT\n',
      ),
      'ok',
    ],
    [
      'chains that the packet never sees',
      rules(
        '-A FORWARD -j DROP\n-A OUTPUT -j DROP',
        'ACCEPT',
        ':FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n',
      ),
      'ok',
    ],
  ])('walks through %s', (_, ruleset, expected) => {
    expect(verdict(ruleset)).toBe(expected);
  });

  it('does not show IPv4 rules to IPv6', () => {
    expect(
      verdict(rules('-A INPUT -j DROP'), {
        ...packet,
        family: 'ip6',
        source: '2001:db8::7',
        destination: null,
      }),
    ).toBe('ok');
  });

  it('cannot tell about an interface or address that is not known', () => {
    expect(verdict(rules('-A INPUT -i eth0 -j ACCEPT'), { ...packet, interface: null })).toMatch(
      /^unknown/,
    );
    expect(
      verdict(rules('-A INPUT -d 10.0.0.2/32 -j ACCEPT'), { ...packet, destination: null }),
    ).toMatch(/^unknown/);
    expect(
      verdict(
        saved(
          '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 10.0.0.2\nCOMMIT\n',
        ),
        { ...packet, destination: null },
      ),
    ).toMatch(/^unknown/);
    const ingress: Ruleset = {
      tables: [
        {
          tool: 'nft',
          family: 'netdev',
          name: 't',
          chains: [
            {
              name: 'c',
              base: {
                hook: 'ingress',
                type: 'filter',
                priority: 0,
                policy: 'drop',
                devices: ['eth0'],
              },
              rules: [],
            },
          ],
        },
      ],
    };
    expect(verdict(ingress)).toBe('broken: nft netdev t c: policy drop');
    expect(verdict(ingress, { ...packet, interface: 'eth1' })).toBe('ok');
    expect(verdict(ingress, { ...packet, interface: null })).toMatch(/^unknown/);
  });

  it('takes a rule about a part of a net for an exception', () => {
    expect(verdict(rules('-A INPUT -s 192.0.2.7/32 -j DROP\n-A INPUT -j ACCEPT'), everyone)).toBe(
      'ok',
    );
    expect(verdict(rules('-A INPUT -s 192.0.2.0/24 -j ACCEPT'), everyone)).toBe(
      'broken: iptables filter INPUT: policy drop',
    );
  });

  it('ends on a jump loop', () => {
    expect(
      verdict(rules('-A INPUT -j a\n-A a -j b\n-A b -j a', 'DROP', ':a - [0:0]\n:b - [0:0]\n')),
    ).toMatch(/^(?:unknown|broken)/);
  });

  it('ends quickly on a tree of jumps that doubles at each level', () => {
    const names = Array.from({ length: 30 }, (_, level) => `c${level}`);
    const text = [
      '-A INPUT -j c0',
      ...names
        .slice(0, -1)
        .flatMap((name, level) => [`-A ${name} -j c${level + 1}`, `-A ${name} -j c${level + 1}`]),
    ].join('\n');
    expect(
      traverse(rules(text, 'ACCEPT', names.map((name) => `:${name} - [0:0]\n`).join('')), packet),
    ).toEqual({
      state: 'unknown',
      block: null,
      doubts: ['the rule set is too large to follow'],
    });
  });
});

describe.each(distros)('the walk over real rule sets of %s', (distro) => {
  const passage = (name: string, more: Partial<Packet> = {}): string => {
    const facts = capturedFacts(`${distro}-${name}`);
    const iptables = facts.get(request(iptablesFact, undefined));
    const nft = facts.get(request(nftFact, undefined));
    if (!iptables.known || !nft.known) {
      throw new Error('not known');
    }
    return verdict(joinRulesets(iptables.value, nft.value), {
      ...packet,
      source: client,
      destination: null,
      ...more,
    });
  };
  const v6 = { family: 'ip6' as const, source: 'fd77::1' };

  it.each<[string, Partial<Packet>, string | RegExp]>([
    ['clean', {}, 'ok'],
    ['ufw-enabled', {}, 'broken: iptables filter INPUT: policy drop'],
    ['ufw-enabled', v6, 'broken: ip6tables filter INPUT: policy drop'],
    [
      'ufw-deny-source',
      {},
      'broken: iptables filter ufw-user-input: -A ufw-user-input -s 10.77.0.1/32 -j DROP',
    ],
    ['ufw-deny-source', { source: '198.51.100.9' }, 'ok'],
    ['ufw-rules', {}, 'ok'],
    ['ufw-rules', { port: 2222 }, 'ok'],
    ['ufw-rules', { port: 2222, interface: 'wlan0' }, /^broken/],
    [
      'ufw-rules',
      { port: 23 },
      'broken: iptables filter ufw-user-input: -A ufw-user-input -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset',
    ],
    [
      'ufw-rules',
      { source: '203.0.113.9' },
      'broken: iptables filter ufw-user-input: -A ufw-user-input -s 203.0.113.0/24 -j DROP',
    ],
    ['ufw-no-ipv6', v6, /^broken: ip6tables filter INPUT: policy drop/],
    [
      'iptables-reject-last',
      {},
      'broken: iptables filter INPUT: -A INPUT -j REJECT --reject-with icmp-host-prohibited',
    ],
    [
      'iptables-reject-last',
      v6,
      'broken: ip6tables filter INPUT: -A INPUT -j REJECT --reject-with icmp6-adm-prohibited',
    ],
    ['iptables-deny-source', {}, 'broken: iptables filter INPUT: -A INPUT -s 10.77.0.1/32 -j DROP'],
    ['nft-two-tables', {}, 'broken: nft inet strict input: policy drop'],
    ['nft-deny-source', {}, 'broken: nft inet filter input: ip saddr 10.77.0.1 drop'],
    ['firewalld-no-ssh', {}, /^broken: nft inet firewalld .*reject/],
    [
      'firewalld-drop-zone',
      {},
      /^broken: nft inet firewalld filter_(?:IN_drop|INPUT_POLICIES): (?:.* )?drop/,
    ],
    [
      'firewalld-drop-source',
      {},
      /^broken: nft inet firewalld filter_(?:IN_drop|INPUT_POLICIES): (?:.* )?drop/,
    ],
    ['firewalld-drop-source', { source: '198.51.100.9' }, 'ok'],
    ['firewalld-rules', { port: 2222 }, 'ok'],
    ['firewalld-rules', { source: '198.51.100.9' }, 'ok'],
    ['firewalld-rules', { port: 2200 }, /^broken/],
    ['fail2ban', {}, /^broken: nft inet f2b-table f2b-chain: .*reject/],
    ['fail2ban', { source: '198.51.100.99' }, 'ok'],
    ['native', { source: '10.1.1.1' }, 'ok'],
    ['native', { port: 443 }, 'ok'],
    ['native', { port: 24 }, /^broken: nft inet mgmt input: tcp dport 24 ct mark set/],
    ['native', { port: 7 }, 'ok'],
    ['native', { port: 99 }, 'broken: nft inet filter input: policy drop'],
    ['native', { port: 99, ...v6 }, 'ok'],
    ['native', { port: 80, source: '10.9.0.7' }, 'ok'],
    [
      'native',
      { port: 5, source: '10.9.0.7' },
      'broken: nft inet filter input: ip saddr 10.9.0.7 drop',
    ],
    [
      'native',
      { port: 25 },
      'broken: nft inet filter input: tcp dport vmap { 25 : drop, 28 : jump extra }',
    ],
    [
      'native',
      { port: 2201, destination: '10.0.0.2' },
      /^broken: nft ip nat prerouting: tcp dport 2201 dnat to/,
    ],
  ])('%s, %j', (name, more, expected) => {
    const found = passage(name, more);
    if (typeof expected === 'string') {
      expect(found).toBe(expected);
    } else {
      expect(found).toMatch(expected);
    }
  });

  it('counts the rules of iptables-nft once', () => {
    const facts = capturedFacts(`${distro}-ufw-enabled`);
    const iptables = facts.get(request(iptablesFact, undefined));
    const nft = facts.get(request(nftFact, undefined));
    const joined =
      iptables.known && nft.known ? joinRulesets(iptables.value, nft.value) : { tables: [] };
    expect(
      joined.tables.filter(({ tool }) => tool === 'nft').flatMap(({ chains }) => chains),
    ).toEqual([]);
  });

  it('is one link with its evidence', () => {
    const facts = capturedFacts(`${distro}-iptables-reject-last`);
    const endpoint: Endpoint = {
      host: 'h',
      address: '192.0.2.99',
      port: 22,
      user: 'root',
      from: { address: client, assumed: false },
    };
    const seen = {
      iptables: facts.get(request(iptablesFact, undefined)),
      nft: facts.get(request(nftFact, undefined)),
      network: facts.get(request(networkFact, client)),
    };
    expect(walkFirewall(seen, endpoint)).toEqual({
      layer: 'firewall',
      state: 'broken',
      by: 'iptables filter INPUT: -A INPUT -j REJECT --reject-with icmp-host-prohibited',
      evidence: [
        expect.stringMatching(
          /^tcp from 10\.77\.0\.1 to 10\.77\.0\.\d+ port 22 on eth0$/,
        ) as string,
      ],
    });
    expect(walkFirewall({ ...seen, nft: unknown('nft hangs') }, endpoint)).toMatchObject({
      state: 'unknown',
      by: 'nft hangs',
    });
    expect(walkFirewall(seen, { ...endpoint, from: null })).toMatchObject({
      state: 'unknown',
      by: 'the address that logins come from is not known',
    });
  });
});

describe('placeAccept', () => {
  const accept = acceptRule(packet, 'ours');

  it.each<[string, Ruleset, number | string]>([
    [
      'before a reject at the end',
      rules('-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT', 'ACCEPT'),
      1,
    ],
    ['at the end where the policy drops', rules('-A INPUT -i lo -j ACCEPT'), 1],
    [
      'before the first denial, not the last',
      rules('-A INPUT -s 192.0.2.0/24 -j DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT'),
      0,
    ],
    [
      'before a jump into a denial',
      rules(
        '-A INPUT -i lo -j ACCEPT\n-A INPUT -j other\n-A other -j DROP',
        'DROP',
        ':other - [0:0]\n',
      ),
      1,
    ],
    ['nowhere where it passes', rules('-A INPUT -j ACCEPT'), 'passes'],
    [
      'nowhere where another table stops it',
      saved(
        '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DROP\nCOMMIT\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n',
      ),
      0,
    ],
  ])('goes %s', (_, ruleset, expected) => {
    const placement = placeAccept(ruleset, input, packet, accept);
    expect(placement.kind === 'place' ? placement.index : placement.kind).toBe(expected);
  });

  it('is proven by walking again', () => {
    const ruleset = rules('-A INPUT -s 192.0.2.0/24 -j DROP\n-A INPUT -j REJECT');
    const placement = placeAccept(ruleset, input, packet, accept);
    expect(placement.kind === 'place' && traverse(placement.ruleset, packet).state).toBe('ok');
    expect(passesWith(ruleset, input, 0, packet, accept)).toBe(true);
    expect(passesWith(ruleset, input, 1, packet, accept)).toBe(false);
    expect(findChain(ruleset, input)?.rules).toHaveLength(2);
  });

  it('leaves the place to others where a chain before this one surely stops it', () => {
    const ruleset = rules(
      '-A INPUT -j early\n-A INPUT -j user\n-A early -j DROP',
      'DROP',
      ':early - [0:0]\n:user - [0:0]\n',
    );
    const placement = placeAccept(ruleset, { ...input, chain: 'user' }, packet, accept);
    expect(placement).toMatchObject({ kind: 'stuck', sure: true });
  });

  it('is unsure where nobody can tell whether it is stopped', () => {
    const placement = placeAccept(
      rules('-A INPUT -j NFQUEUE\n-A INPUT -j user', 'DROP', ':user - [0:0]\n'),
      { ...input, chain: 'user' },
      packet,
      accept,
    );
    expect(placement).toMatchObject({ kind: 'stuck', sure: false });
  });
});

describe('probesFor', () => {
  const endpoint: Endpoint = {
    host: 'h',
    address: '10.0.0.2',
    port: 22,
    user: 'root',
    from: { address: '192.0.2.7', assumed: true },
  };
  const network = {
    addresses: [{ interface: 'eth0', family: 'ip' as const, address: '10.0.0.2', scope: 'global' }],
    towards: { interface: 'wg0', source: null },
  };
  const summary = (from: string, families: readonly ('ip' | 'ip6')[], of = endpoint): string[] =>
    probesFor({ port: 22, from }, of, network, families).map(
      ({ who, packet: one }) => `${who}: ${describePacket(one)}`,
    );

  it('asks for everyone in each family, and for the client by itself', () => {
    expect(summary('any', ['ip', 'ip6'])).toEqual([
      'net: tcp from any IPv4 client to 10.0.0.2 port 22 on eth0',
      'client: tcp from 192.0.2.7 to 10.0.0.2 port 22 on eth0',
      'net: tcp from any IPv6 client port 22 on eth0',
    ]);
  });

  it('asks for a net in its own family only', () => {
    expect(summary('192.0.2.0/24', ['ip', 'ip6'])).toEqual([
      'net: tcp from 192.0.2.0/24 to 10.0.0.2 port 22 on eth0',
      'client: tcp from 192.0.2.7 to 10.0.0.2 port 22 on eth0',
    ]);
    expect(summary('198.51.100.0/24', ['ip'])).toEqual([
      'net: tcp from 198.51.100.0/24 to 10.0.0.2 port 22 on eth0',
    ]);
  });

  it('asks for nothing in a family that the host has not', () => {
    expect(summary('2001:db8::/32', ['ip'])).toEqual([]);
  });

  it('takes the way back to the client where the endpoint is behind address translation', () => {
    expect(summary('any', ['ip'], { ...endpoint, address: '203.0.113.1', from: null })).toEqual([
      'net: tcp from any IPv4 client port 22 on wg0',
    ]);
  });

  it('has no packet for a client that nobody knows', () => {
    expect(clientPacket({ ...endpoint, from: null }, network)).toBeNull();
    expect(clientPacket(endpoint, network)).toEqual({
      family: 'ip',
      source: '192.0.2.7',
      port: 22,
      destination: '10.0.0.2',
      interface: 'eth0',
    });
  });
});

describe('passageThrough', () => {
  it('looks at the chosen tables only', () => {
    const ruleset = saved(
      '*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n',
    );
    expect(passageThrough(ruleset, ({ name }) => name === 'nat', packet).state).toBe('ok');
    expect(passageThrough(ruleset, ({ name }) => name === 'filter', packet).state).toBe('broken');
  });
});
