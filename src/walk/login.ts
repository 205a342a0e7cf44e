import type { Endpoint } from '../core/endpoint.ts';
import { accountRequest, accountsRequest, type Account, type Accounts } from '../facts/accounts.ts';
import {
  known,
  request,
  unknown,
  type FactRequest,
  type FactSet,
  type Observed,
} from '../facts/fact.ts';

import { loginFilesFact } from '../facts/login-files.ts';
import { loginPathRequest, loginPathsRequest, type LoginPaths } from '../facts/login-path.ts';
import { pamRequest, type Pam } from '../facts/pam.ts';
import { configLines } from '../facts/sshd-config-lines.ts';
import { sshdConfigRequest, type SshdConfig } from '../facts/sshd-config.ts';
import { sshdDaemonRequest, type SshdDaemon } from '../facts/sshd-daemon.ts';
import { describeSetBy, effective, type Effective, type Setting } from '../facts/sshd-effective.ts';
import type { SshClient } from '../facts/sshd-match.ts';
import { unsure, type Finding } from './link.ts';

/**
 * What the walk looks at: the daemon as it runs, with the configuration it has read, or as it will be
 * once it has read its configuration anew.
 */
export type View = 'now' | 'reloaded';

/** One login, and all that is known of its account and of sshd's answer to it. */
export interface Login {
  readonly endpoint: Endpoint;
  readonly view: View;
  readonly account: Observed<Account | null>;
  readonly accounts: Observed<Accounts>;
  readonly config: Observed<SshdConfig>;
  /** sshd's configuration as this login meets it; unknown where the configuration is. */
  readonly settings: Observed<{ readonly of: Effective; readonly client: SshClient }>;
  readonly paths: Observed<LoginPaths>;
  readonly pam: Observed<Pam>;
  readonly daemon: Observed<SshdDaemon>;
}

/** The facts about one account and sshd's answer to it. */
export function loginRequests(endpoint: Endpoint): FactRequest[] {
  return [
    accountsRequest,
    accountRequest(endpoint.user),
    sshdConfigRequest,
    loginPathsRequest,
    loginPathRequest(endpoint.user),
    pamRequest,
    sshdDaemonRequest,
  ];
}

/** Puts together what the facts say about one login. */
export function readLogin(
  facts: FactSet,
  endpoint: Endpoint,
  destination: string | null,
  view: View,
): Login {
  const accounts = facts.get(accountsRequest);
  const account = findAccount(facts, endpoint.user);
  const config = facts.get(sshdConfigRequest);
  return {
    endpoint,
    view,
    account,
    accounts,
    config,
    settings: settingsFor(config, account, endpoint, destination),
    paths: findPaths(facts, endpoint.user),
    pam: facts.get(pamRequest),
    daemon: facts.get(sshdDaemonRequest),
  };
}

// The list says what planned changes leave; what was asked for by name adds groups that the list
// cannot know, and accounts that are not in it.
function findAccount(facts: FactSet, user: string): Observed<Account | null> {
  const listed = facts.get(accountsRequest);
  const own = facts.get(accountRequest(user));
  const inList = listed.known ? listed.value.accounts.find(({ name }) => name === user) : undefined;
  if (inList !== undefined) {
    const groups = inList.groups ?? (own.known ? (own.value?.groups ?? null) : null);
    return known({ ...inList, groups });
  }
  if (own.known) {
    return own;
  }
  return listed.known && listed.value.incomplete === null
    ? known(null)
    : unknown(
        listed.known
          ? `the account ${user} is not in /etc/passwd, and ${listed.value.incomplete ?? ''}`
          : listed.because,
      );
}

// What a planned change leaves of home, .ssh and authorized_keys stands in `login-files`.
function findPaths(facts: FactSet, user: string): Observed<LoginPaths> {
  const all = facts.get(loginPathsRequest);
  if (!all.known) {
    return all;
  }
  const own = facts.get(loginPathRequest(user));
  const planned = facts.get(request(loginFilesFact, user));
  const entries = { ...all.value.entries, ...(own.known ? own.value.entries : {}) };
  for (const file of planned.known ? planned.value.entries : []) {
    const seen = entries[file.path];
    if (seen !== undefined && file.type === seen.type) {
      entries[file.path] = {
        ...seen,
        uid: file.identity.uid,
        gid: file.identity.gid,
        mode: Number.parseInt(file.identity.mode, 8),
      };
    }
  }
  return known({
    ...all.value,
    entries,
    real: { ...all.value.real, ...(own.known ? own.value.real : {}) },
    shut: [...all.value.shut, ...(own.known ? own.value.shut : [])],
    keys: { ...all.value.keys, ...(own.known ? own.value.keys : {}) },
  });
}

function settingsFor(
  config: Observed<SshdConfig>,
  account: Observed<Account | null>,
  endpoint: Endpoint,
  destination: string | null,
): Login['settings'] {
  if (!config.known) {
    return config;
  }
  if (endpoint.from === null && asksForAddress(config.value)) {
    return unknown(
      "sshd's configuration asks for the client's address, and nobody knows it; give --from",
    );
  }
  const client: SshClient = {
    user: endpoint.user,
    groups: account.known ? (account.value?.groups ?? null) : null,
    address: endpoint.from?.address ?? '0.0.0.0',
    ...(destination === null ? {} : { localAddress: destination }),
    localPort: endpoint.port,
  };
  return known({ of: effective(config.value, client), client });
}

function asksForAddress(config: SshdConfig): boolean {
  return configLines(config).some(({ keyword, args }) =>
    keyword === 'match'
      ? args.some((word) => /^(?:address|host)(?:=|$)/i.test(word))
      : keyword.endsWith('users') && args.some((word) => word.includes('@')),
  );
}

/** One option for this login: its words and where they are set, or why that is not known. */
export type Asked =
  | { readonly known: true; readonly values: readonly string[]; readonly by: string }
  | { readonly known: false; readonly finding: Finding };

/** Looks up an option. */
export function ask(login: Login, keyword: string): Asked {
  if (!login.settings.known) {
    return { known: false, finding: unsure(login.settings.because) };
  }
  const setting: Setting = login.settings.value.of.get(keyword);
  return 'unknown' in setting
    ? { known: false, finding: unsure(setting.unknown) }
    : { known: true, values: setting.values, by: describeSetBy(setting.by) };
}

/** The first word of an option, in lower case; `''` where it is not known. */
export function firstWord(asked: Asked): string {
  return asked.known ? (asked.values[0] ?? '').toLowerCase() : '';
}

/** `PermitRootLogin no (/etc/ssh/sshd_config:3)`. */
export function describeSetting(name: string, asked: Asked): string {
  return asked.known ? `${name} ${asked.values.join(' ')} (${asked.by})` : name;
}

/**
 * What a finding is worth that rests on the configuration: sshd may not have read it as it stands on
 * disk now.
 */
export function asRead(login: Login, finding: Finding): Finding {
  const changed =
    login.view === 'now' && login.daemon.known ? (login.daemon.value.changedSince ?? []) : [];
  const [first] = changed;
  return first === undefined || finding.state === 'unknown'
    ? finding
    : unsure(
        `sshd has not read ${first} since it changed; once it does: ${finding.state === 'ok' ? 'let in' : 'kept out'}, ${finding.by}`,
        finding.evidence,
      );
}
