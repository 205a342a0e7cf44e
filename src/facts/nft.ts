import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { cleanLine } from '../core/clean.ts';
import { quote } from '../core/quote.ts';
import { parseFiles, printFiles, type HostFile } from './files.ts';
import { nftReady } from './iptables.ts';
import { readExpressions } from './nft-expression.ts';
import { asObject, type Json } from './nft-match.ts';
import type { BaseChain, Chain, Rule, Ruleset, Table } from './ruleset.ts';

/** The nftables rule set of the kernel, and the files that bring it back at boot. */
export interface Nft {
  readonly ruleset: Ruleset;
  /** Files that nftables.service loads: the main file first, then what it may include. */
  readonly files: readonly HostFile[];
  /** What those files make of an empty kernel. */
  readonly permanent: Permanent;
}

/** What the files loaded at boot make; `none` where no service loads them. */
export type Permanent =
  | { readonly state: 'none' }
  | { readonly state: 'known'; readonly ruleset: Ruleset }
  | { readonly state: 'unknown'; readonly because: string };

// The main files of Debian and of the RHEL family, and the folders that their stock files include.
const mainFiles = ['/etc/nftables.conf', '/etc/sysconfig/nftables.conf'];
const folders = ['/etc/nftables', '/etc/nftables.d', '/etc/nftables.conf.d'];

/** nftables: kernel rules as JSON, and the boot files where nftables.service is enabled. */
export const nftFact: Fact<undefined, Nft> = {
  name: 'nft',
  summary: 'the nftables rule set of the kernel and the files that nftables.service loads',
  slow: true,
  read: () => [
    {
      part: 'ruleset',
      sh: `${nftReady}\nhave nft || exit 3\nnft_ready || exit 3\nlimit 20 nft -j list ruleset`,
      long: true,
    },
    {
      part: 'text',
      sh: `${nftReady}\nhave nft || exit 3\nnft_ready || exit 3\nlimit 20 nft -a list ruleset`,
      long: true,
    },
    { part: 'files', sh: filesSh, long: true },
    { part: 'permanent', sh: permanentSh('-j'), long: true },
    { part: 'permanent-text', sh: permanentSh('-a'), long: true },
  ],
  parse: parseNft,
};

const filesSh = `limit 10 systemctl is-enabled --quiet nftables.service || exit 4
${printFiles([...mainFiles, ...folders.map((folder) => `${folder}/*`)])}`;

// The namespace has no interfaces, and `iif "eth0"` wants one: its name does as well.
const byName = 's/\\(^\\|[^a-z]\\)\\([io]if\\) \\([^n]\\)/\\1\\2name \\3/g';

// The files are loaded into a network namespace of their own, which ends with the command: the only
// reader of nft's language is nft. The rules are in the kernel already, so no module is loaded anew.
function permanentSh(option: '-j' | '-a'): string {
  return `limit 10 systemctl is-enabled --quiet nftables.service || exit 4
have unshare && unshare -n true 2>/dev/null || exit 5
for f in ${mainFiles.toReversed().join(' ')}; do
  [ -f "$f" ] || continue
  limit 20 unshare -n sh -c 'sed "$2" "$1" | nft -f - && exec nft ${option} list ruleset' sh "$f" ${quote(byName)}
  exit
done`;
}

function parseNft(parts: Parts): Observed<Nft> {
  const ruleset = parts.get('ruleset');
  const files =
    parts.get('files')?.status === 0 ? parseFiles(parts.get('files')?.latin1 ?? '') : [];
  const permanent = parsePermanent(parts);
  if (ruleset === undefined || ruleset.status === 3) {
    return known({ ruleset: { tables: [] }, files, permanent });
  }
  if (ruleset.status !== 0 || ruleset.cut) {
    return unknown(
      `the nftables rules could not be read: ${ruleset.cut ? 'the output is too long' : ruleset.errors || `exit status ${ruleset.status}`}`,
    );
  }
  const tables = parseNftJson(ruleset.text, parseRuleTexts(parts.get('text')?.text ?? ''));
  return tables === null
    ? unknown('the nftables rules could not be read: nft did not print JSON')
    : known({ ruleset: { tables }, files, permanent });
}

function parsePermanent(parts: Parts): Permanent {
  const saved = parts.get('permanent');
  if (saved === undefined || saved.status === 4) {
    return { state: 'none' };
  }
  const texts = parseRuleTexts(parts.get('permanent-text')?.text ?? '');
  const tables = saved.status === 0 && !saved.cut ? parseNftJson(saved.text, texts) : null;
  return tables === null
    ? {
        state: 'unknown',
        because: cleanLine(saved.errors, 200) || 'they could not be loaded apart',
      }
    : { state: 'known', ruleset: { tables } };
}

/** Reads the rules of `nft -a list ruleset` as people know them, by table, chain and handle. */
export function parseRuleTexts(text: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  let table: readonly string[] = [];
  let chain = '';
  for (const line of text.split('\n')) {
    const opened = /^\t?(table|chain) (?:(\S+) )?(\S+) \{/.exec(line);
    const rule = /^\t\t(.+) # handle (\d+)$/.exec(line);
    if (opened?.[1] === 'table') {
      table = [opened[2] ?? '', opened[3] ?? ''];
    } else if (opened !== null) {
      chain = opened[3] ?? '';
    } else if (rule !== null) {
      texts.set(key(...table, chain, Number(rule[2])), rule[1] ?? '');
    }
  }
  return texts;
}

/**
 * Reads `nft -j list ruleset` (libnftables-json(5)); null where it is not such a document.
 *
 * @param texts what `parseRuleTexts` gave, for showing the rules to people.
 */
export function parseNftJson(
  text: string,
  texts: ReadonlyMap<string, string> = new Map(),
): Table[] | null {
  let items: readonly Json[];
  try {
    const document = asObject(JSON.parse(text) as Json)?.['nftables'];
    if (!Array.isArray(document)) {
      return null;
    }
    items = document as readonly Json[];
  } catch {
    return null;
  }
  return new NftReader(items, texts).tables();
}

class NftReader {
  readonly #items: readonly Json[];
  readonly #sets = new Map<string, readonly Json[]>();

  readonly #texts: ReadonlyMap<string, string>;

  constructor(items: readonly Json[], texts: ReadonlyMap<string, string>) {
    this.#items = items;
    this.#texts = texts;
    for (const item of items) {
      const set = asObject(asObject(item)?.['set'] ?? asObject(item)?.['map'] ?? null);
      if (set !== null) {
        const elements = set['elem'];
        this.#sets.set(
          key(set['family'], set['table'], set['name']),
          Array.isArray(elements) ? elements : [],
        );
      }
    }
  }

  tables(): Table[] {
    return this.#each('table').map((table) => ({
      tool: 'nft' as const,
      family: tableFamily(String(table['family'])),
      name: String(table['name']),
      chains: this.#chains(table['family'] ?? null, table['name'] ?? null),
    }));
  }

  #chains(family: Json, table: Json): Chain[] {
    return this.#each('chain')
      .filter((chain) => chain['family'] === family && chain['table'] === table)
      .map((chain) => ({
        name: String(chain['name']),
        base: baseChain(chain),
        rules: this.#rules(family, table, chain['name'] ?? null),
      }));
  }

  #rules(family: Json, table: Json, chain: Json): Rule[] {
    return this.#each('rule')
      .filter(
        (rule) => rule['family'] === family && rule['table'] === table && rule['chain'] === chain,
      )
      .flatMap((rule) => {
        const expressions = Array.isArray(rule['expr']) ? (rule['expr'] as readonly Json[]) : [];
        const handle = typeof rule['handle'] === 'number' ? rule['handle'] : null;
        const text =
          this.#texts.get(key(family, table, chain, handle)) ??
          expressions.map((expression) => JSON.stringify(expression)).join(' ');
        const sets = (name: string): readonly Json[] | null =>
          this.#sets.get(key(family, table, name)) ?? null;
        return readExpressions(expressions, sets).map((reading) => ({ handle, text, ...reading }));
      });
  }

  #each(kind: string): { readonly [key: string]: Json }[] {
    return this.#items.flatMap((item) => {
      const object = asObject(asObject(item)?.[kind] ?? null);
      return object === null ? [] : [object];
    });
  }
}

function key(...parts: readonly (Json | undefined)[]): string {
  return JSON.stringify(parts);
}

function tableFamily(family: string): Table['family'] {
  return family === 'ip' || family === 'ip6' || family === 'inet' ? family : 'netdev';
}

function baseChain(chain: { readonly [key: string]: Json }): BaseChain | null {
  return typeof chain['hook'] !== 'string'
    ? null
    : {
        hook: chain['hook'],
        type: String(chain['type'] ?? 'filter'),
        priority: typeof chain['prio'] === 'number' ? chain['prio'] : 0,
        policy: chain['policy'] === 'drop' ? 'drop' : 'accept',
        devices: (Array.isArray(chain['dev']) ? chain['dev'] : [chain['dev']]).filter(
          (name) => typeof name === 'string',
        ),
      };
}
