import { z } from 'zod';
import type { Change } from '../core/change.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { covers, normalAddress } from '../core/net.ts';
import type { FactSet } from '../facts/fact.ts';
import type { Fail2ban, Jail } from '../facts/fail2ban.ts';
import { splitSaved } from '../facts/iptables-rule.ts';
import { chainName, editChain, type ChainRef, type Rule, type Ruleset } from '../facts/ruleset.ts';
import { clientAddresses, joinRulesets } from '../walk/firewall.ts';
import { iptablesRequest, nftRequest } from './firewall-facts.ts';
import { fail2banRequest, ignoreChanges } from './fail2ban-ignore.ts';
import { blocked, change, type Module, type ModulePlan, type Render } from './module.ts';

const schema = z.strictObject({
  address: z.string().min(1).describe('the address to let in again'),
  ignore: z.boolean().default(false).describe('never ban it again, in the jails that held it'),
});

/** Lifts every ban of an address: in each jail, and in the kernel where a jail has forgotten it. */
export const fail2banBan: Module<typeof schema> = {
  name: 'fail2ban-ban',
  summary:
    'Lift the bans of an address in every fail2ban jail, and in the kernel where one was left behind',
  schema,
  facts: () => [fail2banRequest, iptablesRequest, nftRequest],
  plan({ address, ignore }, facts, { endpoint, render }) {
    const fail2ban = facts.get(fail2banRequest);
    const normal = normalAddress(address);
    if (normal === null) {
      return blocked(`${address} is not an IP address`);
    }
    return fail2ban.known
      ? planBans(sameClient(normal, endpoint), ignore, fail2ban.value, facts, render)
      : blocked(fail2ban.because);
  },
};

// Our own address of the other family is as likely to be banned, and as unlikely to be thought of.
function sameClient(address: string, endpoint: Endpoint): string[] {
  return address === endpoint.from?.address ? clientAddresses(endpoint) : [address];
}

function planBans(
  addresses: readonly string[],
  ignore: boolean,
  fail2ban: Fail2ban,
  facts: FactSet,
  render: Render,
): ModulePlan {
  const iptables = facts.get(iptablesRequest);
  const nft = facts.get(nftRequest);
  if (!iptables.known || !nft.known) {
    return blocked(iptables.known ? (nft.known ? '' : nft.because) : iptables.because);
  }
  const strange = fail2ban.jails.find(({ name }) => !/^[\w.@-]+$/.test(name));
  if (strange !== undefined) {
    return blocked(
      `fail2ban has a jail with a name that cannot be used safely: ${JSON.stringify(strange.name)}`,
    );
  }
  let now: State = { fail2ban, facts };
  const changes: Change[] = [];
  const held = (ban: string): boolean => addresses.some((address) => covers(ban, address));
  for (const jail of fail2ban.jails) {
    for (const banned of jail.banned.filter(held)) {
      const step = unban(now, jail.name, banned);
      now = step.state;
      changes.push(step.change);
    }
  }
  const holding = fail2ban.jails.filter((jail) => jail.banned.some(held));
  const address = addresses.join(' and ');
  for (const one of addresses) {
    for (const left of leftBehind(now.facts, one)) {
      const step = dropRule(now, left);
      now = step.state;
      changes.push(step.change);
    }
  }
  const keep = ignore
    ? ignoreChanges(now.fail2ban, holding.length > 0 ? holding : fail2ban.jails, addresses, render)
    : [];
  const where = fail2ban.running
    ? `any of ${fail2ban.jails.length} jails`
    : 'the kernel (fail2ban is not running)';
  return change(
    changes.length + keep.length === 0
      ? `${address} is not banned in ${where}`
      : whyBanned(address, holding, changes.length),
    [...changes, ...keep],
  );
}

function whyBanned(address: string, holding: readonly Jail[], changes: number): string {
  if (holding.length > 0) {
    const jails = holding.map(({ name }) => name).join(', ');
    return `${address} is banned in ${holding.length === 1 ? 'jail' : `${holding.length} jails:`} ${jails}`;
  }
  return changes > 0
    ? `a ban of ${address} is left over in the kernel`
    : `${address} is not banned, but not excepted either`;
}

interface State {
  readonly fail2ban: Fail2ban;
  readonly facts: FactSet;
}

function unban(state: State, jail: string, banned: string): { state: State; change: Change } {
  const jails = state.fail2ban.jails.map((one): Jail =>
    one.name === jail ? { ...one, banned: one.banned.filter((ban) => ban !== banned) } : one,
  );
  const fail2ban = { ...state.fail2ban, jails };
  const rulesAfter = withoutBan(state.facts, jail, banned);
  const after = [{ key: fail2banRequest.key, value: fail2ban }, ...rulesAfter];
  const list = (value: Fail2ban): string =>
    (value.jails.find(({ name }) => name === jail)?.banned ?? []).map((ban) => `${ban}\n`).join('');
  return {
    state: { fail2ban, facts: state.facts.with(after) },
    change: {
      kind: 'ban',
      target: `fail2ban jail ${jail}`,
      summary: `lift the ban of ${banned} in jail ${jail}`,
      before: list(state.fail2ban),
      after: list(fail2ban),
      action: { type: 'run', argv: ['fail2ban-client', 'set', jail, 'unbanip', banned] },
      holds: null,
      undo: { type: 'run', argv: ['fail2ban-client', 'set', jail, 'banip', banned] },
      risk: 'access',
      sensitive: false,
      factsAfter: after,
      invalidates: [],
    },
  };
}

/** A rule in a chain of fail2ban's that still stops the address. */
interface LeftBehind {
  readonly ref: ChainRef;
  readonly rule: Rule;
  readonly element: { readonly set: string; readonly net: string } | null;
}

function leftBehind(facts: FactSet, address: string): LeftBehind[] {
  return banRules(facts)
    .filter(({ rule }) => stops(rule, address))
    .map(({ ref, rule }) => ({ ref, rule, element: setElement(rule, address) }));
}

function banRules(facts: FactSet): { ref: ChainRef; rule: Rule }[] {
  const iptables = facts.get(iptablesRequest);
  const nft = facts.get(nftRequest);
  const ruleset: Ruleset =
    iptables.known && nft.known ? joinRulesets(iptables.value, nft.value) : { tables: [] };
  return ruleset.tables.flatMap((table) =>
    table.chains
      .filter((chain) => table.name.startsWith('f2b-') || /^(?:f2b|fail2ban)-/i.test(chain.name))
      .flatMap((chain) =>
        chain.rules.map((rule) => ({
          ref: { tool: table.tool, family: table.family, table: table.name, chain: chain.name },
          rule,
        })),
      ),
  );
}

function stops(rule: Rule, address: string): boolean {
  return (
    (rule.verdict.kind === 'drop' || rule.verdict.kind === 'reject') &&
    rule.matches.some(
      (match) =>
        match.kind === 'source' && !match.negate && match.nets.some((net) => covers(net, address)),
    )
  );
}

function setElement(rule: Rule, address: string): LeftBehind['element'] {
  const set = /saddr @(\S+)/.exec(rule.text)?.[1];
  const net = rule.matches
    .flatMap((match) => (match.kind === 'source' ? match.nets : []))
    .find((one) => covers(one, address));
  return set === undefined || net === undefined ? null : { set, net };
}

function dropRule(state: State, left: LeftBehind): { state: State; change: Change } {
  const { ref, element } = left;
  const words = splitSaved(left.rule.text).slice(2);
  const set = [ref.family, ref.table, element?.set ?? ''];
  const command = ref.family === 'ip6' ? 'ip6tables' : 'iptables';
  const run = (verb: 'delete' | 'add'): [string, ...string[]] =>
    element === null
      ? [command, '-w', verb === 'delete' ? '-D' : '-A', ref.chain, ...words]
      : ['nft', verb, 'element', ...set, `{ ${element.net} }`];
  const factsAfter = editRules(state.facts, left);
  return {
    state: { ...state, facts: state.facts.with(factsAfter) },
    change: {
      kind: 'rule',
      target: element === null ? chainName(ref) : `nft set ${set.join(' ')}`,
      summary: `take the left-over ban ${element?.net ?? left.rule.text} out of ${chainName(ref)}`,
      before: `${left.rule.text}\n`,
      after: '',
      action: { type: 'run', argv: run('delete') },
      holds: null,
      undo: { type: 'run', argv: run('add') },
      risk: 'access',
      sensitive: false,
      factsAfter,
      invalidates: [],
    },
  };
}

// fail2ban itself takes the address out of the kernel; the chain and set names say which jail's.
function withoutBan(facts: FactSet, jail: string, banned: string): Change['factsAfter'] {
  const own = banRules(facts).filter(
    ({ ref, rule }) =>
      stops(rule, banned.split('/')[0] ?? banned) &&
      (ref.chain === `f2b-${jail}` ||
        rule.text.includes(`@addr-set-${jail} `) ||
        rule.text.includes(`@addr6-set-${jail} `)),
  );
  let now = facts;
  let after: Change['factsAfter'] = [];
  for (const { ref, rule } of own) {
    after = editRules(now, {
      ref,
      rule,
      element: setElement(rule, banned.split('/')[0] ?? banned),
    });
    now = now.with(after);
  }
  return after;
}

function editRules(facts: FactSet, left: LeftBehind): Change['factsAfter'] {
  const { ref, rule, element } = left;
  const edit = (rules: readonly Rule[]): Rule[] =>
    rules.flatMap((one) => {
      if (one.text !== rule.text) {
        return [one];
      }
      return element === null ? [] : [withoutNet(one, element.net)];
    });
  const iptables = facts.get(iptablesRequest);
  const nft = facts.get(nftRequest);
  return [
    ...(iptables.known
      ? [
          {
            key: iptablesRequest.key,
            value: { ...iptables.value, ruleset: editChain(iptables.value.ruleset, ref, edit) },
          },
        ]
      : []),
    ...(nft.known
      ? [
          {
            key: nftRequest.key,
            value: { ...nft.value, ruleset: editChain(nft.value.ruleset, ref, edit) },
          },
        ]
      : []),
  ];
}

function withoutNet(rule: Rule, net: string): Rule {
  const matches = rule.matches.map((match) =>
    match.kind === 'source' ? { ...match, nets: match.nets.filter((one) => one !== net) } : match,
  );
  return { ...rule, matches };
}
