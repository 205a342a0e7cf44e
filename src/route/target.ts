import { hostname, userInfo } from 'node:os';
import type { Failure } from '../core/failure.ts';
import { checkHostName, checkPort, checkUserName } from '../core/host-name.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Secret } from '../core/secret.ts';
import { readSshConfig } from './ssh-config-file.ts';
import { querySshConfig, type ConfigTokens, type SshConfig } from './ssh-config.ts';
import { noClientFailure } from './openssh-failure.ts';
import { badConfig, circle, invalidTarget, unhonoured } from './target-failure.ts';
import { agentSocket, expandHome, keyFiles, knownHostsFiles } from './target-files.ts';
import { parseJumps, type HopSpec } from './target-spec.ts';

/** Asks a person for a secret; null where nobody can be asked or nothing was given. */
export type AskSecret = (prompt: string) => Promise<Secret | null>;

/** Everything that is needed to log in to one SSH service: resolved, checked, ready to dial. */
export interface SshTarget {
  /** As the user wrote it, for people. */
  readonly host: string;
  /** What known_hosts is looked up by: the HostKeyAlias, or `address` in lower case. */
  readonly name: string;
  /** The address or name that is dialled, after ssh config. */
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Key files that were named by a flag or by the configuration, expanded. */
  readonly identities: readonly string[];
  /** Key files that are tried because they have a usual name and exist. */
  readonly defaultIdentities: readonly string[];
  /** True to offer only keys of the files above, also from the agent. */
  readonly identitiesOnly: boolean;
  readonly agentSocket: string | null;
  readonly hostKeyAlias: string | null;
  /** User files, then global ones. */
  readonly knownHostsFiles: readonly string[];
  /** Where a newly accepted key is stored; null where there is no user file. */
  readonly newKeysFile: string | null;
  readonly hashKnownHosts: boolean;
  /** The hosts to pass, outermost first. Their own `jump` is empty. */
  readonly jump: readonly SshTarget[];
  readonly password: Secret | null;
  readonly askPassword: AskSecret;
  /** Asks for the passphrase of a key file. */
  readonly passphrase: (file: string) => Promise<Secret | null>;
}

/** What the user said about a target, from `--host` and its flags or from `--via`. */
export interface TargetOptions {
  readonly host: string;
  readonly port: number | null;
  readonly user: string | null;
  /** Key files from flags; with any, no other key is offered. */
  readonly identities: readonly string[];
  /** Jump hosts from flags, outermost first; null leaves it to the configuration. */
  readonly jump: readonly HopSpec[] | null;
  /** Replaces the user's known_hosts files. */
  readonly knownHosts: string | null;
  readonly password: Secret | null;
  readonly askPassword: AskSecret;
  readonly askPassphrase: AskSecret;
}

/** The machine we run on, as far as resolving a target needs it. */
export interface TargetContext {
  readonly homeDirectory: string;
  readonly localUser: string;
  readonly localUserId: string;
  readonly localHost: string;
  /** For `SSH_AUTH_SOCK` and `${NAME}` in the configuration. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The OpenSSH client, normally `ssh`. */
  readonly sshCommand: string;
  /** Read in place of the user's and the system's configuration, or null. */
  readonly sshConfigFile: string | null;
  /** Who is to make the connection: our own client, unless the OpenSSH one is named. */
  readonly dialler?: 'openssh';
  readonly signal: AbortSignal;
}

/** A target, and sentences for the user about what was left out. */
export interface ResolvedTarget {
  readonly target: SshTarget;
  /** True where a ProxyCommand makes the connection: then nobody knows the way that it takes. */
  readonly proxied: boolean;
  readonly notices: readonly string[];
}

const queryTimeoutMs = 10_000;
const maxHops = 8;

/** The context of this process. The home directory is the account's, as ssh takes it, not `$HOME`. */
export function systemTargetContext(
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): TargetContext {
  const { homedir, username, uid } = userInfo();
  return {
    homeDirectory: homedir,
    localUser: username,
    localUserId: String(uid),
    localHost: hostname(),
    environment,
    sshCommand: 'ssh',
    sshConfigFile: null,
    signal,
  };
}

/**
 * Resolves a target the way ssh does: through `ssh -G` where an OpenSSH client is installed, else by
 * our own reading of the configuration. Every name is checked before anything is started, and again
 * after the configuration has had its say, for each jump host too.
 */
export async function resolveTarget(
  options: TargetOptions,
  context: TargetContext,
): Promise<Result<ResolvedTarget, Failure>> {
  const notices = new Set<string>();
  let proxied = false;
  const target = await resolveHop(options, {
    context,
    notices,
    path: [],
    onProxy: () => {
      proxied = true;
    },
  });
  // What we cannot honour ourselves is no loss where the OpenSSH client dials.
  const shown = context.dialler === 'openssh' ? [] : [...notices];
  return target.ok ? ok({ target: target.value, proxied, notices: shown }) : target;
}

interface Resolving {
  readonly context: TargetContext;
  readonly notices: Set<string>;
  /** The hosts whose way is being resolved, for finding a circle. */
  readonly path: readonly string[];
  readonly onProxy: () => void;
}

async function resolveHop(
  options: TargetOptions,
  resolving: Resolving,
): Promise<Result<SshTarget, Failure>> {
  const given = checkGiven(options);
  if (given !== null) {
    return fail(invalidTarget(options.host, given));
  }
  const id = `${options.user ?? ''}@${options.host.toLowerCase()}:${options.port ?? ''}`;
  if (resolving.path.includes(id) || resolving.path.length >= maxHops) {
    return fail(circle([...resolving.path, id]));
  }
  const config = await readConfig(options, resolving);
  if (!config.ok) {
    return config;
  }
  const settled = settle(options, config.value, resolving);
  if (!settled.ok) {
    return settled;
  }
  const inner = { ...resolving, path: [...resolving.path, id] };
  const jump = await resolveJump(options, { config: config.value, resolving: inner });
  return jump.ok ? ok({ ...settled.value, jump: jump.value }) : jump;
}

function checkGiven(options: TargetOptions): string | null {
  const host = checkHostName(options.host);
  const user = options.user === null ? null : checkUserName(options.user);
  const port = options.port === null ? null : checkPort(String(options.port));
  return (
    [host, user, port].map((one) => (one === null || one.ok ? null : one.error)).find(Boolean) ??
    null
  );
}

async function readConfig(
  options: TargetOptions,
  { context, notices }: Resolving,
): Promise<Result<SshConfig, Failure>> {
  const { host, user, port } = options;
  const found = await querySshConfig({
    command: context.sshCommand,
    configFile: context.sshConfigFile,
    host,
    user,
    port,
    timeoutMs: queryTimeoutMs,
    signal: context.signal,
  });
  if (found.ok) {
    return found;
  }
  if (found.error.type === 'failed') {
    return fail(badConfig(host, `ssh -G said: ${found.error.why}`));
  }
  if (context.dialler === 'openssh') {
    return fail(noClientFailure(context.sshCommand, 'ENOENT'));
  }
  const read = readSshConfig({ host, user, port, configFile: context.sshConfigFile, ...context });
  if (!read.ok) {
    return fail(badConfig(host, read.error));
  }
  for (const notice of read.value.notices) {
    notices.add(notice);
  }
  return ok(read.value.config);
}

function settle(
  options: TargetOptions,
  config: SshConfig,
  { context, notices, onProxy }: Resolving,
): Result<SshTarget, Failure> {
  const address = config.hostname || options.host;
  const user = options.user ?? (config.user || context.localUser);
  const port = checkPort(String(options.port ?? config.port));
  const alias = config.hostKeyAlias;
  const checks = [
    checkHostName(address),
    checkUserName(user),
    port,
    alias === null ? port : checkHostName(alias),
  ];
  const wrong = checks.find((one) => !one.ok);
  if (wrong !== undefined && !wrong.ok) {
    return fail(invalidTarget(options.host, wrong.error));
  }
  const refused = cannotHonour(options, config);
  if (refused !== null && context.dialler !== 'openssh') {
    return fail(refused);
  }
  if (config.proxyCommand !== null && options.jump === null) {
    onProxy();
  }
  const tokens = configTokens(options, { config, context, address, user });
  const keys = keyFiles(options, { config, tokens, notices });
  const files = knownHostsFiles(options, { config, tokens, notices });
  for (const keyword of config.opensshOnly) {
    notices.add(
      `${keyword} is set for ${options.host}; only the OpenSSH client can use it: --openssh.`,
    );
  }
  return ok({
    host: options.host,
    name: alias ?? address.toLowerCase(),
    address,
    port: port.ok ? port.value : 22,
    user,
    ...keys,
    agentSocket: agentSocket(config, { context, tokens }),
    hostKeyAlias: alias,
    ...files,
    hashKnownHosts: config.hashKnownHosts,
    jump: [],
    password: options.password,
    askPassword: options.askPassword,
    passphrase: (file) => options.askPassphrase(`Passphrase for ${file}`),
  });
}

function cannotHonour(options: TargetOptions, config: SshConfig): Failure | null {
  if (config.opensshOnly.includes('revokedhostkeys')) {
    return unhonoured(options.host, 'RevokedHostKeys');
  }
  return config.proxyCommand !== null && options.jump === null
    ? unhonoured(options.host, 'a ProxyCommand')
    : null;
}

function configTokens(
  options: TargetOptions,
  known: {
    readonly config: SshConfig;
    readonly context: TargetContext;
    readonly address: string;
    readonly user: string;
  },
): ConfigTokens {
  const { config, context, address, user } = known;
  return {
    homeDirectory: context.homeDirectory,
    hostname: address,
    host: options.host,
    port: String(options.port ?? config.port),
    user,
    localUser: context.localUser,
    localHost: context.localHost,
    localUserId: context.localUserId,
    proxyJump: config.proxyJump ?? '',
    hostKeyAlias: config.hostKeyAlias ?? options.host,
    environment: context.environment,
  };
}

async function resolveJump(
  options: TargetOptions,
  way: { readonly config: SshConfig; readonly resolving: Resolving },
): Promise<Result<SshTarget[], Failure>> {
  const fromConfig = way.config.proxyJump;
  const parsed =
    options.jump !== null
      ? ok(options.jump)
      : fromConfig === null
        ? ok([])
        : parseJumps(fromConfig);
  if (!parsed.ok) {
    return fail(invalidTarget(options.host, `its ProxyJump is wrong: ${parsed.error}`));
  }
  const chain: SshTarget[] = [];
  for (const [index, hop] of parsed.value.entries()) {
    // Only the first stop may have a way of its own: each later one is reached through the one before.
    const resolved = await resolveHop(hopOptions(options, hop, index === 0), way.resolving);
    if (!resolved.ok) {
      return resolved;
    }
    const more = options.identities.map((file) =>
      expandHome(file, way.resolving.context.homeDirectory),
    );
    const hops = [...resolved.value.jump, { ...resolved.value, jump: [] }];
    chain.push(...hops.map((one) => ({ ...one, identities: [...one.identities, ...more] })));
  }
  return ok(chain);
}

// A key that a flag names is offered to the jump hosts too, after the keys they are configured with.

function hopOptions(options: TargetOptions, hop: HopSpec, isFirst: boolean): TargetOptions {
  return { ...options, ...hop, jump: isFirst ? null : [], identities: [], password: null };
}
