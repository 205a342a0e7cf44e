import type { Argv } from '../core/quote.ts';
import type { FactSet } from '../facts/fact.ts';
import type { HostFile } from '../facts/files.ts';
import type { Nft } from '../facts/nft.ts';
import {
  chainName,
  findChain,
  insertRule,
  type ChainRef,
  type Rule,
  type Ruleset,
  type Table,
} from '../facts/ruleset.ts';
import { describePacket, isEveryone, joinRulesets } from '../walk/firewall.ts';
import { acceptRule, passageThrough, placeAccept } from '../walk/placement.ts';
import type { Packet } from '../walk/packet.ts';
import {
  admissionSchema,
  firewallFacts,
  firewallRequests,
  iptablesRequest,
  isBan,
  nftRequest,
} from './firewall-facts.ts';
import { firewalldRequest } from './firewalld-port.ts';
import { blocked, type Module } from './module.ts';
import { doubtText, planRounds, type NextChange, type RoundReasons } from './packet-rounds.ts';
import { insertNftRule } from './nft-text.ts';

/** Lets a port through nftables: an accept in every base chain that stops it, live and in the files. */
export const nftRule: Module<typeof admissionSchema> = {
  name: 'nft-rule',
  summary:
    'Let a port through every nftables chain that stops it, live and in the files loaded at boot',
  schema: admissionSchema,
  facts: (_args, { endpoint }) => [firewalldRequest, ...firewallRequests(endpoint)],
  plan(args, facts, { endpoint, runId }) {
    const firewall = firewallFacts(facts, args, endpoint);
    return firewall.known
      ? planRounds(facts, firewall.value.probes, reasonsFor(firewall.value.nft), (state, packet) =>
          nextChange(state, packet, runId),
        )
      : blocked(firewall.because);
  },
};

function reasonsFor({ permanent }: Nft): RoundReasons {
  const later = {
    none: 'no nftables chain stops it; no service loads nftables rules at boot',
    known: 'no nftables chain stops it, now or after a reboot',
    unknown: `no nftables chain stops it now; what comes after a reboot is not known: ${permanent.state === 'unknown' ? permanent.because : ''}`,
  };
  return { passes: later[permanent.state], stopped: 'nftables chains stop it' };
}

function nextChange(facts: FactSet, packet: Packet, runId: string): NextChange {
  const nft = facts.get(nftRequest);
  const iptables = facts.get(iptablesRequest);
  if (!nft.known || !iptables.known) {
    return { stop: nft.known ? (iptables.known ? '' : iptables.because) : nft.because };
  }
  const own = isOwn(facts);
  const joined = joinRulesets(iptables.value, nft.value);
  const live = passageThrough(joined, own, packet);
  if (live.state === 'broken' && live.block !== null) {
    return isBan(live.block)
      ? 'ban'
      : liveChange(nft.value, joined, packet, live.block.path[0]?.ref ?? null, runId);
  }
  if (live.state === 'unknown') {
    return { doubt: doubtText(live) };
  }
  const { permanent } = nft.value;
  const later = permanent.state === 'known' ? passageThrough(permanent.ruleset, own, packet) : null;
  return permanent.state === 'known' && later?.state === 'broken' && !isBan(later.block)
    ? savedChange(nft.value, permanent.ruleset, packet, later.block?.path[0]?.ref ?? null)
    : null;
}

// A table that a daemon keeps is changed by asking the daemon.
function isOwn(facts: FactSet): (table: Table) => boolean {
  const firewalld = facts.get(firewalldRequest);
  const running = firewalld.known && firewalld.value.running;
  return (table) => table.tool === 'nft' && !(running && table.name === 'firewalld');
}

function liveChange(
  nft: Nft,
  joined: Ruleset,
  packet: Packet,
  ref: ChainRef | null,
  runId: string,
): NextChange {
  const statement = ruleText(packet);
  const accept = acceptRule(packet, statement);
  const placement = ref === null ? null : placeAccept(joined, ref, packet, accept);
  if (ref === null || placement?.kind !== 'place') {
    return {
      stop: `no accept in ${ref === null ? 'nftables' : chainName(ref)} can let in ${describePacket(packet)}`,
    };
  }
  const rules = findChain(nft.ruleset, ref)?.rules ?? [];
  const handle = rules[placement.index]?.handle ?? null;
  const place: Argv = [ref.family, ref.table, ref.chain];
  const verb: string[] =
    handle === null
      ? ['add', 'rule', ...place]
      : ['insert', 'rule', ...place, 'handle', String(handle)];
  const comment = `remedy ${runId}`;
  const after: Nft = { ...nft, ruleset: insertRule(nft.ruleset, ref, placement.index, accept) };
  return {
    kind: 'rule',
    target: `${chainName(ref)} (live)`,
    summary: `nft: ${statement} in ${ref.family} ${ref.table} ${ref.chain}, ${placeName(rules, placement.index)}`,
    before: chainText(nft.ruleset, ref),
    after: chainText(after.ruleset, ref),
    action: {
      type: 'run',
      argv: ['nft', ...verb, ...statement.split(' '), 'comment', `"${comment}"`],
    },
    holds: null,
    undo: { type: 'nft-delete', family: ref.family, table: ref.table, chain: ref.chain, comment },
    risk: 'access',
    sensitive: false,
    factsAfter: [{ key: nftRequest.key, value: after }],
    invalidates: [],
  };
}

function savedChange(nft: Nft, saved: Ruleset, packet: Packet, ref: ChainRef | null): NextChange {
  const statement = ruleText(packet);
  const accept = acceptRule(packet, statement);
  const placement = ref === null ? null : placeAccept(saved, ref, packet, accept);
  if (ref === null || placement?.kind !== 'place') {
    return {
      stop: `no accept in the nftables files can let in ${describePacket(packet)} after a reboot`,
    };
  }
  const before = findChain(saved, ref)?.rules[placement.index]?.text ?? null;
  const edited = editFile(nft.files, ref, before, statement);
  if (edited === null) {
    return {
      doubt: `the chain ${chainName(ref)} stops it after a reboot, but is not written out in ${nft.files.map(({ path }) => path).join(', ')}`,
    };
  }
  const { file, text } = edited;
  const files = nft.files.map((one) =>
    one === file ? { ...file, text, sha256: 'as planned' } : one,
  );
  const permanent = insertRule(saved, ref, placement.index, accept);
  return {
    kind: 'file',
    target: file.path,
    summary: `${file.path}: ${statement} in ${ref.family} ${ref.table} ${ref.chain}`,
    before: file.text,
    after: text,
    action: {
      type: 'write',
      path: file.path,
      beforeSha256: file.sha256,
      content: text,
      gate: ['nft', '-c', '-f'],
    },
    holds: null,
    undo: { type: 'snapshot' },
    risk: 'access',
    sensitive: false,
    factsAfter: [
      {
        key: nftRequest.key,
        value: { ...nft, files, permanent: { state: 'known', ruleset: permanent } },
      },
    ],
    invalidates: [],
  };
}

function editFile(
  files: readonly HostFile[],
  ref: ChainRef,
  before: string | null,
  statement: string,
): { file: HostFile; text: string } | null {
  for (const file of files) {
    const text = insertNftRule(file.text, ref, before, statement);
    if (text !== null) {
      return { file, text };
    }
  }
  return null;
}

function ruleText(packet: Packet): string {
  const source = isEveryone(packet) ? '' : `${packet.family} saddr ${packet.source} `;
  return `${source}tcp dport ${packet.port} accept`;
}

function placeName(rules: readonly Rule[], index: number): string {
  return index < rules.length ? `before "${rules[index]?.text ?? ''}"` : 'at the end';
}

function chainText(ruleset: Ruleset, ref: ChainRef): string {
  const chain = findChain(ruleset, ref);
  const texts = (chain?.rules ?? [])
    .map(({ text }) => text)
    .filter((text, index, all) => text !== all[index - 1]);
  return `${texts.map((text) => `${text}\n`).join('')}policy ${chain?.base?.policy ?? 'accept'}\n`;
}
