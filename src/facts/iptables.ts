import type { Family } from '../core/net.ts';
import { known, unknown, type Fact, type Observed, type Part, type Parts } from './fact.ts';
import { parseIptablesRule } from './iptables-rule.ts';
import type { BaseChain, Chain, FilterTool, Rule, Ruleset, Table } from './ruleset.ts';

/** The rules that iptables and ip6tables show, nft-backed and legacy, and how they are kept. */
export interface Iptables {
  readonly ruleset: Ruleset;
  /** Families that the host has at all; a missing ip6 means that IPv6 is off. */
  readonly families: readonly Family[];
  /** `table` names, with their family, that iptables-nft says it cannot show in full. */
  readonly incompatible: readonly string[];
  /** The command that changes the rules of each tool: `iptables`, `iptables-nft`, `iptables-legacy`. */
  readonly commands: { readonly iptables: string; readonly 'iptables-legacy': string };
  /** The files that the host loads at boot, where a service that does so is enabled. */
  readonly saved: readonly SavedRules[];
}

/** A rules file in iptables-save format, loaded at boot by `unit`. */
export interface SavedRules {
  readonly family: Family;
  readonly path: string;
  readonly unit: string;
  /** The bytes, one character each (latin1). */
  readonly text: string;
  readonly sha256: string;
}

// Legacy iptables loads its kernel modules when it is merely listed, so it is read only where the
// kernel says that it holds tables already. The nft-backed tools load nf_tables: they run where that
// is loaded, built in, or where the kernel has no loadable modules.
/** Shell function `nft_ready`: whether nftables can be read without loading a kernel module. */
export const nftReady = `nft_ready() {
  [ ! -r /proc/modules ] && return 0
  [ -d /sys/module/nf_tables ] && return 0
  grep -q '^nf_tables ' /proc/modules && return 0
  ! grep -qs '/nf_tables\\.ko' "/lib/modules/$(uname -r)/modules.dep"
}`;

const savedFiles: readonly { family: Family; path: string; unit: string }[] = [
  { family: 'ip', path: '/etc/iptables/rules.v4', unit: 'netfilter-persistent.service' },
  { family: 'ip6', path: '/etc/iptables/rules.v6', unit: 'netfilter-persistent.service' },
  { family: 'ip', path: '/etc/sysconfig/iptables', unit: 'iptables.service' },
  { family: 'ip6', path: '/etc/sysconfig/ip6tables', unit: 'ip6tables.service' },
];

/** iptables, ip6tables and ipset, with the files that bring the rules back at boot. */
export const iptablesFact: Fact<undefined, Iptables> = {
  name: 'iptables',
  summary:
    'iptables and ip6tables rules, nft-backed and legacy, ipsets, and the rules files loaded at boot',
  slow: true,
  read: () => [
    { part: 'save', sh: saveSh('iptables'), long: true },
    {
      part: 'save6',
      sh: `[ -e /proc/net/if_inet6 ] || exit 3\n${saveSh('ip6tables')}`,
      long: true,
    },
    { part: 'legacy', sh: legacySh('ip', 'iptables'), long: true },
    { part: 'legacy6', sh: legacySh('ip6', 'ip6tables'), long: true },
    {
      part: 'sets',
      sh: '[ -e /sys/module/ip_set ] || [ ! -r /proc/modules ] || exit 0\nhave ipset || exit 0\nlimit 20 ipset save',
      long: true,
    },
    {
      part: 'tools',
      sh: 'have iptables && iptables -V\nhave iptables-nft && echo has-nft\nhave iptables-legacy && echo has-legacy\n:',
    },
    ...savedFiles.flatMap(({ family, path, unit }) => [
      {
        part: `saved:${family}:${unit}`,
        sh: `[ -f ${path} ] || exit 3\nlimit 10 systemctl is-enabled --quiet ${unit} || exit 4\ncat ${path}`,
        long: true as const,
      },
      { part: `sum:${family}:${unit}`, sh: `[ -f ${path} ] || exit 3\ndigest <${path}` },
    ]),
  ],
  parse: parseIptables,
};

function saveSh(tool: 'iptables' | 'ip6tables'): string {
  return `${nftReady}
if have ${tool}-nft-save; then nft_ready || exit 0; limit 20 ${tool}-nft-save
elif have ${tool}-save; then
  case "$(${tool}-save -V 2>&1)" in *nf_tables*) nft_ready || exit 0; limit 20 ${tool}-save ;; *) exit 0 ;; esac
else exit 0; fi`;
}

function legacySh(prefix: string, tool: string): string {
  return `grep -qs . /proc/net/${prefix}_tables_names || exit 0
if have ${tool}-legacy-save; then limit 20 ${tool}-legacy-save; elif have ${tool}-save; then limit 20 ${tool}-save; else exit 127; fi`;
}

function parseIptables(parts: Parts): Observed<Iptables> {
  const sets = parseIpsets(parts.get('sets')?.text ?? '');
  const tables: Table[] = [];
  const incompatible: string[] = [];
  const families: Family[] = ['ip'];
  for (const { part, family, tool } of saves) {
    const saved = parts.get(part);
    const problem = saved === undefined ? 'nothing was read' : saveProblem(saved);
    if (problem === 'absent') {
      continue;
    }
    if (problem !== null || saved === undefined) {
      return unknown(
        `${family === 'ip6' ? 'ip6tables' : 'iptables'} rules could not be read: ${problem}`,
      );
    }
    if (part === 'save6') {
      families.push('ip6');
    }
    tables.push(...parseSave(saved.text, family, tool, sets));
    incompatible.push(...incompatibleTables(saved.text).map((name) => `${family} ${name}`));
  }
  return known({
    ruleset: { tables },
    families,
    incompatible,
    commands: commands(parts),
    saved: savedRules(parts),
  });
}

const saves: readonly { part: string; family: Family; tool: FilterTool }[] = [
  { part: 'save', family: 'ip', tool: 'iptables' },
  { part: 'save6', family: 'ip6', tool: 'iptables' },
  { part: 'legacy', family: 'ip', tool: 'iptables-legacy' },
  { part: 'legacy6', family: 'ip6', tool: 'iptables-legacy' },
];

function saveProblem(part: Part): string | null {
  if (part.status === 3) {
    return 'absent';
  }
  if (part.cut) {
    return 'the output is too long';
  }
  return part.status === 0 ? null : part.errors || `exit status ${part.status}`;
}

function commands(parts: Parts): Iptables['commands'] {
  const tools = parts.get('tools')?.text ?? '';
  const plainIsNft = tools.includes('nf_tables');
  return {
    iptables: plainIsNft || !tools.includes('has-nft') ? 'iptables' : 'iptables-nft',
    'iptables-legacy': plainIsNft && tools.includes('has-legacy') ? 'iptables-legacy' : 'iptables',
  };
}

function incompatibleTables(text: string): string[] {
  return [...text.matchAll(/^# Table `([^']+)' (?:is incompatible|contains incompatible)/gm)].map(
    (match) => match[1] ?? '',
  );
}

function savedRules(parts: Parts): SavedRules[] {
  return savedFiles.flatMap(({ family, path, unit }) => {
    const file = parts.get(`saved:${family}:${unit}`);
    const sum = parts.get(`sum:${family}:${unit}`);
    return file?.status === 0 && !file.cut && sum?.status === 0
      ? [{ family, path, unit, text: file.latin1, sha256: sum.text.trim() }]
      : [];
  });
}

/** What iptables-save(8) with -c puts before each rule: `[packets:bytes] `. */
export const counters = /^\[\d+:\d+\] /;
const savedRule = /^(?:\[\d+:\d+\] )?(?:-A|--append) /;

/** Reads the output of iptables-save(8), or a file in that format. */
export function parseSave(
  text: string,
  family: Family,
  tool: FilterTool,
  sets: ReadonlyMap<string, readonly string[]> = new Map(),
): Table[] {
  const tables: { name: string; chains: Map<string, { base: BaseChain | null; rules: Rule[] }> }[] =
    [];
  for (const written of text.split('\n')) {
    const line = written.trimStart();
    const table = tables.at(-1);
    if (line.startsWith('*')) {
      tables.push({ name: line.slice(1).trim(), chains: new Map() });
    } else if (table !== undefined && line.startsWith(':')) {
      const [name = '', policy = '-'] = line.slice(1).split(/\s+/);
      table.chains.set(name, { base: baseChain(table.name, name, policy), rules: [] });
    } else if (table !== undefined && savedRule.test(line)) {
      const parsed = parseIptablesRule(
        line.replace(counters, ''),
        (name) => sets.get(name) ?? null,
      );
      table.chains.get(parsed?.chain ?? '')?.rules.push(...(parsed === null ? [] : [parsed.rule]));
    }
  }
  return tables.map(({ name, chains }) => ({
    tool,
    family,
    name,
    chains: [...chains].map(([chain, { base, rules }]): Chain => ({ name: chain, base, rules })),
  }));
}

// Netfilter's priorities of the built-in tables (enum nf_ip_hook_priorities in netfilter_ipv4.h).
const priorities: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  nat: -100,
  filter: 0,
  security: 50,
};

function baseChain(table: string, chain: string, policy: string): BaseChain | null {
  if (policy === '-') {
    return null;
  }
  const priority =
    table === 'nat' && (chain === 'INPUT' || chain === 'POSTROUTING')
      ? 100
      : (priorities[table] ?? 0);
  return {
    hook: chain.toLowerCase(),
    type: table === 'nat' ? 'nat' : 'filter',
    priority,
    policy: policy === 'DROP' ? 'drop' : 'accept',
    devices: [],
  };
}

/** Reads `ipset save`; sets of plain addresses and nets only, the others are left out. */
export function parseIpsets(text: string): Map<string, string[]> {
  const sets = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [verb, name = '', second = ''] = line.split(' ');
    if (verb === 'create' && /^hash:(?:ip|net)$/.test(second)) {
      sets.set(name, []);
    } else if (verb === 'add' && !line.includes('nomatch')) {
      sets.get(name)?.push(second);
    } else if (verb === 'add') {
      sets.delete(name);
    }
  }
  return sets;
}
