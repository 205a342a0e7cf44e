import {
  chainName,
  type Chain,
  type ChainRef,
  type Rule,
  type Ruleset,
  type Table,
} from '../facts/ruleset.ts';
import { appliesAll, type Packet, type PacketState } from './packet.ts';

/** Where a packet is stopped. */
export interface Block {
  /** The way there: the base chain first, then each chain that was jumped to. */
  readonly path: readonly Place[];
  readonly action: 'drop' | 'reject' | 'divert';
  /** For people: `iptables filter INPUT: -A INPUT -j DROP`. */
  readonly by: string;
}

/** A position in a chain; the number of its rules stands for its policy or end. */
export interface Place {
  readonly ref: ChainRef;
  readonly index: number;
}

/** What the packet filter does with a packet. */
export interface Passage {
  readonly state: 'ok' | 'broken' | 'unknown';
  /** The first place that stops it, or may stop it; null where none can. */
  readonly block: Block | null;
  /** For an unknown: the conditions that nobody can judge from the rules. */
  readonly doubts: readonly string[];
}

// The kernel allows 16 nested jumps; more work than this is a hostile or broken rule set.
const maxDepth = 32;
const maxSteps = 200_000;

const hookOrder = ['ingress', 'prerouting', 'input'];

/** Sends a packet through every base chain on its way to a local socket. Each of them must accept. */
export function traverse(ruleset: Ruleset, packet: Packet): Passage {
  const traversal = new Traversal(ruleset, packet);
  return traversal.run();
}

interface End {
  readonly stops: Block['action'] | null;
  readonly path: readonly Place[];
  readonly text: string;
}

/** Whether the packet can leave a chain by its end or a return. */
type Leaves = 'yes' | 'no' | 'maybe';

class Traversal {
  readonly #ruleset: Ruleset;
  #state: PacketState;
  #ends: End[] = [];
  #doubts: string[] = [];
  #steps = 0;

  constructor(ruleset: Ruleset, packet: Packet) {
    this.#ruleset = ruleset;
    this.#state = { packet, tracking: ['new'], ports: [packet.port], mark: 0 };
  }

  run(): Passage {
    const passages = baseChains(this.#ruleset, this.#state.packet).map(({ table, chain }) =>
      this.#runBase(table, chain),
    );
    if (this.#steps > maxSteps) {
      return { state: 'unknown', block: null, doubts: ['the rule set is too large to follow'] };
    }
    return (
      passages.find(({ state }) => state === 'broken') ??
      passages.find(({ state }) => state === 'unknown') ?? { state: 'ok', block: null, doubts: [] }
    );
  }

  #runBase(table: Table, chain: Chain): Passage {
    this.#ends = [];
    this.#doubts = [];
    if (this.#runChain(table, chain, [], true) !== 'no') {
      const place = { ref: refOf(table, chain), index: chain.rules.length };
      const policy = chain.base?.policy ?? 'accept';
      this.#ends.push({
        stops: policy === 'drop' ? 'drop' : null,
        path: [place],
        text: `policy ${policy}`,
      });
    }
    const stop = this.#ends.find(({ stops }) => stops !== null);
    if (stop === undefined) {
      return { state: 'ok', block: null, doubts: [] };
    }
    // Nobody knows whether the packet comes in by the device of this chain.
    const devices = chain.base?.devices ?? [];
    const unseen = devices.length > 0 && this.#state.packet.interface === null;
    const state = this.#ends.every(({ stops }) => stops !== null) && !unseen ? 'broken' : 'unknown';
    return {
      state,
      block: toBlock(stop),
      doubts: [...this.#doubts, ...(unseen ? [`the interface may be ${devices.join(', ')}`] : [])],
    };
  }

  #runChain(table: Table, chain: Chain, before: readonly Place[], sureBefore: boolean): Leaves {
    let sure = sureBefore;
    let leaves: 'no' | 'maybe' = 'no';
    for (const [index, rule] of chain.rules.entries()) {
      this.#steps += 1;
      const applies = this.#steps > maxSteps ? 'no' : appliesAll(rule.matches, this.#state);
      if (applies === 'no') {
        continue;
      }
      const path = [...before, { ref: refOf(table, chain), index }];
      const result = this.#runRule(table, rule, path, sure && applies === 'yes');
      if (applies === 'maybe' && result !== 'passes') {
        this.#doubts.push(...doubtsOf(rule));
      }
      if (result === 'passes') {
        continue;
      }
      if (applies === 'yes' && result !== 'may-end') {
        return result === 'leaves' ? 'yes' : leaves;
      }
      leaves = result === 'leaves' ? 'maybe' : leaves;
      sure = false;
    }
    return 'yes';
  }

  /** What a rule that applies does: passes to the next, ends the way, leaves the chain, or may end. */
  #runRule(
    table: Table,
    rule: Rule,
    path: readonly Place[],
    sure: boolean,
  ): 'passes' | 'ends' | 'leaves' | 'may-end' {
    const { verdict } = rule;
    switch (verdict.kind) {
      case 'continue':
        return 'passes';
      case 'set-mark':
        this.#state = { ...this.#state, mark: null };
        return 'passes';
      case 'untrack':
        this.#state = {
          ...this.#state,
          tracking: sure ? ['untracked'] : [...this.#state.tracking, 'untracked'],
        };
        return 'passes';
      case 'return':
        return 'leaves';
      case 'jump':
      case 'goto':
        return this.#jump(table, verdict, path, sure);
      case 'accept':
        this.#ends.push({ stops: null, path, text: rule.text });
        return 'ends';
      case 'redirect':
        this.#redirect(verdict.port, sure);
        this.#ends.push({ stops: null, path, text: rule.text });
        return 'ends';
      case 'divert':
        return this.#divert(rule, path, sure);
      case 'drop':
      case 'reject':
        this.#ends.push({ stops: verdict.kind, path, text: rule.text });
        return 'ends';
      case 'unknown':
        this.#doubts.push(verdict.text);
        this.#ends.push(
          { stops: null, path, text: rule.text },
          { stops: 'drop', path, text: rule.text },
        );
        return 'ends';
    }
  }

  #jump(
    table: Table,
    verdict: { kind: 'jump' | 'goto'; target: string },
    path: readonly Place[],
    sure: boolean,
  ): 'passes' | 'ends' | 'leaves' | 'may-end' {
    const target = table.chains.find((chain) => chain.name === verdict.target);
    if (target === undefined || path.length >= maxDepth) {
      // A target of a module that is not known here: it may do anything.
      this.#doubts.push(`-j ${verdict.target}`);
      this.#ends.push(
        { stops: null, path, text: verdict.target },
        { stops: 'drop', path, text: verdict.target },
      );
      return 'may-end';
    }
    const endsBefore = this.#ends.length;
    if (this.#runChain(table, target, path, sure) === 'no') {
      return 'ends';
    }
    // Behind a goto the packet never comes back to this chain, whether it may have ended there or not.
    if (verdict.kind === 'goto') {
      return 'leaves';
    }
    return this.#ends.length === endsBefore ? 'passes' : 'may-end';
  }

  #redirect(port: number | null, sure: boolean): void {
    if (port !== null) {
      this.#state = { ...this.#state, ports: sure ? [port] : [...this.#state.ports, port] };
    }
  }

  #divert(rule: Rule, path: readonly Place[], sure: boolean): 'ends' {
    const { verdict } = rule;
    const { destination } = this.#state.packet;
    if (
      verdict.kind === 'divert' &&
      (verdict.address === null || verdict.address === destination)
    ) {
      this.#redirect(verdict.port, sure);
      this.#ends.push({ stops: null, path, text: rule.text });
    } else if (destination === null) {
      this.#doubts.push('the address that logins are sent to is not known');
      this.#redirect(verdict.kind === 'divert' ? verdict.port : null, false);
      this.#ends.push(
        { stops: null, path, text: rule.text },
        { stops: 'divert', path, text: rule.text },
      );
    } else {
      this.#ends.push({ stops: 'divert', path, text: rule.text });
    }
    return 'ends';
  }
}

function baseChains(ruleset: Ruleset, packet: Packet): { table: Table; chain: Chain }[] {
  return ruleset.tables
    .flatMap((table) => table.chains.map((chain) => ({ table, chain })))
    .filter(({ table, chain }) => seesPacket(table, chain, packet))
    .toSorted(
      (a, b) =>
        hookOrder.indexOf(a.chain.base?.hook ?? '') - hookOrder.indexOf(b.chain.base?.hook ?? '') ||
        (a.chain.base?.priority ?? 0) - (b.chain.base?.priority ?? 0),
    );
}

function seesPacket(table: Table, chain: Chain, packet: Packet): boolean {
  if (chain.base === null || !hookOrder.includes(chain.base.hook)) {
    return false;
  }
  if (table.family === 'netdev' || chain.base.hook === 'ingress') {
    return (
      chain.base.hook === 'ingress' &&
      chain.base.devices.length > 0 &&
      (packet.interface === null || chain.base.devices.includes(packet.interface))
    );
  }
  return table.family === 'inet' || table.family === packet.family;
}

function refOf(table: Table, chain: Chain): ChainRef {
  return { tool: table.tool, family: table.family, table: table.name, chain: chain.name };
}

function toBlock(end: End): Block {
  const last = end.path.at(-1);
  const where = last === undefined ? '' : `${chainName(last.ref)}: `;
  return { path: end.path, action: end.stops ?? 'drop', by: `${where}${end.text}` };
}

function doubtsOf(rule: Rule): string[] {
  return rule.matches.flatMap((match) => (match.kind === 'unknown' ? [match.text] : [rule.text]));
}
