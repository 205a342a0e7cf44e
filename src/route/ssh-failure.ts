import { nothingDone } from './nothing-done.ts';
import { cleanLine, cleanText } from '../core/clean.ts';
import type { Failure, FailureCode } from '../core/failure.ts';
import { quote } from '../core/quote.ts';
import { fingerprint } from '../core/fingerprint.ts';
import { knownHostsName, type HostKey, type KnownHostsLine } from './known-hosts.ts';
import type { AuthRecord } from './ssh-auth.ts';
import type { SshTarget } from './target.ts';

/** One stop of the way, for failure texts. */
export interface HopPlace {
  readonly target: SshTarget;
  /** True for a stop on the way, false for the host that is to be reached. */
  readonly isJump: boolean;
}

/** How a hop is called in texts: `web1 (10.0.0.5, port 22)` or `the jump host bastion (port 22)`. */
export function placeName({ target, isJump }: HopPlace): string {
  const where = target.address === target.host ? '' : `${target.address}, `;
  return `${isJump ? 'the jump host ' : ''}${target.host} (${where}port ${target.port})`;
}

function unreached(place: HopPlace): string {
  return place.isJump
    ? `The host was not reached: the way to it ends at ${place.target.host}. ${nothingDone}`
    : `This route is shut. ${nothingDone}`;
}

const otherWay = 'Try another route: --exec, or --via with another port or a jump host.';

interface SocketReason {
  readonly code: FailureCode;
  readonly what: (name: string) => string;
  readonly why: string;
  readonly todo: string;
}

const noAnswer: SocketReason = {
  code: 'connect-timeout',
  what: (name) => `${capital(name)} did not answer.`,
  why: 'No answer to the connection request: the host is down, or a firewall drops it.',
  todo: otherWay,
};

const socketReasons: Readonly<Record<string, SocketReason>> = {
  ENOTFOUND: {
    code: 'resolve',
    what: (name) => `The name of ${name} has no address.`,
    why: 'The resolver answered that the name does not exist.',
    todo: 'Check the name, or give an address with --via ADDRESS.',
  },
  EAI_AGAIN: {
    code: 'resolve',
    what: (name) => `The name of ${name} could not be looked up.`,
    why: 'The resolver did not answer.',
    todo: 'Check the DNS of this machine, or give an address with --via ADDRESS.',
  },
  ECONNREFUSED: {
    code: 'connection-refused',
    what: (name) => `${capital(name)} refused the connection.`,
    why: 'The host answered, and nothing accepts connections on that port, or a firewall rejects them.',
    todo: otherWay,
  },
  ECONNRESET: {
    code: 'handshake-closed',
    what: (name) => `${capital(name)} reset the connection at once.`,
    why: 'Something accepted it and ended it: the service at its limit, or a firewall or proxy on the way.',
    todo: otherWay,
  },
  ETIMEDOUT: noAnswer,
  EHOSTUNREACH: {
    code: 'no-route',
    what: (name) => `There is no way to ${name}.`,
    why: 'A router or the firewall of the host answered "no route to host".',
    todo: otherWay,
  },
  ENETUNREACH: {
    code: 'net-unreachable',
    what: (name) => `The network of ${name} is unreachable from here.`,
    why: 'This machine, or a router, has no route to that network.',
    todo: 'Check the network of this machine: VPN, default route, IPv6.',
  },
};

const refusedHere: SocketReason = {
  code: 'net-unreachable',
  what: (name) => `This machine did not let us connect to ${name}.`,
  why: 'The local system forbade the connection, most likely by its own firewall.',
  todo: 'Check the firewall of this machine for outgoing connections.',
};

/** The failure for a connection that was not made. `code` is the system's, as `ECONNREFUSED`. */
export function socketFailure(place: HopPlace, code: string, evidence: string): Failure {
  const local = code === 'EPERM' || code === 'EACCES' || code === 'EADDRNOTAVAIL';
  const reason = local ? refusedHere : (socketReasons[code] ?? noAnswer);
  const detail = cleanLine(evidence, 200);
  return {
    code: reason.code,
    what: reason.what(placeName(place)),
    why: detail === '' ? reason.why : `${reason.why} (${detail})`,
    access: unreached(place),
    todo: reason.todo,
  };
}

// What sshd puts into the refusal of a forwarded connection is strerror(3) text of its own system.
const forwardTexts: readonly (readonly [RegExp, string])[] = [
  [/refused/i, 'ECONNREFUSED'],
  [/timed out/i, 'ETIMEDOUT'],
  [/no route|host is unreachable/i, 'EHOSTUNREACH'],
  [/network is unreachable/i, 'ENETUNREACH'],
  [/temporary failure in name/i, 'EAI_AGAIN'],
  [/name or service|not known|unknown host|nodename/i, 'ENOTFOUND'],
];

/** The failure for a connection that a jump host would not make for us. */
export function forwardFailure(place: HopPlace, jumpHost: string, text: string): Failure {
  const code = forwardTexts.find(([pattern]) => pattern.test(text))?.[1];
  const said = `The jump host ${jumpHost} said: ${cleanLine(text, 200)}`;
  if (code !== undefined) {
    const failure = socketFailure(place, code, '');
    return { ...failure, why: `Seen from the jump host ${jumpHost}: ${failure.why} ${said}` };
  }
  return {
    code: 'no-route',
    what: `The jump host ${jumpHost} did not connect us to ${placeName(place)}.`,
    why: said,
    access: unreached(place),
    todo: 'Forwarding may be switched off there (AllowTcpForwarding, PermitOpen). Use another jump host or route.',
  };
}

/** The failure for a connection that ended before or while both sides agreed on keys. */
export function closedFailure(
  place: HopPlace,
  seen: { readonly ident: string | null; readonly line: string; readonly why: string },
): Failure {
  const line = cleanLine(seen.line, 200);
  const name = capital(placeName(place));
  const why =
    line !== ''
      ? `It said: ${line}`
      : seen.ident === null
        ? `It accepted the connection and closed it without a word. ${seen.why}`
        : `It calls itself ${cleanLine(seen.ident, 80)}. ${seen.why}`;
  return {
    code: 'handshake-closed',
    what: `${name} closed the connection before the login.`,
    why: why.trim(),
    access: unreached(place),
    todo:
      line !== '' && /MaxStartups|not allowed at this time/i.test(line)
        ? 'The server turns clients away for now. Wait ten minutes before the next try, or use another route.'
        : otherWay,
  };
}

/** The failure for a server that accepted the connection and then went silent. */
export function silentFailure(place: HopPlace, seconds: number, ident: string | null): Failure {
  return {
    code: 'handshake-timeout',
    what: `${capital(placeName(place))} accepted the connection and then went silent.`,
    why:
      ident === null
        ? `It did not say what it is within ${seconds} s.`
        : `It called itself ${cleanLine(ident, 80)} and did not finish the key exchange within ${seconds} s.`,
    access: unreached(place),
    todo: otherWay,
  };
}

/** The failure for two sides without a common algorithm, or a broken key exchange. */
export function negotiationFailure(place: HopPlace, text: string): Failure {
  return {
    code: 'negotiation',
    what: `No common language was found with ${placeName(place)}.`,
    why: cleanLine(text, 300),
    access: unreached(place),
    todo: 'The OpenSSH client of this machine knows more algorithms: add --openssh.',
  };
}

const compareOnConsole = 'for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$f"; done';

/** The failure for a key that no known_hosts file has. */
export function unknownKeyFailure(place: HopPlace, key: HostKey, certAuthority: boolean): Failure {
  const ca = certAuthority
    ? ' A certificate authority is trusted for this name, but this route cannot check certificates; the OpenSSH client can.'
    : '';
  return {
    code: 'host-key-unknown',
    what: `The host key of ${placeName(place)} is not known here.`,
    why: `It showed ${key.type} ${fingerprint(key)}; no known_hosts file has a key for ${lookupName(place)}.${ca}`,
    access: `No login was tried. ${nothingDone}`,
    todo: certAuthority
      ? 'Let the OpenSSH client of this machine log in: add --openssh.'
      : `Compare the fingerprint on a console of the host:\n${compareOnConsole}\nIf it is the same, add --accept-new-host-key.`,
  };
}

/** The failure for a name that is recorded with another key. Such a key is never accepted. */
export function changedKeyFailure(
  place: HopPlace,
  key: HostKey,
  recorded: KnownHostsLine,
): Failure {
  const name = lookupName(place);
  return {
    code: 'host-key-changed',
    what: `The host key of ${placeName(place)} is not the one that is recorded.`,
    why:
      `It showed ${key.type} ${fingerprint(key)}; ${recorded.file}:${recorded.line} has ` +
      `${cleanLine(recorded.key.type, 60)} ${fingerprint(recorded.key)}. The host was set up anew, or somebody stands in between.`,
    access: `No login was tried and no password was sent. ${nothingDone}`,
    todo:
      `Compare the fingerprint on a console of the host:\n${compareOnConsole}\n` +
      `Only if it is the new one, forget the old key:\nssh-keygen -R ${quote(name)} -f ${quote(recorded.file)}`,
  };
}

/** The failure for a key that a known_hosts line marks as revoked. */
export function revokedKeyFailure(
  place: HopPlace,
  key: HostKey,
  recorded: KnownHostsLine,
): Failure {
  return {
    code: 'host-key-revoked',
    what: `The host key of ${placeName(place)} is revoked.`,
    why: `${recorded.file}:${recorded.line} marks ${key.type} ${fingerprint(key)} as revoked.`,
    access: `No login was tried and no password was sent. ${nothingDone}`,
    todo: 'Do not log in. Ask whoever keeps the host keys; use a console until the host has a new key.',
  };
}

function lookupName({ target }: HopPlace): string {
  return knownHostsName(hostKeyName(target));
}

/** The name a target's key is looked up by. */
export function hostKeyName(target: SshTarget): { name: string; port: number; isAlias: boolean } {
  return { name: target.name, port: target.port, isAlias: target.hostKeyAlias !== null };
}

/** The failure for a login that was refused: all that was offered, and what the server would take. */
export function authFailure(place: HopPlace, record: AuthRecord, said: string): Failure {
  const { target } = place;
  const user = `${target.user} on ${placeName(place)}`;
  const offered =
    record.offered.length === 0
      ? 'Nothing could be offered.'
      : `Offered: ${record.offered.join(', ')}.`;
  const methods =
    record.methods.length === 0
      ? ''
      : ` The server takes: ${record.methods.map((one) => cleanLine(one, 40)).join(', ')}.`;
  const notes = record.notes.length === 0 ? '' : ` ${record.notes.join(' ')}`;
  const words = cleanText(said).trim() === '' ? '' : ` It said: ${cleanLine(said, 300)}.`;
  const why = cleanLine(`${offered}${methods}${notes}${words}`, 2000);
  if (record.unusable !== null) {
    const { file, why: fault, todo } = record.unusable;
    return {
      code: 'key-unusable',
      what: `The key file ${cleanLine(file, 200)} ${fault}.`,
      why,
      access: `The login as ${user} was refused. ${nothingDone}`,
      todo: cleanText(todo),
    };
  }
  return {
    code: 'auth-failed',
    what: `The login as ${user} was refused.`,
    why,
    access: `The SSH service answers, but does not let us in. ${nothingDone}`,
    todo: `Name the right user and key (--user, --identity), or use another route.${opensshHint(record)}`,
  };
}

// What was there and could not be used may be what the host wants.
function opensshHint({ methods, notes }: AuthRecord): string {
  const missed = notes.some((note) => note.includes('--openssh') || note.includes('(sk)'));
  return missed || methods.some((method) => /^(?:gssapi|hostbased)/.test(method))
    ? ' Certificates, security keys (FIDO) and Kerberos work with the OpenSSH client of this machine: add --openssh.'
    : '';
}

/** The failure for a login that took too long, questions to a person not counted. */
export function authTimeoutFailure(place: HopPlace, record: AuthRecord, seconds: number): Failure {
  const failure = authFailure(place, { ...record, unusable: null }, '');
  return {
    ...failure,
    code: 'handshake-timeout',
    what: `The login as ${place.target.user} on ${placeName(place)} was not answered within ${seconds} s.`,
    access: `The SSH service answers, but the login hangs. ${nothingDone}`,
    todo: 'The host may be slow to look up names or users (UseDNS, PAM, LDAP). Try again, or use another route.',
  };
}

/** The failure for a connection that was made and then broke, or a channel that was not opened. */
export function lostFailure(name: string, why: string): Failure {
  return {
    code: 'connection-lost',
    what: `The connection to ${name} was lost.`,
    why: cleanLine(why, 300),
    access: nothingDone,
    todo: 'Run the same command again. If it breaks again, use another route.',
  };
}

/** The failure for a run that the user ended. */
export function interruptedFailure(): Failure {
  return {
    code: 'interrupted',
    what: 'The run was stopped.',
    why: 'It was asked to stop.',
    access: nothingDone,
    todo: 'Run the same command again when you are ready.',
  };
}

// A sentence begins with a capital, but the name of a host is not ours to change.
function capital(text: string): string {
  return text.startsWith('the jump host ') ? `T${text.slice(1)}` : text;
}
