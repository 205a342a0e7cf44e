import { z } from 'zod';
import type { SshdConfig } from '../facts/sshd-config.ts';
import { configLines, type ConfigLine } from '../facts/sshd-config-lines.ts';
import { configFile, sshdConfigRequest, withConfigFile } from '../facts/sshd-config.ts';
import { describeSetBy, effective } from '../facts/sshd-effective.ts';
import { canonicalKeyword, canonicalValues, repeatable } from '../facts/sshd-keywords.ts';
import { isSince, splitWords, type SshVersion } from '../facts/sshd-words.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';
import { insertLine, managedBy, quoteWord, replaceLines, withArguments } from './sshd-edit.ts';
import { configChanges } from './sshd-port-change.ts';
import { notRunning, reloadChange, reloadRequests } from './sshd-reload.ts';

const word = z.string().regex(/^[^\r\n\0]+$/, 'one line, without control characters');

const schema = z.strictObject({
  option: z
    .string()
    .regex(/^[A-Za-z0-9]+$/, 'the name of an option of sshd_config(5)')
    .describe('the option, as sshd_config(5) spells it'),
  value: word.describe(
    'for `set` all behind the option; for `add` and `remove` one word of its list',
  ),
  mode: z
    .enum(['set', 'add', 'remove'])
    .default('set')
    .describe('set the value, or add a word to a list (AllowUsers, AcceptEnv …), or take one out'),
  everywhere: z
    .boolean()
    .default(false)
    .describe('true: in Match blocks too, so that it holds for everybody'),
});

type Args = z.output<typeof schema>;

/** Sets an option of sshd where it counts: the line that wins, in whichever file it stands. */
export const sshdOption: Module<typeof schema> = {
  name: 'sshd-option',
  summary: 'Set an option of sshd in the file and line that wins, then let sshd read it',
  schema,
  facts: () => [sshdConfigRequest, ...reloadRequests],
  plan(asked, facts) {
    const config = facts.get(sshdConfigRequest);
    if (!config.known) {
      return blocked(config.because);
    }
    const args = { ...asked, option: nameFor(asked.option, config.value.version) };
    const refusal = unfit(args, config.value);
    if (refusal !== null) {
      return refusal;
    }
    const edit = editFor(args, config.value);
    if ('action' in edit) {
      return edit;
    }
    const wrong = missed(args, edit.config);
    if (wrong !== null) {
      return blocked(`${wrong}, so ${args.option} would not be ${args.value} after the change`);
    }
    const paths = [...new Set(edit.paths)];
    const written = configChanges(
      config.value,
      paths.map((path) => ({ path, text: configFile(edit.config, path)?.text ?? '' })),
      purposeOf(args),
    );
    const reload = reloadChange(facts, written.config);
    return change(`${edit.reason}${ownersOf(config.value, paths)}${notRunning(facts)}`, [
      ...written.changes,
      ...(reload === null ? [] : [reload]),
    ]);
  },
};

// Until 8.7 sshd asks by keyboard-interactive as long as ChallengeResponseAuthentication is on.
function nameFor(option: string, version: SshVersion | null): string {
  return /^kbdinteractiveauthentication$/i.test(option) && !isSince(version, 8, 7)
    ? 'ChallengeResponseAuthentication'
    : option;
}

interface Edit {
  readonly config: SshdConfig;
  readonly paths: readonly string[];
  readonly reason: string;
}

const ports = new Set(['port', 'listenaddress', 'addressfamily']);

function unfit({ option, mode, value }: Args, config: SshdConfig): ModulePlan | null {
  const keyword = canonicalKeyword(option, config.version);
  if (keyword === 'match' || keyword === 'include') {
    return blocked(`${option} is not an option with a value`);
  }
  if (ports.has(keyword)) {
    return blocked(`${option} decides where SSH listens`, 'Use the module sshd-port for it.');
  }
  if (mode === 'set' && repeatable.has(keyword)) {
    return blocked(
      `${option} is a list that adds up over its lines`,
      'Use `mode: add` or `mode: remove`.',
    );
  }
  if (mode !== 'set' && (!repeatable.has(keyword) || keyword === 'subsystem')) {
    return blocked(`${option} is not a list that adds up over its lines`, 'Use `mode: set`.');
  }
  if (splitWords(value) === null) {
    return blocked(`the quotes in ${value} are not closed`);
  }
  const binary = config.files.find(({ text }) => text.includes('\0'));
  return binary === undefined
    ? null
    : blocked(`${binary.path} holds NUL bytes`, 'Mend it first:\n    remedy run fix-sshd-config …');
}

function editFor(args: Args, config: SshdConfig): Edit | ModulePlan {
  switch (args.mode) {
    case 'set':
      return setOption(args, config);
    case 'add':
      return addWord(args, config);
    case 'remove':
      return removeWord(args, config);
  }
}

function linesOf(config: SshdConfig, keyword: string): ConfigLine[] {
  const seen = new Set<string>();
  return configLines(config).filter((line) => {
    const at = place(line);
    const fits =
      canonicalKeyword(line.keyword, config.version) === keyword &&
      line.fault === null &&
      !seen.has(at);
    seen.add(fits ? at : '');
    return fits;
  });
}

function setOption(args: Args, config: SshdConfig): Edit | ModulePlan {
  const { option, value, everywhere } = args;
  const keyword = canonicalKeyword(option, config.version);
  const now = effective(config, null).get(keyword);
  if (!('unknown' in now) && now.by === 'command line') {
    return blocked(
      `sshd is started with ${option} ${now.values.join(' ')} on its command line, which wins over its files`,
      'Take that out of the options of its service (SSHD_OPTS in /etc/default/ssh, OPTIONS in /etc/sysconfig/sshd, or its unit).',
    );
  }
  const lines = linesOf(config, keyword);
  const winner = lines.find(({ match }) => match === null);
  const wrong = [
    ...(winner === undefined ? [] : [winner]),
    ...lines.filter(({ match }) => match !== null && everywhere),
  ].filter((line) => !says(line, value, keyword));
  // The default needs no line, but whoever relies on it does not see it in the file.
  const byDefault =
    winner === undefined && !('unknown' in now) && sameValue(keyword, now.values.join(' '), value);
  const add = winner === undefined && !byDefault;
  if (wrong.length === 0 && !add) {
    return none(
      `${option} is ${value}: ${winner === undefined ? "sshd's default" : place(winner)}`,
    );
  }
  const edited = wrong.reduce((tree, line) => editLine(tree, line, value), config);
  const done = add ? addLine(edited, option, value) : { config: edited, where: null };
  const reasons = [
    ...wrong.map(
      (line) =>
        `${place(line)} ${line.match === null ? 'wins' : 'applies to some'}: ${line.raw.trim()}`,
    ),
    ...(add && !('unknown' in now)
      ? [`no line sets ${option}, so it is ${now.values.join(' ')}`]
      : []),
    ...(add && 'unknown' in now ? [`no line sets ${option}`] : []),
  ];
  return {
    config: done.config,
    paths: [...wrong.map(({ file }) => file), ...(done.where === null ? [] : [done.where])],
    reason: reasons.join('; '),
  };
}

function says(line: ConfigLine, value: string, keyword: string): boolean {
  return sameValue(keyword, line.args.join(' '), value);
}

function sameValue(keyword: string, left: string, right: string): boolean {
  const words = (text: string): string =>
    canonicalValues(keyword, splitWords(text) ?? [text]).join(' ');
  return words(left) === words(right);
}

function place(line: ConfigLine): string {
  return `${line.file}:${line.line}`;
}

function editLine(config: SshdConfig, line: ConfigLine, value: string | null): SshdConfig {
  const text = configFile(config, line.file)?.text ?? '';
  const becomes = value === null ? null : withArguments(line, value, config.version);
  return withConfigFile(config, line.file, replaceLines(text, [{ line: line.line, becomes }]));
}

/** Adds a line to the main file, outside of any Match: below its commented example, if it has one. */
function addLine(
  config: SshdConfig,
  option: string,
  value: string,
): { readonly config: SshdConfig; readonly where: string } {
  const text = configFile(config, config.main)?.text ?? '';
  const lines = text.split('\n');
  const firstMatch =
    configLines(config).find(({ file, keyword }) => file === config.main && keyword === 'match')
      ?.line ?? Number.POSITIVE_INFINITY;
  const example = lines.findIndex((line) => new RegExp(`^\\s*#\\s*${option}\\b`, 'i').test(line));
  const at =
    example >= 0 && example + 1 < firstMatch ? example + 2 : Math.min(firstMatch, lines.length + 1);
  const written = insertLine(text, at, `${option} ${value}`);
  return { config: withConfigFile(config, config.main, written), where: config.main };
}

function addWord({ option, value, everywhere }: Args, config: SshdConfig): Edit | ModulePlan {
  const keyword = canonicalKeyword(option, config.version);
  const lines = linesOf(config, keyword);
  const scopes = groupByScope(everywhere ? lines : lines.filter(({ match }) => match === null));
  const short = scopes.filter((scope) => !scope.some(({ args }) => args.includes(value)));
  if (scopes.length === 0) {
    if (keyword.startsWith('allow')) {
      return none(`there is no ${option}, so it keeps nobody out; with a first entry it would`);
    }
    const added = addLine(config, option, quoteWord(value));
    return { config: added.config, paths: [added.where], reason: `no line sets ${option}` };
  }
  if (short.length === 0) {
    return none(`${value} is in ${option} (${scopes.flat().map(place).join(', ')})`);
  }
  const targets = short.flatMap((scope) => scope.slice(-1));
  const edited = targets.reduce(
    (tree, line) => editLine(tree, line, [...line.args, value].map(quoteWord).join(' ')),
    config,
  );
  return {
    config: edited,
    paths: targets.map(({ file }) => file),
    reason: `${value} is not in ${option} (${short.flat().map(place).join(', ')})`,
  };
}

function removeWord({ option, value, everywhere }: Args, config: SshdConfig): Edit | ModulePlan {
  const keyword = canonicalKeyword(option, config.version);
  const lines = linesOf(config, keyword).filter(({ match }) => match === null || everywhere);
  const holding = lines.filter(({ args }) => args.includes(value));
  if (holding.length === 0) {
    return none(`${value} is not in ${option}`);
  }
  const emptied = groupByScope(lines).some((scope) =>
    scope.every(({ args }) => args.every((one) => one === value)),
  );
  if (emptied && keyword.startsWith('allow')) {
    return blocked(`${value} is all that ${option} names; without it everybody could log in`);
  }
  // From the end, so that the numbers of the lines before stay right.
  const edited = holding.toReversed().reduce((tree, line) => {
    const rest = line.args.filter((one) => one !== value);
    return editLine(tree, line, rest.length === 0 ? null : rest.map(quoteWord).join(' '));
  }, config);
  return {
    config: edited,
    paths: holding.map(({ file }) => file),
    reason: `${value} is in ${option} (${holding.map(place).join(', ')})`,
  };
}

/** Lists add up among the lines outside of Match, and among those of one block. */
function groupByScope(lines: readonly ConfigLine[]): ConfigLine[][] {
  const scopes = new Map<string, ConfigLine[]>();
  for (const line of lines) {
    const key = line.match === null ? '' : `${line.match.file}:${line.match.line}`;
    scopes.set(key, [...(scopes.get(key) ?? []), line]);
  }
  return [...scopes.values()];
}

/** Why the change would not do what was asked for; null where it does. */
function missed({ option, value, mode, everywhere }: Args, after: SshdConfig): string | null {
  const keyword = canonicalKeyword(option, after.version);
  if (mode !== 'set') {
    const left = linesOf(after, keyword).filter(({ match }) => match === null || everywhere);
    const has = left.some(({ args }) => args.includes(value));
    return has === (mode === 'add')
      ? null
      : `${option} would be ${left.map(({ raw }) => raw).join(' / ')}`;
  }
  const global = linesOf(after, keyword).find(({ match }) => match === null);
  const now = effective(after, null).get(keyword);
  if (
    global === undefined
      ? !('unknown' in now) && !sameValue(keyword, now.values.join(' '), value)
      : !says(global, value, keyword)
  ) {
    return 'unknown' in now ? now.unknown : `${describeSetBy(now.by)} says ${now.values.join(' ')}`;
  }
  const other = everywhere
    ? linesOf(after, keyword).find((line) => line.match !== null && !says(line, value, keyword))
    : undefined;
  return other === undefined ? null : `${place(other)} says ${other.raw.trim()}`;
}

function purposeOf({ option, value, mode }: Args): string {
  switch (mode) {
    case 'set':
      return `${option} ${value}`;
    case 'add':
      return `add ${value} to ${option}`;
    case 'remove':
      return `take ${value} out of ${option}`;
  }
}

/** A warning where something else writes a file that is edited. */
export function ownersOf(config: SshdConfig, paths: readonly string[]): string {
  const owned = paths.flatMap((path) => {
    const owner = managedBy(configFile(config, path)?.text ?? '');
    return owner === null ? [] : [`${path} says «${owner}»: it may be written over`];
  });
  return owned.length === 0 ? '' : `; ${owned.join('; ')}`;
}
