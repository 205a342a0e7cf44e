import { configLines, type ConfigLine } from './sshd-config-lines.ts';
import type { SshdConfig } from './sshd-config.ts';
import { judgeMatch, type SshClient } from './sshd-match.ts';
import {
  builtInDefaults,
  canonicalKeyword,
  canonicalValues,
  lastWins,
  repeatable,
  restOfLine,
} from './sshd-keywords.ts';
import { isSince, parseDirective } from './sshd-words.ts';

export type { SshClient } from './sshd-match.ts';

/** Where a value comes from. */
export type SetBy = { readonly file: string; readonly line: number } | 'default' | 'command line';

/** The value of one option for one client. */
export type Setting =
  | {
      /** The words of the line that wins; of all lines, for options that add up. */
      readonly values: readonly string[];
      readonly by: SetBy;
      /** Every line that the values are of; empty for a default. */
      readonly lines: readonly ConfigLine[];
    }
  | { readonly unknown: string };

/** What sshd would do for one client. */
export interface Effective {
  /** The value of an option, by any of its names. */
  get(keyword: string): Setting;
}

/** `FILE:LINE`, `command line` or `default`, for people. */
export function describeSetBy(by: SetBy): string {
  return typeof by === 'string' ? by : `${by.file}:${by.line}`;
}

/** The values, or nothing where they are not known. */
export function valuesOf(setting: Setting): readonly string[] {
  return 'unknown' in setting ? [] : setting.values;
}

/**
 * sshd's configuration as one client meets it; `null` asks for what counts without any Match but
 * `Match all`, as `sshd -T` prints it.
 *
 * servconf.c reads everything twice: first all lines outside of Match blocks, then, for a connection,
 * those inside blocks that match; what the second reading sets replaces what the first has set, lists
 * too. In each reading the first line wins, but lists add up.
 */
export function effective(config: SshdConfig, client: SshClient | null): Effective {
  const lines = configLines(config).map((line) => ({
    ...line,
    keyword: canonicalKeyword(line.keyword, config.version),
  }));
  const commandLine = commandLines(config);
  const byKeyword = new Map<string, ConfigLine[]>();
  for (const line of lines) {
    byKeyword.set(line.keyword, [...(byKeyword.get(line.keyword) ?? []), line]);
  }
  const settings = new Map<string, Setting>();
  const look = (keyword: string): Setting => {
    const found = settings.get(keyword) ?? decide(keyword);
    settings.set(keyword, found);
    return found;
  };
  const decide = (keyword: string): Setting =>
    settle(
      {
        keyword,
        lines: (byKeyword.get(keyword) ?? []).filter(({ fault }) => fault === null),
        commandLine: commandLine.filter((line) => line.keyword === keyword),
        config,
        // UseDNS itself cannot stand in a Match block, so this never asks for itself.
        useDns: keyword !== 'usedns' && client !== null && valuesOf(look('usedns'))[0] === 'yes',
      },
      client,
    );
  return { get: (keyword) => look(canonicalKeyword(keyword, config.version)) };
}

interface Question {
  readonly keyword: string;
  readonly lines: readonly ConfigLine[];
  readonly commandLine: readonly ConfigLine[];
  readonly config: SshdConfig;
  readonly useDns: boolean;
}

function settle(question: Question, client: SshClient | null): Setting {
  const matched = fromMatch(question, client);
  if (matched !== null) {
    return matched;
  }
  const { keyword, config } = question;
  const global = question.lines.filter(({ match }) => match === null);
  if (keyword === 'port' && config.options.ports.length > 0) {
    return { values: config.options.ports.map(String), by: 'command line', lines: [] };
  }
  const chosen = choose(keyword, [...question.commandLine, ...global]);
  return chosen ?? fallback(question, client);
}

// Global lines come first in time and are replaced: only a block that matches can win here.
function fromMatch(question: Question, client: SshClient | null): Setting | null {
  const { keyword } = question;
  const sure: ConfigLine[] = [];
  const maybe: { line: ConfigLine; because: string }[] = [];
  for (const line of question.lines.filter(({ match }) => match !== null)) {
    const judged = judgeMatch(line.match, client, question.useDns);
    if (judged.holds === null) {
      maybe.push({ line, because: judged.because });
    } else if (judged.holds) {
      sure.push(line);
      if (!repeatable.has(keyword) && !lastWins.has(keyword)) {
        break;
      }
    }
  }
  const chosen = choose(keyword, sure);
  const [doubt] = maybe;
  if (doubt === undefined) {
    return chosen;
  }
  // What is not known does not matter where it would say the same.
  const certain = chosen ?? settle({ ...question, lines: outside(question.lines) }, client);
  const same =
    !('unknown' in certain) &&
    !repeatable.has(keyword) &&
    maybe.every(({ line }) => valuesOfLine(keyword, line).join(' ') === certain.values.join(' '));
  return same
    ? certain
    : { unknown: `${doubt.line.file}:${doubt.line.line} may apply: ${doubt.because}` };
}

function outside(lines: readonly ConfigLine[]): ConfigLine[] {
  return lines.filter(({ match }) => match === null);
}

function choose(keyword: string, lines: readonly ConfigLine[]): Setting | null {
  const used = repeatable.has(keyword)
    ? lines
    : lastWins.has(keyword)
      ? lines.slice(-1)
      : lines.slice(0, 1);
  const [first] = used;
  return first === undefined
    ? null
    : {
        values: used.flatMap((line) => valuesOfLine(keyword, line)),
        by:
          first.file === commandLineFile ? 'command line' : { file: first.file, line: first.line },
        lines: used,
      };
}

function valuesOfLine(keyword: string, line: ConfigLine): string[] {
  return canonicalValues(
    keyword,
    restOfLine.has(keyword) ? [line.rest.replace(/^[ \t]+/, '')] : line.args,
  );
}

function fallback({ keyword, config }: Question, client: SshClient | null): Setting {
  const derived = derivedDefault(keyword, config, client);
  // `sshd -T` does not print lists that nothing stands in.
  const empty = repeatable.has(keyword) ? [] : null;
  const values = derived ?? config.defaults?.[keyword] ?? builtInDefaults[keyword] ?? empty;
  return values === null
    ? { unknown: `${keyword} is not set, and what this sshd takes then is not known` }
    : { values: canonicalValues(keyword, values), by: 'default', lines: [] };
}

// Defaults that hang on other options cannot be taken from an empty configuration.
function derivedDefault(
  keyword: string,
  config: SshdConfig,
  client: SshClient | null,
): readonly string[] | null {
  if (keyword === 'kbdinteractiveauthentication' && !isSince(config.version, 8, 7)) {
    return valuesOf(effective(config, client).get('challengeresponseauthentication'));
  }
  return keyword === 'listenaddress' ? [] : null;
}

const commandLineFile = 'command line';

function commandLines(config: SshdConfig): ConfigLine[] {
  return config.options.lines.flatMap((text, index): ConfigLine[] => {
    const directive = parseDirective(text, config.version);
    return directive === null || directive.fault !== null
      ? []
      : [
          {
            ...directive,
            keyword: canonicalKeyword(directive.keyword, config.version),
            file: commandLineFile,
            line: index + 1,
            raw: text,
            match: null,
          },
        ];
  });
}

/** An address and port that the daemon listens on; `address` null is the wildcard of its families. */
export interface ListenTarget {
  readonly address: string | null;
  readonly port: number;
  readonly by: SetBy;
}

/** Where sshd listens by its own configuration: every ListenAddress with its port or each Port. */
export function listenTargets(config: SshdConfig): readonly ListenTarget[] {
  const global = effective(config, null);
  const port = global.get('port');
  const listen = global.get('listenaddress');
  if ('unknown' in port || 'unknown' in listen) {
    return [];
  }
  const ports = port.values.map(Number);
  if (listen.lines.length === 0) {
    const by = (one: number): SetBy => {
      const line = port.lines.find(({ args }) => Number(args[0]) === one);
      return line === undefined || line.file === commandLineFile
        ? port.by
        : { file: line.file, line: line.line };
    };
    return ports.map((one) => ({ address: null, port: one, by: by(one) }));
  }
  return listen.lines.flatMap((line) => {
    const target = splitListenAddress(line.args[0] ?? '');
    const by = line.file === commandLineFile ? ('command line' as const) : line;
    return (target.port === null ? ports : [target.port]).map((one) => ({
      address: target.address,
      port: one,
      by: typeof by === 'string' ? by : { file: by.file, line: by.line },
    }));
  });
}

/** `ADDRESS`, `HOST:PORT`, `[V6]:PORT` or a bare IPv6 address, as ListenAddress takes them. */
export function splitListenAddress(word: string): { address: string; port: number | null } {
  const bracket = /^\[([^\]]*)\](?::(\d+))?$/.exec(word);
  if (bracket !== null) {
    return {
      address: bracket[1] ?? '',
      port: bracket[2] === undefined ? null : Number(bracket[2]),
    };
  }
  const [, host, port] = /^([^:]*):(\d+)$/.exec(word) ?? [];
  return host === undefined ? { address: word, port: null } : { address: host, port: Number(port) };
}
