import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { addressFamily, normalAddress } from '../core/net.ts';
import type { ClientAddress, Endpoint } from '../core/endpoint.ts';
import { RunFailure, type Failure } from '../core/failure.ts';
import { quoteArgv, type Argv } from '../core/quote.ts';
import type { Result } from '../core/result.ts';
import { createExecRoute, splitCommand } from '../route/exec.ts';
import { consoleRoutes } from './console-routes.ts';
import { fingerprint } from '../core/fingerprint.ts';
import { knownHostsName, linesFor } from '../route/known-hosts.ts';
import { readKnownHosts } from '../route/known-hosts-file.ts';
import { createLocalRoute } from '../route/local.ts';
import type { Route, Session } from '../route/route.ts';
import { readKeyFile } from '../route/ssh-key.ts';
import { sourceAddress } from '../route/source-address.ts';
import { hostKeyName } from '../route/ssh-failure.ts';
import {
  resolveTarget,
  systemTargetContext,
  type ResolvedTarget,
  type SshTarget,
  type TargetOptions,
} from '../route/target.ts';
import type { Operator } from '../walk/access.ts';
import type { HostRun } from '../run/host-run.ts';
import type { Prober } from '../run/prove.ts';
import type { ProofLevel } from '../run/result.ts';
import { askSecret, canAsk, takeSecret } from './prompt.ts';
import { builtInClient, opensshClient, sshWay, type SshWay } from './ssh-client.ts';
import { checkFlags, type RouteFlags } from './route-flags.ts';
import { inGivenOrder } from './route-order.ts';

/** The endpoint and the ways in, ready to be tried. */
export interface Ways {
  readonly endpoint: Endpoint;
  readonly routes: readonly Route[];
  readonly clientAddress: (route: Route, session: Session) => ClientAddress | null;
  readonly isEndpoint: (route: Route) => boolean;
  readonly operator: (route: Route, session: Session) => Operator | null;
  readonly prober: Prober | null;
  readonly proofWanted: ProofLevel;
  readonly forgetHostKeys: string;
  readonly meant: HostRun['meant'];
}

/**
 * Checks the flags, resolves the endpoint and builds the routes. No host is contacted.
 *
 * @throws RunFailure where a flag is wrong or the ssh configuration cannot be honoured.
 */
export async function resolveRoutes(
  flags: RouteFlags,
  signal: AbortSignal,
  notice: (text: string) => void,
): Promise<Ways> {
  const secrets = {
    ssh: takeSecret('REMEDY_SSH_PASSWORD'),
    via: takeSecret('REMEDY_VIA_PASSWORD'),
    sudo: takeSecret('REMEDY_SUDO_PASSWORD'),
    passphrase: takeSecret('REMEDY_KEY_PASSPHRASE'),
  };
  const checked = checkFlags(flags);
  const openssh = flags.openssh === true;
  const context = {
    ...systemTargetContext(process.env, signal),
    ...(openssh && { dialler: 'openssh' as const }),
  };
  const askPassphrase = async (prompt: string): Promise<typeof secrets.passphrase> =>
    secrets.passphrase ?? askSecret(prompt);
  const common = { knownHosts: flags.knownHosts ?? null, askPassword: askSecret, askPassphrase };
  const resolve = async (
    options: Omit<TargetOptions, 'knownHosts' | 'askPassword' | 'askPassphrase'>,
  ): Promise<SshWay> => {
    const whole = { ...options, ...common };
    const resolved = unwrap(await resolveTarget(whole, context));
    resolved.notices.forEach(notice);
    return sshWay(resolved, whole, context);
  };
  const way = await resolve({
    host: checked.host,
    port: checked.port,
    user: flags.user ?? null,
    identities: flags.identity,
    jump: checked.jump,
    password: secrets.ssh,
  });
  const { target } = way;
  const endpoint = {
    ...(await toEndpoint(way, checked.from)),
    // The OpenSSH client may have certificates and other means that nobody named here.
    ...(openssh ? {} : await credentialOf(flags.identity, target)),
  };
  const sudo = { sudoPassword: secrets.sudo, askSudoPassword: askSecret };
  const clientOptions = {
    acceptNewHostKey: flags.acceptNewHostKey,
    passphraseKnown: secrets.passphrase !== null,
    onNotice: notice,
    ...sudo,
  };
  const client = openssh ? opensshClient(clientOptions) : builtInClient(clientOptions);
  const vias: { target: SshTarget; route: Route }[] = [];
  for (const via of checked.vias) {
    const identities = flags.viaIdentity.length > 0 ? flags.viaIdentity : flags.identity;
    const to = await resolve({
      host: via.host,
      port: via.port,
      user: via.user,
      identities,
      jump: via.jump.length > 0 ? via.jump : null,
      password: secrets.via,
    });
    vias.push({ target: to.target, route: client.route(to) });
  }
  const named = inGivenOrder<Route>(flags.routeOrder ?? [], {
    via: vias.map(({ route }) => route),
    exec: flags.exec.map((command) =>
      createExecRoute({ argv: unwrap(splitCommand(command)), environment: process.env, ...sudo }),
    ),
    console: consoleRoutes(flags, secrets.sudo, notice),
    local: flags.local ? [createLocalRoute({ environment: process.env, ...sudo })] : [],
  });
  const own = named.length === 0 ? client.route(way) : null;
  const samePath = [
    ...(own === null ? [] : [own]),
    ...vias.filter((via) => takesPathOf(via.target, target)).map(({ route }) => route),
  ];
  return {
    endpoint,
    routes: own === null ? named : [own],
    // The host's own word for where we come from; only on the path that the endpoint's logins take.
    clientAddress: (route, session) =>
      checked.from === null && samePath.includes(route)
        ? (session.connection?.client ?? null)
        : null,
    isEndpoint: (route) => route === own,
    operator: (route, session) => {
      const to = route === own ? target : vias.find((via) => via.route === route)?.target;
      const from = session.connection?.client ?? null;
      // Who comes by the endpoint itself comes by its new port, too, where it gets one.
      const port = to === target ? null : to?.port;
      return to === undefined || port === undefined ? null : { user: to.user, port, from };
    },
    prober: client.prober(way),
    proofWanted: flags.host === undefined ? 'banner' : 'login',
    forgetHostKeys: forgetCommand(target, flags.knownHosts ?? null),
    meant: { name: flags.hostIs ?? null, recordedKeys: async () => recordedKeys(target) },
  };
}

function forgetCommand(target: SshTarget, file: string | null): string {
  const name = knownHostsName(hostKeyName(target));
  const words: Argv = ['ssh-keygen', '-R', name, ...(file === null ? [] : ['-f', file])];
  return quoteArgv(words);
}

async function recordedKeys(target: SshTarget): Promise<string[]> {
  const { lines } = await readKnownHosts(target.knownHostsFiles);
  return linesFor(lines, knownHostsName(hostKeyName(target)))
    .filter(({ marker }) => marker === null)
    .map(({ key }) => `${key.type} ${key.base64}`);
}

function takesPathOf(via: SshTarget, endpoint: SshTarget): boolean {
  const path = (target: SshTarget): string =>
    JSON.stringify([target.address, ...target.jump.map(({ address, port }) => [address, port])]);
  return path(via) === path(endpoint);
}

async function toEndpoint(
  { target, proxied }: ResolvedTarget,
  from: string | null,
): Promise<Endpoint> {
  const lastJump = target.jump.at(-1);
  const isDirect = lastJump === undefined && !proxied;
  const addresses = isDirect ? await addressesOf(target.address) : [];
  const [address = target.address] = addresses;
  const clients =
    lastJump === undefined ? await sourcesTowards(addresses) : await addressesOf(lastJump.address);
  const [assumed = null, ...others] = from === null ? clients.flatMap(literal) : [from];
  const family = addressFamily(assumed ?? '');
  return {
    host: target.host,
    address,
    port: target.port,
    user: target.user,
    from: assumed === null ? null : { address: assumed, assumed: from === null },
    alsoFrom: others.filter((other) => addressFamily(other) !== family),
  };
}

// With keys that were named no other key is offered, so it is known whether the host has them.
async function credentialOf(
  named: readonly string[],
  target: SshTarget,
): Promise<Pick<Endpoint, 'credential' | 'keyFingerprints'>> {
  // Where a person can be asked, a password may follow.
  if (named.length === 0 || target.password !== null || canAsk()) {
    return {};
  }
  const files = await Promise.all(target.identities.map((file) => readKeyFile(file)));
  const keys = files.map((file) => ('publicKey' in file ? file.publicKey : null));
  const known = keys.every((key) => key !== null);
  return {
    credential: 'key',
    keyFingerprints: known ? keys.flatMap((key) => (key === null ? [] : [fingerprint(key)])) : null,
  };
}

async function sourcesTowards(addresses: readonly string[]): Promise<string[]> {
  const sources = await Promise.all(addresses.map((address) => sourceAddress(address)));
  return [...new Set(sources.flatMap((source) => source ?? []))];
}

function literal(text: string): string[] {
  return [normalAddress(text) ?? []].flat();
}

// The walk asks which interface has the endpoint's address; a name that nobody resolves stays a name.
async function addressesOf(name: string): Promise<string[]> {
  const own = normalAddress(name);
  if (own !== null || name === hostname()) {
    return [own ?? name];
  }
  const found = await lookup(name, { all: true }).catch(() => []);
  return found.length === 0 ? [name] : found.map(({ address }) => address);
}

function unwrap<T>(result: Result<T, Failure>): T {
  if (!result.ok) {
    throw new RunFailure(result.error);
  }
  return result.value;
}
