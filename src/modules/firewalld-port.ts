import type { Change } from '../core/change.ts';
import { compareSpans, parseSpan } from '../core/net.ts';
import { request, type FactSet } from '../facts/fact.ts';
import { firewalldFact, type Firewalld, type Zone } from '../facts/firewalld.ts';
import {
  findChain,
  insertRule,
  type ChainRef,
  type Ruleset,
  type Table,
} from '../facts/ruleset.ts';
import {
  acceptRule,
  describePacket,
  isEveryone,
  passageThrough,
  passesWith,
  type Probe,
} from '../walk/firewall.ts';
import type { Packet } from '../walk/packet.ts';
import {
  admissionSchema,
  firewallFacts,
  firewallRequests,
  iptablesRequest,
  nftRequest,
} from './firewall-facts.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';

export const firewalldRequest = request(firewalldFact, undefined);

/** Lets a port through firewalld, in the zone that holds the client, now and after a reload. */
export const firewalldPort: Module<typeof admissionSchema> = {
  name: 'firewalld-port',
  summary:
    'Let a port through firewalld, in the zone that really holds the client, runtime and permanent',
  schema: admissionSchema,
  facts: (_args, { endpoint }) => [firewalldRequest, ...firewallRequests(endpoint)],
  plan(args, facts, { endpoint }) {
    const firewalld = facts.get(firewalldRequest);
    const firewall = firewallFacts(facts, args, endpoint);
    if (!firewalld.known) {
      return blocked(firewalld.because);
    }
    if (!firewalld.value.running) {
      return none('firewalld is not running');
    }
    if (firewalld.value.panic) {
      return blocked(
        'firewalld is in panic mode and drops every packet: run `firewall-cmd --panic-off` first',
      );
    }
    return firewall.known
      ? planZones(facts, firewall.value.probes, firewall.value.ruleset)
      : blocked(firewall.because);
  },
};

/** What a zone is to admit, as firewalld words it. */
interface Admit {
  readonly kind: 'service' | 'port' | 'rich-rule';
  readonly value: string;
  /** A rich rule that must come before the zone's own denials. */
  readonly first: boolean;
}

function planZones(facts: FactSet, probes: readonly Probe[], ruleset: Ruleset): ModulePlan {
  let state = facts;
  let rules = ruleset;
  const changes: Change[] = [];
  for (const { packet } of probes) {
    const planned = planProbe(state, rules, packet);
    if (typeof planned === 'string') {
      return blocked(planned);
    }
    for (const one of planned.changes) {
      state = state.with(one.factsAfter);
    }
    rules = planned.ruleset;
    changes.push(...planned.changes);
  }
  const zones = [...new Set(changes.map(({ target }) => target.replace(/ \(.*/, '')))].join(', ');
  return change(
    changes.length === 0
      ? 'firewalld already lets it through, now and after a reload'
      : `${zones} does not let it through`,
    changes,
  );
}

function planProbe(
  facts: FactSet,
  ruleset: Ruleset,
  packet: Packet,
): { changes: Change[]; ruleset: Ruleset } | string {
  const firewalld = facts.get(firewalldRequest);
  if (!firewalld.known) {
    return firewalld.because;
  }
  const zone = zoneFor(firewalld.value, packet);
  if (zone === null) {
    return `no zone of firewalld holds ${describePacket(packet)}`;
  }
  const changes: Change[] = [];
  let after = ruleset;
  let admit = admission(firewalld.value, packet, false);
  if (passageThrough(ruleset, isFirewalld, packet).state !== 'ok') {
    const placed = placeInZone(ruleset, zone, packet, firewalld.value, admit);
    if (placed === null) {
      return `firewalld cannot let in ${describePacket(packet)} through zone ${zone.name}: ${passageThrough(ruleset, isFirewalld, packet).block?.by ?? 'its chains are not in the kernel'}`;
    }
    admit = placed.admit;
    after = placed.ruleset;
    changes.push(zoneChange(facts, firewalld.value, zone, admit, 'runtime', after));
  }
  const permanent = permanentZone(firewalld.value, zone, packet);
  if (permanent !== null && !admits(permanent, firewalld.value, packet, admit)) {
    const before = changes[0] === undefined ? facts : facts.with(changes[0].factsAfter);
    const now = before.get(firewalldRequest);
    changes.push(
      zoneChange(
        before,
        now.known ? now.value : firewalld.value,
        permanent,
        admit,
        'permanent',
        null,
      ),
    );
  }
  return { changes, ruleset: after };
}

function isFirewalld(table: Table): boolean {
  return (
    (table.tool === 'nft' && table.name === 'firewalld') ||
    (table.tool !== 'nft' && table.chains.some(({ name }) => name === 'INPUT_ZONES'))
  );
}

// A source binding wins over an interface (firewalld.zones(5)); what no zone holds, the default does.
function zoneFor(firewalld: Firewalld, packet: Packet): Zone | null {
  const source = parseSpan(packet.source);
  const bySource = firewalld.runtime.find((zone) =>
    zone.sources.some((text) => {
      const span = parseSpan(text);
      return source !== null && span !== null && compareSpans(source, span) === 'inside';
    }),
  );
  const byInterface = firewalld.runtime.find(
    (zone) => packet.interface !== null && zone.interfaces.includes(packet.interface),
  );
  return (
    bySource ??
    byInterface ??
    firewalld.runtime.find(({ name }) => name === firewalld.defaultZone) ??
    null
  );
}

// The interface may be bound to another zone for good than it is now.
function permanentZone(firewalld: Firewalld, runtime: Zone, packet: Packet): Zone | null {
  const bound = firewalld.permanent.find(
    (zone) => packet.interface !== null && zone.interfaces.includes(packet.interface),
  );
  const same = firewalld.permanent.find(({ name }) => name === runtime.name);
  return runtime.sources.length > 0 ? (same ?? null) : (bound ?? same ?? null);
}

function admission(firewalld: Firewalld, packet: Packet, first: boolean): Admit {
  const port = `${packet.port}/tcp`;
  if (!isEveryone(packet) || first) {
    const source = isEveryone(packet) ? '' : ` source address="${packet.source}"`;
    const priority = first ? ` priority="${lowestPriority(firewalld) - 1}"` : '';
    const family = packet.family === 'ip' ? 'ipv4' : 'ipv6';
    return {
      kind: 'rich-rule',
      first,
      value: `rule${priority} family="${family}"${source} port port="${packet.port}" protocol="tcp" accept`,
    };
  }
  const ssh = firewalld.services['ssh'] ?? [];
  return ssh.length === 1 && ssh[0] === port
    ? { kind: 'service', value: 'ssh', first: false }
    : { kind: 'port', value: port, first: false };
}

function lowestPriority(firewalld: Firewalld): number {
  const priorities = [...firewalld.runtime, ...firewalld.permanent]
    .flatMap(({ richRules }) => richRules)
    .map((rule) => Number(/priority="?(-?\d+)/.exec(rule)?.[1] ?? 0));
  return Math.max(Math.min(0, ...priorities), -32767);
}

function placeInZone(
  ruleset: Ruleset,
  zone: Zone,
  packet: Packet,
  firewalld: Firewalld,
  admit: Admit,
): { admit: Admit; ruleset: Ruleset } | null {
  const accept = acceptRule(packet, `firewalld ${admit.value}`);
  const allow = zoneChain(ruleset, zone.name, 'allow', packet);
  const end = allow === null ? 0 : (findChain(ruleset, allow)?.rules.length ?? 0);
  if (allow !== null && passesWith(ruleset, allow, end, packet, accept)) {
    return { admit, ruleset: insertRule(ruleset, allow, end, accept) };
  }
  const pre = zoneChain(ruleset, zone.name, 'pre', packet);
  return pre !== null && passesWith(ruleset, pre, 0, packet, accept)
    ? { admit: admission(firewalld, packet, true), ruleset: insertRule(ruleset, pre, 0, accept) }
    : null;
}

function zoneChain(
  ruleset: Ruleset,
  zone: string,
  part: 'allow' | 'pre',
  packet: Packet,
): ChainRef | null {
  const refs: ChainRef[] = [
    { tool: 'nft', family: 'inet', table: 'firewalld', chain: `filter_IN_${zone}_${part}` },
    { tool: 'iptables', family: packet.family, table: 'filter', chain: `IN_${zone}_${part}` },
    {
      tool: 'iptables-legacy',
      family: packet.family,
      table: 'filter',
      chain: `IN_${zone}_${part}`,
    },
  ];
  return refs.find((ref) => findChain(ruleset, ref) !== null) ?? null;
}

/** Whether a zone admits the packet by its own settings; the kernel is not asked for permanent ones. */
function admits(zone: Zone, firewalld: Firewalld, packet: Packet, admit: Admit): boolean {
  if (admit.first) {
    return zone.richRules.some((rule) => rule === admit.value);
  }
  const ports = [
    ...zone.ports,
    ...zone.services.flatMap((service) => firewalld.services[service] ?? []),
  ];
  const open = ports.some((text) => {
    const match = /^(\d+)(?:-(\d+))?\/tcp$/.exec(text);
    return (
      match !== null &&
      packet.port >= Number(match[1]) &&
      packet.port <= Number(match[2] ?? match[1])
    );
  });
  return (
    open || zone.target === 'ACCEPT' || zone.richRules.some((rule) => sameRich(rule, admit.value))
  );
}

function sameRich(a: string, b: string): boolean {
  const words = (text: string): string => text.split(/\s+/).toSorted().join(' ');
  return words(a) === words(b);
}

function zoneChange(
  facts: FactSet,
  firewalld: Firewalld,
  zone: Zone,
  admit: Admit,
  when: 'runtime' | 'permanent',
  ruleset: Ruleset | null,
): Change {
  const options = when === 'permanent' ? ['--permanent'] : [];
  const command = (verb: string): [string, ...string[]] => [
    'firewall-cmd',
    ...options,
    `--zone=${zone.name}`,
    `--${verb}-${admit.kind}=${admit.value}`,
  ];
  const edited = withAdmit(zone, admit);
  const zones = (list: readonly Zone[]): Zone[] =>
    list.map((one) => (one.name === zone.name ? withAdmit(one, admit) : one));
  const value: Firewalld =
    when === 'runtime'
      ? { ...firewalld, runtime: zones(firewalld.runtime) }
      : { ...firewalld, permanent: zones(firewalld.permanent) };
  return {
    kind: 'rule',
    target: `firewalld zone ${zone.name} (${when})`,
    summary: `firewalld: add ${admit.kind.replace('-', ' ')} ${admit.value} to zone ${zone.name} (${when})`,
    before: zoneText(zone),
    after: zoneText(edited),
    action: { type: 'run', argv: command('add') },
    holds: command('query'),
    undo: { type: 'run', argv: command('remove') },
    risk: 'access',
    sensitive: false,
    factsAfter: [
      { key: firewalldRequest.key, value },
      ...(ruleset === null ? [] : rulesetAfter(facts, ruleset)),
    ],
    invalidates: [],
  };
}

// The joined rule set holds each table once: what stands in it goes back to the fact it came from.
function rulesetAfter(facts: FactSet, ruleset: Ruleset): { key: string; value: unknown }[] {
  const iptables = facts.get(iptablesRequest);
  const nft = facts.get(nftRequest);
  const pick = (tables: readonly Table[]): Table[] =>
    tables.map(
      (table) =>
        ruleset.tables.find(
          (one) =>
            one.tool === table.tool && one.family === table.family && one.name === table.name,
        ) ?? table,
    );
  return [
    ...(iptables.known
      ? [
          {
            key: iptablesRequest.key,
            value: { ...iptables.value, ruleset: { tables: pick(iptables.value.ruleset.tables) } },
          },
        ]
      : []),
    ...(nft.known
      ? [
          {
            key: nftRequest.key,
            value: { ...nft.value, ruleset: { tables: pick(nft.value.ruleset.tables) } },
          },
        ]
      : []),
  ];
}

function withAdmit(zone: Zone, admit: Admit): Zone {
  switch (admit.kind) {
    case 'service':
      return { ...zone, services: [...zone.services, admit.value].toSorted() };
    case 'port':
      return { ...zone, ports: [...zone.ports, admit.value] };
    case 'rich-rule':
      return { ...zone, richRules: [...zone.richRules, admit.value] };
  }
}

function zoneText(zone: Zone): string {
  return [
    `target: ${zone.target}`,
    `interfaces: ${zone.interfaces.join(' ')}`,
    `sources: ${zone.sources.join(' ')}`,
    `services: ${zone.services.join(' ')}`,
    `ports: ${zone.ports.join(' ')}`,
    `rich rules:`,
    ...zone.richRules.map((rule) => `  ${rule}`),
    '',
  ].join('\n');
}
