import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expandConfigPath, type ConfigTokens, type SshConfig } from './ssh-config.ts';
import type { SshTarget, TargetContext, TargetOptions } from './target.ts';

const usualKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa', 'id_ed25519_sk', 'id_ecdsa_sk'];
const otherUsualKeys = ['id_xmss', 'id_dsa'];

/** What the files are settled by; what is left out is added to `notices`. */
export interface Settling {
  readonly config: SshConfig;
  readonly tokens: ConfigTokens;
  readonly notices: Set<string>;
}

/** The key files to offer: flags replace the configuration; usual names count where they exist. */
export function keyFiles(
  options: TargetOptions,
  settling: Settling,
): Pick<SshTarget, 'identities' | 'defaultIdentities' | 'identitiesOnly'> {
  const { config, tokens } = settling;
  const usual = usualKeys.map((name) => join(tokens.homeDirectory, '.ssh', name));
  const isUsual = new Set([
    ...usual,
    ...otherUsualKeys.map((name) => join(tokens.homeDirectory, '.ssh', name)),
  ]);
  if (options.identities.length > 0) {
    const identities = options.identities.map((file) => expandHome(file, tokens.homeDirectory));
    return { identities, defaultIdentities: [], identitiesOnly: true };
  }
  const listed = expandAll(config.identityFiles, settling);
  return {
    identities: listed.filter((file) => !isUsual.has(file)),
    defaultIdentities: usual.filter((file) => listed.includes(file) && existsSync(file)),
    identitiesOnly: config.identitiesOnly,
  };
}

/** The known_hosts files to read, user's first, and the one that new keys go to. */
export function knownHostsFiles(
  options: TargetOptions,
  settling: Settling,
): Pick<SshTarget, 'knownHostsFiles' | 'newKeysFile'> {
  const { config, tokens } = settling;
  const user =
    options.knownHosts !== null
      ? [expandHome(options.knownHosts, tokens.homeDirectory)]
      : expandAll(splitFiles(config.userKnownHostsFile), settling);
  const global = splitFiles(config.globalKnownHostsFile);
  return { knownHostsFiles: [...user, ...global], newKeysFile: user[0] ?? null };
}

// ssh -G joins the list by spaces without quotes: a single file whose name has a space wins.
function splitFiles(text: string): string[] {
  if (text === '' || text === 'none') {
    return [];
  }
  return existsSync(text) ? [text] : text.split(/\s+/).filter((file) => file !== '');
}

function expandAll(files: readonly string[], { tokens, notices }: Settling): string[] {
  return files.flatMap((file) => {
    const expanded = expandConfigPath(file, tokens);
    if (!expanded.ok) {
      notices.add(`A file of the ssh configuration is left out: ${expanded.error}.`);
    }
    return expanded.ok ? [expanded.value] : [];
  });
}

/** Expands a leading `~`, as a shell would have done for a flag. */
export function expandHome(file: string, home: string): string {
  return file.replace(/^~(?=\/|$)/, () => home);
}

/** The socket of the agent to ask: IdentityAgent, else `SSH_AUTH_SOCK`; null for none. */
export function agentSocket(
  config: SshConfig,
  { context, tokens }: { readonly context: TargetContext; readonly tokens: ConfigTokens },
): string | null {
  const fromEnvironment = context.environment['SSH_AUTH_SOCK'] || null;
  const set = config.identityAgent;
  if (set === null || set === 'SSH_AUTH_SOCK') {
    return fromEnvironment;
  }
  if (set.toLowerCase() === 'none') {
    return null;
  }
  if (/^\$\w+$/.test(set)) {
    return context.environment[set.slice(1)] || null;
  }
  const expanded = expandConfigPath(set, tokens);
  return expanded.ok ? expanded.value : null;
}
