import type { Family } from '../core/net.ts';

/** A packet filter as it stands, whichever tool wrote it. */
export interface Ruleset {
  readonly tables: readonly Table[];
}

/** Which tool reads and writes a table; rules must be changed by the tool that owns them. */
export type FilterTool = 'nft' | 'iptables' | 'iptables-legacy';

/** A table of chains. `inet` tables see both families, `netdev` tables see one device. */
export interface Table {
  readonly tool: FilterTool;
  readonly family: Family | 'inet' | 'netdev';
  readonly name: string;
  readonly chains: readonly Chain[];
}

/** A chain; a base chain hangs on a hook and has a policy, others are only jumped to. */
export interface Chain {
  readonly name: string;
  readonly base: BaseChain | null;
  readonly rules: readonly Rule[];
}

/** Where a base chain hangs (nft(8), "Chains"). */
export interface BaseChain {
  readonly hook: string;
  readonly type: string;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
  /** The devices of an ingress chain; of other chains, none. */
  readonly devices: readonly string[];
}

/** One rule: it applies where all its matches hold. */
export interface Rule {
  /** nft's handle, which names the rule for `nft insert … handle`; null for iptables. */
  readonly handle: number | null;
  /** The rule as its tool prints it. */
  readonly text: string;
  readonly matches: readonly Match[];
  readonly verdict: Verdict;
}

/** A condition on the first packet of a login (a TCP SYN to the endpoint). */
export type Match =
  | {
      readonly kind: 'source' | 'destination';
      readonly nets: readonly string[];
      readonly negate: boolean;
    }
  | { readonly kind: 'interface'; readonly names: readonly string[]; readonly negate: boolean }
  | { readonly kind: 'protocol'; readonly names: readonly string[]; readonly negate: boolean }
  | { readonly kind: 'port'; readonly ranges: readonly PortRange[]; readonly negate: boolean }
  | { readonly kind: 'state'; readonly states: readonly string[]; readonly negate: boolean }
  | { readonly kind: 'family'; readonly family: Family; readonly negate: boolean }
  | {
      readonly kind: 'mark';
      readonly value: number;
      readonly mask: number;
      readonly negate: boolean;
    }
  /** All of several conditions at once, for one element of a concatenated set. */
  | {
      readonly kind: 'any-of';
      readonly groups: readonly (readonly Match[])[];
      readonly negate: boolean;
    }
  /** Known to hold, or not to, for such a packet, on the assumption that `text` names. */
  | { readonly kind: 'assumed'; readonly holds: boolean; readonly text: string }
  /** Nobody can tell from the rules alone. */
  | { readonly kind: 'unknown'; readonly text: string };

/** A range of TCP ports, both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What a rule does with a packet that it applies to. */
export type Verdict =
  | { readonly kind: 'accept' | 'return' | 'continue' | 'set-mark' | 'untrack' }
  | { readonly kind: 'drop' | 'reject'; readonly how: string }
  | { readonly kind: 'jump' | 'goto'; readonly target: string }
  | { readonly kind: 'redirect'; readonly port: number | null }
  | { readonly kind: 'divert'; readonly address: string | null; readonly port: number | null }
  | { readonly kind: 'unknown'; readonly text: string };

/** Names one chain among all tables. */
export interface ChainRef {
  readonly tool: FilterTool;
  readonly family: Table['family'];
  readonly table: string;
  readonly chain: string;
}

/** The chain that a reference names, or null. */
export function findChain(ruleset: Ruleset, ref: ChainRef): Chain | null {
  const table = ruleset.tables.find((candidate) => isTable(candidate, ref));
  return table?.chains.find((chain) => chain.name === ref.chain) ?? null;
}

/** A copy with `rule` placed at `index` of a chain; the rules from there on move down. */
export function insertRule(ruleset: Ruleset, ref: ChainRef, index: number, rule: Rule): Ruleset {
  return editChain(ruleset, ref, (rules) => rules.toSpliced(index, 0, rule));
}

/** A copy with the rules of one chain edited. */
export function editChain(
  ruleset: Ruleset,
  ref: ChainRef,
  edit: (rules: readonly Rule[]) => readonly Rule[],
): Ruleset {
  const tables = ruleset.tables.map((table) =>
    isTable(table, ref)
      ? {
          ...table,
          chains: table.chains.map((chain) =>
            chain.name === ref.chain ? { ...chain, rules: edit(chain.rules) } : chain,
          ),
        }
      : table,
  );
  return { tables };
}

/** Names a chain for people: `iptables filter INPUT`, `nft inet filter input`. */
export function chainName(ref: ChainRef): string {
  const tool =
    ref.tool === 'nft'
      ? `nft ${ref.family}`
      : ref.family === 'ip6'
        ? `ip6${ref.tool.slice(2)}`
        : ref.tool;
  return `${tool} ${ref.table} ${ref.chain}`;
}

function isTable(table: Table, ref: ChainRef): boolean {
  return table.tool === ref.tool && table.family === ref.family && table.name === ref.table;
}
