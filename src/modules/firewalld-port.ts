import type { Change } from '../core/change.ts';
import { request, type FactSet } from '../facts/fact.ts';
import { firewalldFact, type Firewalld, type Zone } from '../facts/firewalld.ts';
import {
  findChain,
  insertRule,
  type ChainRef,
  type Rule,
  type Ruleset,
  type Table,
} from '../facts/ruleset.ts';
import { describePacket, type Probe } from '../walk/firewall.ts';
import { acceptRule, passageThrough, passesWith } from '../walk/placement.ts';
import type { Packet } from '../walk/packet.ts';
import {
  admissionSchema,
  firewallFacts,
  firewallRequests,
  iptablesRequest,
  nftRequest,
} from './firewall-facts.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';
import {
  admission,
  admits,
  denies,
  permanentZone,
  withAdmit,
  zoneFor,
  zoneText,
  type Admit,
} from './firewalld-zone.ts';

/** The request for firewalld's zones. */
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
  if (permanent !== null && denies(permanent, packet)) {
    admit = admission(firewalld.value, packet, true);
  }
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

function placeInZone(
  ruleset: Ruleset,
  zone: Zone,
  packet: Packet,
  firewalld: Firewalld,
  admit: Admit,
): { admit: Admit; ruleset: Ruleset } | null {
  const accept = admitRule(packet, admit);
  const allow = zoneChain(ruleset, zone.name, 'allow', packet);
  const end = allow === null ? 0 : (findChain(ruleset, allow)?.rules.length ?? 0);
  if (allow !== null && passesWith(ruleset, allow, end, packet, accept)) {
    return { admit, ruleset: insertRule(ruleset, allow, end, accept) };
  }
  const pre = zoneChain(ruleset, zone.name, 'pre', packet);
  const first = admission(firewalld, packet, true);
  return pre !== null && passesWith(ruleset, pre, 0, packet, admitRule(packet, first))
    ? { admit: first, ruleset: insertRule(ruleset, pre, 0, admitRule(packet, first)) }
    : null;
}

// A rich rule names its family; a service or a port is opened for both.
function admitRule(packet: Packet, admit: Admit): Rule {
  const rule = acceptRule(packet, `firewalld ${admit.value}`);
  const family = { kind: 'family', family: packet.family, negate: false } as const;
  return admit.kind === 'rich-rule' ? { ...rule, matches: [family, ...rule.matches] } : rule;
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
    undo: {
      type: 'firewalld-remove',
      place: when,
      zone: zone.name,
      removal: `--remove-${admit.kind}=${admit.value}`,
    },
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
