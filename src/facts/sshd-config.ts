import { sha256Of } from '../core/digest.ts';
import { known, request, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { parseFiles, printFiles, type HostFile } from './files.ts';
import { readTreeSh, parseTree, type IncludeGlob, type OddFile } from './sshd-config-read.ts';
import { configLines } from './sshd-config-lines.ts';
import { globMatches } from './sshd-glob.ts';
import {
  configuredArguments,
  parseDaemonOptions,
  runningArguments,
  type DaemonOptions,
} from './sshd-options.ts';
import { runSshd } from './sshd-run.ts';
import { parseSshVersion, type SshVersion } from './sshd-words.ts';

export type { IncludeGlob, OddFile } from './sshd-config-read.ts';
export type { DaemonOptions } from './sshd-options.ts';

/** sshd's configuration as it lies on the host: every file, byte by byte, and what it is read with. */
export interface SshdConfig {
  /** The file that sshd starts with: /etc/ssh/sshd_config, or what `-f` says. */
  readonly main: string;
  /** Every file of the tree that could be read, each once. */
  readonly files: readonly HostFile[];
  /** What each word of an `Include` line finds. */
  readonly includes: readonly IncludeGlob[];
  /** Files of the tree that are no plain readable files; sshd refuses to start with some of them. */
  readonly odd: readonly OddFile[];
  /** Null where it could not be read; then the rules of new versions are taken. */
  readonly version: SshVersion | null;
  /** The command line of the daemon that runs, else of the unit that would start it. */
  readonly options: DaemonOptions;
  /** Whether `options` is of a running daemon, of its unit, or assumed to be empty. */
  readonly optionsFrom: 'running' | 'unit' | 'assumed';
  /** What this sshd takes where nothing is set, by keyword; null where it could not print it. */
  readonly defaults: Readonly<Record<string, readonly string[]>> | null;
}

const daemonSh = `if [ -d /run/systemd/system ]; then
  for u in ssh.service sshd.service; do
    limit 20 systemctl show --no-pager -p Id,LoadState,MainPID,ExecStart,EnvironmentFiles,Environment "$u"
    echo
  done
fi
:`;

// The listener is the process that the unit names, else the one of the pid file.
const commandLineSh = `sshd_command_line() {
pid=
if [ -d /run/systemd/system ]; then
  for u in ssh.service sshd.service; do
    [ -n "$pid" ] || pid=$(limit 20 systemctl show --no-pager -p MainPID "$u" | sed -n 's/^MainPID=\\([1-9][0-9]*\\)$/\\1/p')
  done
fi
if [ -z "$pid" ]; then
  for f in /run/sshd.pid /var/run/sshd.pid; do
    [ -n "$pid" ] || pid=$(sed -n 's/^\\([1-9][0-9]*\\)$/\\1/p;1q' "$f" 2>/dev/null)
  done
fi
[ -n "$pid" ] && tr '\\000' '\\n' <"/proc/$pid/cmdline"
}`;

// Another main file: -f of the daemon that runs, else of its unit.
const mainSh = `${commandLineSh}
tree_main() {
  tm=$(sshd_command_line | tr '\\n' ' ')
  [ -n "$tm" ] || tm=$(
    [ ! -d /run/systemd/system ] || limit 20 systemctl show --no-pager -p ExecStart ssh.service sshd.service
    sed -n 's/^[^#]*SSHD_OPTS=["]*/ /p' /etc/default/ssh 2>/dev/null
  )
  printf '%s\\n' "$tm" | sed -n 's/.* -f *\\(\\/[^ "]*\\).*/\\1/p' | head -n 1
}`;

const environmentFiles = [
  '/etc/default/ssh',
  '/etc/default/sshd',
  '/etc/sysconfig/ssh',
  '/etc/sysconfig/sshd',
  '/etc/conf.d/sshd',
  '/etc/crypto-policies/back-ends/opensshserver.config',
];

/** The whole configuration of sshd: files, Includes, command line, version and built-in defaults. */
export const sshdConfigFact: Fact<undefined, SshdConfig> = {
  name: 'sshd-config',
  summary: "sshd's configuration files with all they include, its command line and its defaults",
  slow: false,
  read: () => [
    { part: 'daemon', sh: daemonSh },
    { part: 'running', sh: `${commandLineSh}\nsshd_command_line` },
    { part: 'environment', sh: printFiles(environmentFiles) },
    { part: 'tree', sh: `${mainSh}\n${readTreeSh}`, long: true },
    { part: 'version', sh: `${runSshd}\ns=$(sshd_path) || exit 127\nlimit 10 "$s" -V 2>&1; :` },
    {
      part: 'defaults',
      sh: `${runSshd}\nsshd_quiet -T -f /dev/null || sshd_quiet -G -f /dev/null`,
    },
  ],
  parse: parseSshdConfig,
};

/** The one request for sshd's configuration. */
export const sshdConfigRequest = request(sshdConfigFact, undefined);

function parseSshdConfig(parts: Parts): Observed<SshdConfig> {
  const tree = parts.get('tree');
  if (tree === undefined || tree.status !== 0) {
    return unknown(`sshd's configuration could not be read: ${tree?.errors || 'no answer'}`);
  }
  if (tree.cut) {
    return unknown("sshd's configuration is too large to be read");
  }
  const read = parseTree(tree.latin1);
  if (read === null) {
    return unknown("sshd's configuration changed while it was read");
  }
  const options = readOptions(parts);
  const config: SshdConfig = {
    ...read,
    ...options,
    version: parseSshVersion(parts.get('version')?.text ?? ''),
    defaults: readDefaults(parts),
  };
  const lost = unfollowed(config);
  return lost === null
    ? known(config)
    : unknown(`the Include at ${lost} could not be followed, so sshd's configuration is not known`);
}

function readOptions(parts: Parts): Pick<SshdConfig, 'options' | 'optionsFrom'> {
  const running = runningArguments(parts.get('running')?.text ?? '');
  if (running !== null) {
    return { options: parseDaemonOptions(running), optionsFrom: 'running' };
  }
  const files = parseFiles(parts.get('environment')?.latin1 ?? '');
  for (const show of (parts.get('daemon')?.text ?? '').split(/\n\n+/)) {
    const configured = configuredArguments(show, files);
    if (configured !== null) {
      return { options: parseDaemonOptions(configured), optionsFrom: 'unit' };
    }
  }
  return { options: parseDaemonOptions([]), optionsFrom: 'assumed' };
}

function readDefaults(parts: Parts): SshdConfig['defaults'] {
  const part = parts.get('defaults');
  if (part === undefined || part.status !== 0) {
    return null;
  }
  const values: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const line of part.text.split('\n')) {
    const [, keyword, value] = /^([a-z0-9]+) (.*)$/.exec(line) ?? [];
    if (keyword !== undefined && value !== undefined) {
      values[keyword] = [...(values[keyword] ?? []), ...value.split(/\s+/)];
    }
  }
  return values;
}

function unfollowed(config: SshdConfig): string | null {
  for (const line of configLines(config)) {
    if (line.unfollowed !== undefined) {
      return `${line.file}:${line.line}`;
    }
  }
  return null;
}

/** The bytes of a file of the tree, or null where the tree has no such file. */
export function configFile(config: SshdConfig, path: string): HostFile | null {
  return config.files.find((file) => file.path === path) ?? null;
}

/**
 * The tree after an edit. A new file is found by each Include pattern that it matches; with `text`
 * null the file is gone.
 */
export function withConfigFile(config: SshdConfig, path: string, text: string | null): SshdConfig {
  const others = config.files.filter((file) => file.path !== path);
  const files = text === null ? others : [...others, { path, text, sha256: sha256Of(text) }];
  const includes = config.includes.map(({ pattern, files: found }) => ({
    pattern,
    files:
      text === null
        ? found.filter((one) => one !== path)
        : globMatches(pattern, path) && !found.includes(path)
          ? inByteOrder([...found, path])
          : found,
  }));
  const odd = config.odd.filter((one) => one.path !== path);
  return { ...config, files, includes, odd };
}

// glob(3) sorts; sshd runs in the C locale, and these strings hold one byte for each character.
function inByteOrder(paths: readonly string[]): string[] {
  return paths.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
