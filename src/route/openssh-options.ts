import { fail, ok, type Result } from '../core/result.ts';
import type { Argv } from '../core/quote.ts';
import { formatKnownHostsLine, knownHostsName, type HostKey } from './known-hosts.ts';
import { hostKeyName } from './ssh-failure.ts';
import type { SshTimeouts } from './ssh-handshake.ts';
import type { SshTarget } from './target.ts';
import type { HopSpec } from './target-spec.ts';

/** What flags said about a target; all else is left to the user's ssh configuration. */
export interface OpensshFlags {
  /** Key files, offered before the configured ones. */
  readonly identities: readonly string[];
  readonly jump: readonly HopSpec[] | null;
  readonly knownHosts: string | null;
}

/** A target for the OpenSSH client: resolved for our own use, and as it was given for the client's. */
export interface OpensshTarget {
  readonly target: SshTarget;
  readonly flags: OpensshFlags;
}

/** How the client is to behave in one login. */
export interface OpensshManner {
  readonly acceptNewHostKey: boolean;
  /** False where nobody can be asked and no secret is known: the client then never prompts. */
  readonly mayPrompt: boolean;
  /** False leaves out the methods that need a password or an answer. */
  readonly mayUsePassword: boolean;
  readonly timeouts: SshTimeouts;
  /** Configuration to read; null for the user's and the system's. */
  readonly configFile: string | null;
  /** Keys that were learnt on a verified way in this run, and the file to put them in. */
  readonly trusted: { readonly keys: readonly HostKey[]; readonly file: string } | null;
}

/** The client's command line. `log` is the file that its own messages go to. */
export function opensshArgv(
  { target, flags }: OpensshTarget,
  files: { readonly client: string; readonly config: string; readonly log: string },
  command: string,
): Result<Argv, string> {
  const identities = joinResults(flags.identities.map(configPath));
  if (!identities.ok) {
    return identities;
  }
  const jump = flags.jump === null || flags.jump.length === 0 ? null : flags.jump.map(hopText);
  return ok([
    files.client,
    '-F',
    files.config,
    '-E',
    files.log,
    '-T',
    '-l',
    target.user,
    '-p',
    String(target.port),
    // Of the log only; it shows how far the login came.
    '-o',
    'LogLevel=DEBUG1',
    ...identities.value.flatMap((file) => ['-o', `IdentityFile=${file}`]),
    ...(identities.value.length === 0 ? [] : ['-o', 'IdentitiesOnly=yes']),
    ...(jump === null ? [] : ['-J', jump.join(',')]),
    '--',
    target.host,
    command,
  ]);
}

function hopText({ user, host, port }: HopSpec): string {
  const place = host.includes(':') ? `[${host}]` : host;
  return `${user === null ? '' : `${user}@`}${place}${port === null ? '' : `:${port}`}`;
}

/**
 * The configuration file for one login: what must hold for each hop, before the user's own files, since
 * the first value counts (ssh_config(5)). The client hands it on to the jump hosts, which get none of
 * the options of the command line.
 */
export function opensshConfig(way: OpensshTarget, manner: OpensshManner): Result<string, string> {
  const files = knownHosts(way, manner);
  const keys = hopKeys(way);
  if (!files.ok) {
    return files;
  }
  if (!keys.ok) {
    return keys;
  }
  const includes =
    manner.configFile === null ? ['~/.ssh/config', '/etc/ssh/ssh_config'] : [manner.configFile];
  const lines = [
    '# For one login; removed when it has ended.',
    ...fixed.map(([name, value]) => `${name} ${value}`),
    ...mannerLines(manner),
    ...files.value,
    ...includes.map((file) => `Include ${file.startsWith('~') ? file : `"${file}"`}`),
    ...keys.value,
  ];
  return ok(`${lines.join('\n')}\n`);
}

/** Holds for every hop, whatever the user's configuration says. */
const fixed: readonly (readonly [string, string])[] = [
  ['ConnectionAttempts', '1'],
  ['NumberOfPasswordPrompts', '1'],
  // Host keys are stored only where that was asked for.
  ['UpdateHostKeys', 'no'],
  ['AddKeysToAgent', 'no'],
  ['ForwardAgent', 'no'],
  ['ForwardX11', 'no'],
  ['GSSAPIDelegateCredentials', 'no'],
  ['ClearAllForwardings', 'yes'],
  ['Tunnel', 'no'],
  ['PermitLocalCommand', 'no'],
  ['RemoteCommand', 'none'],
  ['RequestTTY', 'no'],
  ['EscapeChar', 'none'],
  // Never the connection of another login: it would prove nothing, and may hold old rights.
  ['ControlMaster', 'no'],
  ['ControlPath', 'none'],
  ['ControlPersist', 'no'],
  ['LogLevel', 'INFO'],
];

function mannerLines(manner: OpensshManner): string[] {
  const { timeouts } = manner;
  return [
    `StrictHostKeyChecking ${manner.acceptNewHostKey ? 'accept-new' : 'yes'}`,
    `BatchMode ${manner.mayPrompt ? 'no' : 'yes'}`,
    ...(manner.mayUsePassword
      ? []
      : ['PasswordAuthentication no', 'KbdInteractiveAuthentication no']),
    `ConnectTimeout ${seconds(timeouts.connectMs)}`,
    `ServerAliveInterval ${seconds(timeouts.keepaliveMs)}`,
    'ServerAliveCountMax 3',
  ];
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function knownHosts(way: OpensshTarget, manner: OpensshManner): Result<string[], string> {
  const { knownHosts: named } = way.flags;
  if (manner.trusted === null) {
    const file = named === null ? null : configPath(named);
    return file === null || file.ok ? ok(file === null ? [] : [line([file.value])]) : file;
  }
  const own = named === null ? way.target.knownHostsFiles : [named];
  const files = joinResults([...own, manner.trusted.file].map(configPath));
  return files.ok ? ok([line(files.value)]) : files;

  function line(list: readonly string[]): string {
    return `UserKnownHostsFile ${list.join(' ')}`;
  }
}

/** The lines of a known_hosts file with the keys that are trusted for the target in this run. */
export function trustedLines({ target }: OpensshTarget, keys: readonly HostKey[]): string {
  const name = knownHostsName(hostKeyName(target));
  return keys.map((key) => `${formatKnownHostsLine(name, key, null) ?? '#'}\n`).join('');
}

// A key that a flag names is offered to the jump hosts too. With one named, the client would leave out
// the usual files; they are named with it.
function hopKeys({ target, flags }: OpensshTarget): Result<string[], string> {
  const lines: string[] = [];
  for (const hop of flags.identities.length === 0 ? [] : target.jump) {
    const files = joinResults(
      [...flags.identities, ...hop.defaultIdentities].map((file) => configPath(file)),
    );
    if (!files.ok) {
      return files;
    }
    lines.push(`Host ${hop.host}`, ...files.value.map((file) => `  IdentityFile ${file}`));
  }
  return ok(lines);
}

/** A path as a value in a configuration file: quoted, with its percent signs doubled. */
function configPath(path: string): Result<string, string> {
  // OpenSSH before 8.7 knows no way to write these.
  return /["\\\n\r\0]|\$\{/.test(path)
    ? fail(`${JSON.stringify(path)} holds a character that the OpenSSH client cannot be given`)
    : ok(`"${path.replaceAll('%', '%%')}"`);
}

function joinResults(results: readonly Result<string, string>[]): Result<string[], string> {
  const values: string[] = [];
  for (const result of results) {
    if (!result.ok) {
      return result;
    }
    values.push(result.value);
  }
  return ok(values);
}
