import type { Endpoint } from '../../../src/core/endpoint.ts';
import { sha256Of } from '../../../src/core/digest.ts';
import {
  accountsFact,
  accountsRequest,
  type Account,
  type Accounts,
} from '../../../src/facts/accounts.ts';
import {
  FactSet,
  known,
  request,
  type FactRequest,
  type Observed,
} from '../../../src/facts/fact.ts';
import { fail2banFact } from '../../../src/facts/fail2ban.ts';
import { hostKeysFact } from '../../../src/facts/host-keys.ts';
import { iptablesFact } from '../../../src/facts/iptables.ts';
import { listenersFact } from '../../../src/facts/listeners.ts';
import { loginPathsFact, loginPathsRequest } from '../../../src/facts/login-path.ts';
import { networkFact } from '../../../src/facts/network.ts';
import { nftFact } from '../../../src/facts/nft.ts';
import { pamFact, pamRequest, type Pam } from '../../../src/facts/pam.ts';
import { socketUnitsFact } from '../../../src/facts/socket-unit.ts';
import { sshdConfigRequest, type SshdConfig } from '../../../src/facts/sshd-config.ts';
import { sshdDaemonFact, sshdDaemonRequest } from '../../../src/facts/sshd-daemon.ts';
import { parseDaemonOptions } from '../../../src/facts/sshd-options.ts';
import { sshdFact } from '../../../src/facts/sshd.ts';
import { tcpWrappersFact } from '../../../src/facts/tcp-wrappers.ts';
import { capturedParts, capturedValue, client } from '../../facts/support/captured.ts';

const main = '/etc/ssh/sshd_config';

/** sshd's configuration as Debian ships it, with drop-ins by name. */
export function configOf(dropIns: Readonly<Record<string, string>> = {}): SshdConfig {
  const text =
    'Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n';
  const files = [
    { path: main, text },
    ...Object.entries(dropIns).map(([name, own]) => ({
      path: `/etc/ssh/sshd_config.d/${name}.conf`,
      text: own,
    })),
  ].map((file) => ({ ...file, sha256: sha256Of(file.text) }));
  return {
    main,
    files,
    includes: [
      {
        pattern: '/etc/ssh/sshd_config.d/*.conf',
        files: files
          .slice(1)
          .map(({ path }) => path)
          .toSorted(),
      },
    ],
    odd: [],
    version: { major: 9, minor: 2 },
    options: parseDaemonOptions([]),
    optionsFrom: 'running',
    defaults: null,
  };
}

/** The endpoint of the captured hosts. */
export function endpointOf(user = 'admin', more: Partial<Endpoint> = {}): Endpoint {
  return {
    host: 'web',
    address: '10.77.0.2',
    port: 22,
    user,
    from: { address: client, assumed: false },
    credential: 'key',
    ...more,
  };
}

/** A captured host, untouched, with a configuration as Debian ships it. */
export function cleanFacts(dropIns: Readonly<Record<string, string>> = {}): FactSet {
  const wanted: FactRequest[] = [
    request(iptablesFact, undefined),
    request(nftFact, undefined),
    request(listenersFact, undefined),
    request(networkFact, client),
    request(fail2banFact, undefined),
    request(hostKeysFact, undefined),
    request(sshdFact, undefined),
    request(socketUnitsFact, undefined),
    request(tcpWrappersFact, undefined),
    request(accountsFact, undefined),
    request(loginPathsFact, undefined),
    request(pamFact, undefined),
    request(sshdDaemonFact, undefined),
  ];
  const values = wanted.map((one): [string, Observed<unknown>] => [
    one.key,
    one.parse(capturedParts(one.name, 'debian12-clean')),
  ]);
  return new FactSet(new Map([...values, [sshdConfigRequest.key, known(configOf(dropIns))]]));
}

/** The same host with another configuration, as a plan leaves it. */
export function withConfig(facts: FactSet, dropIns: Readonly<Record<string, string>>): FactSet {
  return facts.with([{ key: sshdConfigRequest.key, value: configOf(dropIns) }]);
}

/** The accounts of the captured host. */
export const accounts: Accounts = capturedValue(accountsFact, undefined, 'debian12-clean');

/** One account of them, changed. */
export function accountOf(name: string, more: Partial<Account> = {}): Account {
  const found = accounts.accounts.find((account) => account.name === name);
  if (found === undefined) {
    throw new TypeError(`the captured host has no ${name}`);
  }
  return { ...found, ...more };
}

/** The same host with accounts changed or added. */
export function withAccounts(facts: FactSet, ...changed: readonly Account[]): FactSet {
  const others = accounts.accounts.filter(({ name }) => !changed.some((one) => one.name === name));
  const value: Accounts = { ...accounts, accounts: [...others, ...changed] };
  return facts.with([{ key: accountsRequest.key, value }]);
}

/** The stacks of the captured host, with lines added to sshd's. */
export function pamWith(lines: readonly string[], more: Partial<Pam> = {}): Pam {
  const pam = capturedValue(pamFact, undefined, 'debian12-clean');
  const own = pam.services['sshd'];
  if (own === null || own === undefined) {
    throw new TypeError('the captured host has no stack for sshd');
  }
  const added = lines.map((text, index) => ({ line: 100 + index, text }));
  const named = lines.flatMap((text) => text.match(/[\w./-]+\.so/g) ?? []);
  return {
    services: { ...pam.services, sshd: { ...own, lines: [...own.lines, ...added] } },
    modules: { ...pam.modules, ...Object.fromEntries(named.map((name) => [name, true])) },
    files: pam.files,
    ...more,
  };
}

export function withPam(facts: FactSet, pam: Pam): FactSet {
  return facts.with([{ key: pamRequest.key, value: pam }]);
}

export const keys = { loginPaths: loginPathsRequest.key, daemon: sshdDaemonRequest.key };
