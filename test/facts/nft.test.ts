import { describe, expect, it } from 'vitest';
import { readExpressions } from '../../src/facts/nft-expression.ts';
import type { Json } from '../../src/facts/nft-match.ts';
import { nftFact, parseNftJson, parseRuleTexts } from '../../src/facts/nft.ts';
import type { Chain, Match, Ruleset } from '../../src/facts/ruleset.ts';
import { capturedParts, capturedValue, distros, part } from './support/captured.ts';

function chain(ruleset: Ruleset, table: string, name: string): Chain {
  const found = ruleset.tables
    .find((one) => one.name === table)
    ?.chains.find((one) => one.name === name);
  if (found === undefined) {
    throw new Error(`no chain ${table} ${name}`);
  }
  return found;
}

function read(
  expressions: readonly Json[],
  sets: Readonly<Record<string, readonly Json[]>> = {},
): ReturnType<typeof readExpressions> {
  return readExpressions(expressions, (name) => sets[name] ?? null);
}

function match(left: Json, right: Json, op = '=='): Json {
  return { match: { op, left, right } };
}

function payload(protocol: string, field: string): Json {
  return { payload: { protocol, field } };
}

describe.each(distros)('nft on %s', (distro) => {
  it('is empty on a fresh host', () => {
    const fact = capturedValue(nftFact, undefined, `${distro}-clean`);
    expect(fact.ruleset.tables).toEqual([]);
    expect(fact.permanent).toEqual({ state: 'none' });
  });

  it('reads tables, base chains and rules as people know them', () => {
    const { ruleset, permanent, files } = capturedValue(
      nftFact,
      undefined,
      `${distro}-nft-two-tables`,
    );
    expect(chain(ruleset, 'strict', 'input')).toMatchObject({
      base: { hook: 'input', type: 'filter', priority: 10, policy: 'drop', devices: [] },
      rules: [
        { handle: 2, text: 'ct state established,related accept', verdict: { kind: 'accept' } },
        { handle: 3, text: 'iif "lo" accept' },
        { handle: 4, text: 'meta l4proto ipv6-icmp accept' },
      ],
    });
    expect(permanent).toEqual({ state: 'known', ruleset });
    expect(files.map(({ path }) => path)).toEqual(['/etc/nftables.conf']);
    expect(files[0]?.text).toMatch(/^#!\/usr\/sbin\/nft -f\n[^]*\n}\n$/);
  });

  it('reads sets, verdict maps, ranges, concatenations and redirects', () => {
    const { ruleset } = capturedValue(nftFact, undefined, `${distro}-native`);
    const input = chain(ruleset, 'filter', 'input').rules;
    const rule = (text: string): { matches: readonly Match[]; verdict: object }[] =>
      input
        .filter((one) => one.text.startsWith(text))
        .map(({ matches, verdict }) => ({ matches, verdict }));
    expect(chain(ruleset, 'mgmt', 'input').rules[0]).toMatchObject({
      text: 'ip saddr @admins tcp dport 22 accept comment "admins"',
      matches: [
        { kind: 'source', nets: ['10.9.0.0/24', '192.0.2.7'], negate: false },
        { kind: 'port', ranges: [{ first: 22, last: 22 }], negate: false },
      ],
    });
    expect(rule('tcp dport { 80')[0]?.matches[0]).toEqual({
      kind: 'port',
      ranges: [
        { first: 80, last: 80 },
        { first: 443, last: 443 },
        { first: 8000, last: 8010 },
      ],
      negate: false,
    });
    expect(rule('tcp dport vmap').map(({ verdict }) => verdict)).toEqual([
      { kind: 'drop', how: 'drop' },
      { kind: 'jump', target: 'extra' },
    ]);
    expect(rule('ct state vmap').map(({ matches }) => matches)).toEqual([
      [{ kind: 'state', states: ['invalid'], negate: false }],
      [{ kind: 'state', states: ['established'], negate: false }],
      [{ kind: 'state', states: ['related'], negate: false }],
    ]);
    expect(rule('ip saddr . tcp dport')[0]?.matches[0]).toMatchObject({
      kind: 'any-of',
      groups: [[{ kind: 'source', nets: ['10.1.1.1'] }, { kind: 'port' }]],
    });
    expect(rule('ip saddr != 10.0.0.0/8')[0]?.matches[0]).toEqual({
      kind: 'source',
      nets: ['10.0.0.0/8'],
      negate: true,
    });
    expect(chain(ruleset, 'nat', 'prerouting').rules.map(({ verdict }) => verdict)).toEqual([
      { kind: 'redirect', port: 22 },
      { kind: 'divert', address: '10.0.0.5', port: 22 },
    ]);
  });

  it('reads on behind a statement that sets a mark', () => {
    const { ruleset } = capturedValue(nftFact, undefined, `${distro}-native`);
    const marked = chain(ruleset, 'mgmt', 'input').rules.filter(({ text }) =>
      text.includes('mark set'),
    );
    expect(
      marked.map(({ text, verdict }) => `${text.replace(/0x0+/, '0x')}: ${verdict.kind}`),
    ).toEqual([
      'tcp dport 23 meta mark set 0x1 accept: set-mark',
      'tcp dport 23 meta mark set 0x1 accept: accept',
      'tcp dport 24 ct mark set 0x2 drop: drop',
    ]);
  });

  it('takes a client to be under the rate of a meter', () => {
    const { ruleset } = capturedValue(nftFact, undefined, `${distro}-native`);
    const metered = chain(ruleset, 'mgmt', 'input').rules.find(({ text }) =>
      text.includes('@seen'),
    );
    expect(metered?.matches.at(-1)).toMatchObject({
      kind: 'any-of',
      groups: [[{ kind: 'assumed', holds: false }]],
    });
  });

  it('keeps a match on the IPv4 header away from IPv6', () => {
    const { ruleset } = capturedValue(nftFact, undefined, `${distro}-native`);
    const rule = chain(ruleset, 'mgmt', 'input').rules.find(({ text }) =>
      text.startsWith('ip protocol tcp'),
    );
    expect(rule?.matches[0]).toMatchObject({
      groups: [
        [
          { kind: 'family', family: 'ip' },
          { kind: 'protocol', names: ['tcp'] },
        ],
      ],
    });
  });

  it('resolves the sets of fail2ban', () => {
    const { ruleset } = capturedValue(nftFact, undefined, `${distro}-fail2ban`);
    const nets = chain(ruleset, 'f2b-table', 'f2b-chain').rules.map(({ matches }) =>
      matches.flatMap((one) => (one.kind === 'source' ? one.nets : [])),
    );
    expect(nets.flat()).toEqual(expect.arrayContaining(['10.77.0.1', 'fd77::1']));
  });

  it('reads the zones of firewalld', () => {
    const { ruleset } = capturedValue(nftFact, undefined, `${distro}-firewalld-no-ssh`);
    const firewalld = ruleset.tables.find(({ name }) => name === 'firewalld');
    expect(firewalld?.chains.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['filter_INPUT', 'filter_IN_public_allow', 'filter_IN_public_pre']),
    );
  });

  it('shows the tables of ufw too, as they are in the kernel', () => {
    const { ruleset } = capturedValue(nftFact, undefined, `${distro}-ufw-enabled`);
    expect(chain(ruleset, 'filter', 'INPUT').base?.policy).toBe('drop');
  });
});

describe('nft', () => {
  it('has no rules where nft is not there or not loaded', () => {
    expect(nftFact.parse(new Map([['ruleset', part('', { status: 3 })]]), undefined)).toEqual({
      known: true,
      value: { ruleset: { tables: [] }, files: [], permanent: { state: 'none' } },
    });
  });

  it.each([
    [
      'failed',
      part('', { status: 1, errors: 'Operation not permitted' }),
      'Operation not permitted',
    ],
    ['was cut', part('{"nftables": []}', { cut: true }), 'the output is too long'],
    ['printed no JSON', part('table ip x {}'), 'nft did not print JSON'],
    ['printed half of its JSON', part('{"nftables": [{"metainfo"'), 'nft did not print JSON'],
    ['printed nothing', part(''), 'nft did not print JSON'],
    ['printed another document', part('[]'), 'nft did not print JSON'],
  ])('is unknown where nft %s', (_, ruleset, because) => {
    expect(nftFact.parse(new Map([['ruleset', ruleset]]), undefined)).toEqual({
      known: false,
      because: `the nftables rules could not be read: ${because}`,
    });
  });

  it('keeps the bytes of files that hold what looks like a header', () => {
    const parts = new Map(capturedParts('nft', 'debian12-clean'));
    const body = `${'0'.repeat(64)} 5 /etc/passwd\n\u00ff\n`;
    const printed = `${'a'.repeat(64)} ${body.length} /etc/nftables.conf\n${body}\n${'b'.repeat(64)} 0 /etc/nftables.d/empty file\n\n`;
    parts.set('files', { ...part(''), latin1: printed });
    const fact = nftFact.parse(parts, undefined);
    expect(fact.known && fact.value.files).toEqual([
      { path: '/etc/nftables.conf', sha256: 'a'.repeat(64), text: body },
      { path: '/etc/nftables.d/empty file', sha256: 'b'.repeat(64), text: '' },
    ]);
  });
});

describe('parseNftJson', () => {
  it.each([
    ['items that are not objects', '{"nftables": [null, 1, "x", [], {}]}', 0],
    [
      'names like properties of objects',
      '{"nftables": [{"table": {"family": "inet", "name": "__proto__"}}, {"chain": {"family": "inet", "table": "__proto__", "name": "constructor"}}, {"rule": {"family": "inet", "table": "__proto__", "chain": "constructor", "expr": [{"__proto__": null}, {"constructor": {}}]}}]}',
      1,
    ],
    [
      'a rule without expressions',
      '{"nftables": [{"table": {"family": "ip", "name": "x"}}, {"chain": {"family": "ip", "table": "x", "name": "y"}}, {"rule": {"family": "ip", "table": "x", "chain": "y"}}]}',
      1,
    ],
    [
      'very deep nesting',
      `{"nftables": [{"table": {"family": "ip", "name": "x"}}, {"chain": {"family": "ip", "table": "x", "name": "y"}}, {"rule": {"family": "ip", "table": "x", "chain": "y", "expr": [{"match": {"op": "==", "left": ${'{"&": ['.repeat(2000)}1${']}'.repeat(2000)}, "right": 1}}]}}]}`,
      1,
    ],
    [
      'a name of a megabyte',
      `{"nftables": [{"table": {"family": "ip", "name": "${'a'.repeat(1_000_000)}"}}]}`,
      1,
    ],
  ])('survives %s', (_, text, tables) => {
    expect(parseNftJson(text)).toHaveLength(tables);
  });

  it('takes what it does not know for unknown, never for nothing', () => {
    expect(read([{ __proto__x: 1 }, { accept: null }])).toEqual([
      { matches: [{ kind: 'unknown', text: '__proto__x' }], verdict: { kind: 'accept' } },
    ]);
    expect(read(['text', { drop: null }])[0]?.matches).toEqual([
      { kind: 'unknown', text: '"text"' },
    ]);
  });
});

describe('readExpressions', () => {
  it.each<[string, Json, Match]>([
    [
      'a port below',
      match(payload('tcp', 'dport'), 1024, '<'),
      { kind: 'port', ranges: [{ first: 0, last: 1023 }], negate: false },
    ],
    [
      'a port from',
      match(payload('tcp', 'dport'), 1024, '>='),
      { kind: 'port', ranges: [{ first: 1024, last: 65535 }], negate: false },
    ],
    [
      'another port',
      match(payload('tcp', 'dport'), 22, '!='),
      { kind: 'port', ranges: [{ first: 22, last: 22 }], negate: true },
    ],
    [
      'an address range',
      match(payload('ip', 'saddr'), { range: ['10.0.0.1', '10.0.0.9'] }),
      { kind: 'source', nets: ['10.0.0.1-10.0.0.9'], negate: false },
    ],
    [
      'an element with a time-out',
      match(payload('ip', 'saddr'), { set: [{ elem: { val: '192.0.2.7', timeout: 60 } }] }),
      { kind: 'source', nets: ['192.0.2.7'], negate: false },
    ],
    [
      'a named set',
      match(payload('ip', 'saddr'), '@bad'),
      { kind: 'source', nets: ['192.0.2.0/24'], negate: false },
    ],
    [
      'a set that is not there',
      match(payload('ip', 'saddr'), '@none'),
      { kind: 'unknown', text: '{"payload":{"protocol":"ip","field":"saddr"}}' },
    ],
    [
      'an ordered address',
      match(payload('ip', 'saddr'), '10.0.0.0', '<'),
      { kind: 'unknown', text: '{"payload":{"protocol":"ip","field":"saddr"}}' },
    ],
    [
      'a user',
      match({ meta: { key: 'skuid' } }, 0),
      { kind: 'unknown', text: '{"meta":{"key":"skuid"}}' },
    ],
    [
      'an interface pattern',
      match({ meta: { key: 'iifname' } }, 'eth*'),
      { kind: 'interface', names: ['eth*'], negate: false },
    ],
    [
      'no interface',
      match({ meta: { key: 'iifname' } }, 'lo', '!='),
      { kind: 'interface', names: ['lo'], negate: true },
    ],
    [
      'a masked mark',
      match({ '&': [{ meta: { key: 'mark' } }, 255] }, 1),
      { kind: 'mark', value: 1, mask: 255, negate: false },
    ],
    [
      'udp',
      match(payload('udp', 'dport'), 22),
      { kind: 'assumed', holds: false, text: 'a login is tcp, not udp' },
    ],
    [
      'tcp flags',
      match({ '&': [payload('tcp', 'flags'), { '|': ['fin', 'syn'] }] }, 'syn'),
      { kind: 'assumed', holds: true, text: 'the first packet is a SYN' },
    ],
    [
      'the other family',
      match({ meta: { key: 'nfproto' } }, 'ipv6'),
      { kind: 'family', family: 'ip6', negate: false },
    ],
    [
      'a match of xtables',
      { xt: { type: 'match', name: 'recent' } },
      { kind: 'unknown', text: 'xt recent' },
    ],
    [
      'a rate below',
      { limit: { rate: 5, per: 'second' } },
      { kind: 'assumed', holds: true, text: 'limit: one polite client is under the limit' },
    ],
    [
      'many connections',
      { 'ct count': { val: 10, inv: true } },
      {
        kind: 'assumed',
        holds: false,
        text: 'connection count: one polite client is under the limit',
      },
    ],
  ])('reads %s', (_, expression, expected) => {
    expect(
      read([expression, { drop: null }], { bad: [{ prefix: { addr: '192.0.2.0', len: 24 } }] }),
    ).toEqual([{ matches: [expected], verdict: { kind: 'drop', how: 'drop' } }]);
  });

  it('reads both families of meta protocol, and neither for arp', () => {
    const both = read([
      match({ meta: { key: 'protocol' } }, { set: ['ip', 'ip6'] }),
      { drop: null },
    ]);
    expect(both[0]?.matches).toEqual([
      {
        kind: 'any-of',
        groups: [
          [{ kind: 'family', family: 'ip', negate: false }],
          [{ kind: 'family', family: 'ip6', negate: false }],
        ],
        negate: false,
      },
    ]);
    expect(read([match({ meta: { key: 'protocol' } }, 'arp'), { drop: null }])[0]?.matches).toEqual(
      [{ kind: 'any-of', groups: [], negate: false }],
    );
  });

  it('remembers the family of an empty set', () => {
    expect(
      read([match(payload('ip6', 'saddr'), '@empty', '!='), { drop: null }], { empty: [] })[0]
        ?.matches,
    ).toEqual([
      {
        kind: 'any-of',
        groups: [
          [
            { kind: 'family', family: 'ip6', negate: false },
            { kind: 'source', nets: [], negate: true },
          ],
        ],
        negate: false,
      },
    ]);
  });
});

describe('parseRuleTexts', () => {
  it('names a rule by its table, chain and handle', () => {
    const texts = parseRuleTexts(
      'table inet t { # handle 1\n\tchain c { # handle 2\n\t\ttcp dport 22 accept # handle 3\n\t}\n}\n',
    );
    expect([...texts]).toEqual([['["inet","t","c",3]', 'tcp dport 22 accept']]);
  });
});
