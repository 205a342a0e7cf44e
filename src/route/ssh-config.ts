import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { cleanLine } from '../core/clean.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { childEnvironment } from './child-channel.ts';

/** What `ssh -G` said about one host. Values are as printed; only `hostname` is expanded by ssh. */
export interface SshConfig {
  readonly hostname: string;
  readonly user: string;
  readonly port: string;
  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  /** `none`, `SSH_AUTH_SOCK`, `$VARIABLE`, a path, or null where nothing is set. */
  readonly identityAgent: string | null;
  readonly hostKeyAlias: string | null;
  /** Joined by spaces and unquoted, as ssh prints them. */
  readonly userKnownHostsFile: string;
  readonly globalKnownHostsFile: string;
  readonly hashKnownHosts: boolean;
  readonly proxyJump: string | null;
  readonly proxyCommand: string | null;
  /** Keywords that are set and that only the OpenSSH client can honour. */
  readonly opensshOnly: readonly string[];
}

/** Parses the output of `ssh -G`: a lower-case key and the rest of the line. Unknown keys are left. */
export function parseSshConfig(output: string): SshConfig {
  const values = new Map<string, string[]>();
  for (const line of output.split(/\r?\n/)) {
    const [, key, value] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) {
      const name = key.toLowerCase();
      values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  const one = (key: string): string | null => values.get(key)?.[0] ?? null;
  return {
    hostname: one('hostname') ?? '',
    user: one('user') ?? '',
    port: one('port') ?? '22',
    identityFiles: (values.get('identityfile') ?? []).filter((file) => file !== 'none'),
    identitiesOnly: one('identitiesonly') === 'yes',
    identityAgent: one('identityagent'),
    hostKeyAlias: one('hostkeyalias'),
    userKnownHostsFile: one('userknownhostsfile') ?? '',
    globalKnownHostsFile: one('globalknownhostsfile') ?? '',
    hashKnownHosts: one('hashknownhosts') === 'yes',
    proxyJump: unlessNone(one('proxyjump')),
    proxyCommand: unlessNone(one('proxycommand')),
    opensshOnly: opensshOnly(one),
  };
}

function unlessNone(value: string | null): string | null {
  return value === null || value.toLowerCase() === 'none' || value === '' ? null : value;
}

function opensshOnly(one: (key: string) => string | null): string[] {
  const keys = ['certificatefile', 'pkcs11provider', 'knownhostscommand', 'revokedhostkeys'];
  return keys.filter((key) => unlessNone(one(key)) !== null);
}

/** The values that the %-tokens of ssh_config(5), TOKENS, stand for. */
export interface ConfigTokens {
  /** %d */
  readonly homeDirectory: string;
  /** %h: the host name after HostName. */
  readonly hostname: string;
  /** %n: the host as it was given. */
  readonly host: string;
  /** %p */
  readonly port: string;
  /** %r: the user to log in as. */
  readonly user: string;
  /** %u: the local user. */
  readonly localUser: string;
  /** %l: the local host name, with its domain. */
  readonly localHost: string;
  /** %i: the local user id. */
  readonly localUserId: string;
  /** %j: the ProxyJump as text, or nothing. */
  readonly proxyJump: string;
  /** %k: HostKeyAlias, or the host as it was given. */
  readonly hostKeyAlias: string;
  /** The environment, for `${NAME}`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Expands a leading `~/`, `${NAME}` and the %-tokens that ssh_config(5) allows for IdentityFile and
 * UserKnownHostsFile. The error names the token that cannot be expanded.
 */
export function expandConfigPath(path: string, tokens: ConfigTokens): Result<string, string> {
  const home =
    path === '~' ? tokens.homeDirectory : path.replace(/^~\//, () => `${tokens.homeDirectory}/`);
  const bad: string[] = [];
  const expanded = home.replace(/\$\{([^}]*)\}|%(.?)/gs, (whole, name?: string, token?: string) => {
    const value = name === undefined ? tokenValue(token ?? '', tokens) : tokens.environment[name];
    if (value === undefined) {
      bad.push(whole);
    }
    return value ?? '';
  });
  if (bad[0] !== undefined) {
    return fail(`${JSON.stringify(path)} holds ${bad[0]}, which stands for nothing here`);
  }
  return ok(expanded);
}

function tokenValue(token: string, tokens: ConfigTokens): string | undefined {
  const { localHost, hostname, port, user, proxyJump } = tokens;
  const values: Readonly<Record<string, string>> = {
    '%': '%',
    C: createHash('sha1')
      .update(localHost + hostname + port + user + proxyJump)
      .digest('hex'),
    d: tokens.homeDirectory,
    h: hostname,
    i: tokens.localUserId,
    j: proxyJump,
    k: tokens.hostKeyAlias,
    L: localHost.split('.')[0] ?? '',
    l: localHost,
    n: tokens.host,
    p: port,
    r: user,
    u: tokens.localUser,
  };
  return values[token];
}

/** How `ssh -G` is asked. */
export interface SshConfigQuery {
  /** The client to run, normally `ssh`. */
  readonly command: string;
  /** A configuration file to read in place of the user's and the system's, or null. */
  readonly configFile: string | null;
  /** Already validated: it stands after `--`. */
  readonly host: string;
  readonly user: string | null;
  readonly port: number | null;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Why `ssh -G` gave no answer. `missing` means that no client is installed. */
export type SshConfigError =
  | { readonly type: 'missing' }
  | { readonly type: 'failed'; readonly why: string };

const maxOutputBytes = 1024 * 1024;

/** Runs `ssh -G -- HOST` without a shell and parses what it prints. */
export async function querySshConfig(
  query: SshConfigQuery,
): Promise<Result<SshConfig, SshConfigError>> {
  const args = [
    '-G',
    ...(query.configFile === null ? [] : ['-F', query.configFile]),
    ...(query.user === null ? [] : ['-l', query.user]),
    ...(query.port === null ? [] : ['-p', String(query.port)]),
    '--',
    query.host,
  ];
  const signal = AbortSignal.any([query.signal, AbortSignal.timeout(query.timeoutMs)]);
  return new Promise((resolve) => {
    const child = spawn(query.command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      env: childEnvironment(process.env),
    });
    const output = collect(child.stdout);
    const errors = collect(child.stderr);
    child.on('error', (error: NodeJS.ErrnoException) => {
      resolve(fail(spawnError(error, query.timeoutMs)));
    });
    child.on('close', (code) => {
      resolve(
        code === 0
          ? ok(parseSshConfig(output()))
          : fail({
              type: 'failed',
              why: cleanLine(errors()) || `ssh -G ended with status ${code}`,
            }),
      );
    });
  });
}

function spawnError(error: NodeJS.ErrnoException, timeoutMs: number): SshConfigError {
  if (error.code === 'ENOENT') {
    return { type: 'missing' };
  }
  const why = error.code === 'ABORT_ERR' ? `no answer within ${timeoutMs / 1000} s` : error.message;
  return { type: 'failed', why };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < maxOutputBytes) {
      chunks.push(chunk);
      size += chunk.length;
    }
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
