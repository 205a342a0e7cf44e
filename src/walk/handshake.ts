import type { Observed } from '../facts/fact.ts';
import type { HostKeys } from '../facts/host-keys.ts';
import { isSince } from '../facts/sshd-words.ts';
import type { Sshd } from '../facts/sshd.ts';
import type { TcpWrappers } from '../facts/tcp-wrappers.ts';
import { joinFindings, passes, stops, unsure, type Finding, type Link } from './link.ts';
import { ask, type Login } from './login.ts';
import { walkTcpWrappers } from './tcp-wrappers.ts';

/** What the handshake layer looks at besides the login. */
export interface HandshakeFacts {
  readonly wrappers: Observed<TcpWrappers>;
  readonly hostKeys: Observed<HostKeys>;
  readonly sshd: Observed<Sshd>;
  /** True where sshd starts anew for each connection, or reads its configuration before the next one. */
  readonly startsAnew: boolean;
  /** True where a socket unit starts sshd: its folder comes and goes with it. */
  readonly bySocket: boolean;
}

/** The handshake layer: does sshd talk to this client, and has it what it needs to? */
export function walkHandshake(
  login: Login,
  facts: HandshakeFacts,
  destination: string | null,
): Link {
  const wrappers = walkTcpWrappers(facts.wrappers, {
    address: login.endpoint.from?.address ?? null,
    destination,
  });
  return joinFindings('handshake', [
    ...(facts.startsAnew ? [judgeStart(facts.sshd)] : []),
    ...judgePrivileges(login, facts),
    judgeHostKeys(login, facts),
    ...(wrappers === null ? [] : [wrappers]),
    ...judgeMaxStartups(login),
    passes('sshd has keys and a folder of its own, and no rule refuses the client'),
  ]);
}

// A configuration that sshd refuses ends it. A planned one is tested before it goes live.
function judgeStart(sshd: Observed<Sshd>): Finding {
  if (!sshd.known) {
    return passes('the configuration is tested before sshd reads it');
  }
  return sshd.value.valid ? passes('sshd -t') : stops(`sshd -t: ${sshd.value.problem}`);
}

function judgePrivileges(login: Login, facts: HandshakeFacts): Finding[] {
  const { accounts, daemon } = login;
  if (!daemon.known) {
    return [unsure(daemon.because)];
  }
  const folder = daemon.value.privilegeFolder;
  const found: Finding[] = [];
  if (folder?.state === 'missing' && !facts.bySocket) {
    found.push(stops(`${folder.path}, the folder sshd shuts itself into, is not there`));
  }
  if (folder?.state === 'unsafe') {
    found.push(atStart(login, `${folder.path} must be root's and writable by nobody else`, []));
  }
  // The name is built in; all distributions say sshd.
  if (
    accounts.known &&
    accounts.value.incomplete === null &&
    !accounts.value.accounts.some(({ name }) => name === 'sshd')
  ) {
    found.push(stops('the account sshd, as which sshd talks to strangers, is not there'));
  }
  return found;
}

function judgeHostKeys(login: Login, facts: HandshakeFacts): Finding {
  const { hostKeys } = facts;
  if (!hostKeys.known) {
    return unsure(hostKeys.because);
  }
  const open = login.daemon.known ? login.daemon.value.openHostKeys : [];
  const usable = hostKeys.value.keys.filter(
    ({ path, state }) => state === 'ok' && !open.includes(path),
  );
  const shown = hostKeys.value.keys.map(({ path, state }) =>
    open.includes(path) ? `${path}: others may read it` : `${path}: ${state}`,
  );
  return usable.length > 0
    ? passes(`host key ${usable[0]?.path ?? ''}`, shown)
    : atStart(login, 'sshd has no host key that it can use', shown);
}

// Since OpenSSH 10.0 the listener looks once, when it starts, and hands on what it found; before 9.8 the
// process of each connection looks anew.
function atStart(login: Login, by: string, evidence: readonly string[]): Finding {
  const version = login.config.known ? login.config.value.version : null;
  const runs = login.daemon.known && login.daemon.value.changedSince !== null;
  if (login.view === 'reloaded' || !runs || (version !== null && !isSince(version, 9, 8))) {
    return stops(by, evidence);
  }
  return version !== null && isSince(version, 10, 0)
    ? passes(`${by}, which only counts when it starts again`, evidence)
    : unsure(`${by}; whether this version of sshd looks again is not known`, evidence);
}

function judgeMaxStartups(login: Login): Finding[] {
  const asked = ask(login, 'MaxStartups');
  const [start = ''] = asked.known ? (asked.values[0] ?? '').split(':') : [];
  return start === '0' ? [stops('MaxStartups 0 lets no connection in')] : [];
}
