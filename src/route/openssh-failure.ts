import { cleanLine } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import { quote } from '../core/quote.ts';
import { nothingDone } from './nothing-done.ts';
import { readOpensshLog, type OpensshLog } from './openssh-log.ts';
import {
  closedFailure,
  forwardFailure,
  lostFailure,
  placeName,
  silentFailure,
  socketFailure,
  type HopPlace,
} from './ssh-failure.ts';
import type { SshTarget } from './target.ts';

/** What a login that was not made left behind. Nothing of it is cleaned. */
export interface OpensshEnd {
  /** The client's own log. */
  readonly log: string;
  /** Standard error: the client before its log began, the clients of the jump hosts, the proxy command. */
  readonly said: string;
  /** About the questions that were asked, one sentence each. */
  readonly notes: readonly string[];
  /** Seconds after which the login was ended from here; null where it ended by itself. */
  readonly timedOut: number | null;
  /** How long the client itself waits for a connection and for a first word. */
  readonly connectSeconds: number;
}

type Reader = (place: HopPlace, seen: Seen) => Failure | null;

interface Seen {
  /** The text to read: the log without its debug lines, or standard error. */
  readonly text: string;
  readonly log: OpensshLog;
  readonly notes: readonly string[];
  readonly connectSeconds: number;
  readonly timedOut: number | null;
}

/** The failure for a login that the OpenSSH client did not make, in the words of the ssh route. */
export function opensshFailure(target: SshTarget, end: OpensshEnd): Failure {
  const log = readOpensshLog(end.log);
  const own = { target, isJump: false };
  const { notes, connectSeconds, timedOut } = end;
  const seen = { text: log.lines.join('\n'), log, notes, connectSeconds, timedOut };
  if (log.reached === 'none' || log.ident === null) {
    const onTheWay = wayFailure(target, { ...seen, text: end.said });
    if (onTheWay !== null) {
      return onTheWay;
    }
  }
  for (const reader of readers) {
    const failure = reader(own, seen);
    if (failure !== null) {
      return failure;
    }
  }
  return otherFailure(own, end, log);
}

/** The failure for a client that is not there or does not start. */
export function noClientFailure(client: string, code: string): Failure {
  return {
    code: 'exec-failed',
    what: `The OpenSSH client ${cleanLine(client, 120)} could not be started.`,
    why: code === 'ENOENT' ? 'There is no such command on this machine.' : cleanLine(code, 200),
    access: `The host was not reached. ${nothingDone}`,
    todo: 'Install the OpenSSH client on this machine, or leave out --openssh.',
  };
}

/** The failure for a value that the client cannot be given; `why` is one clause. */
export function unusableValueFailure(why: string): Failure {
  return {
    code: 'invalid-host',
    what: 'The OpenSSH client cannot be called with these files.',
    why: cleanLine(why, 300),
    access: `The host was not reached. ${nothingDone}`,
    todo: 'Give the file another name, or leave out --openssh.',
  };
}

/** Why a connection was lost, in one clause, as far as the client says. */
export function lostBecause(log: string, code: string): string {
  const lines = readOpensshLog(log).lines.filter((line) =>
    /not responding|closed by|Connection reset|Broken pipe|Connection to|disconnect/i.test(line),
  );
  return lines.at(-1) ?? `the OpenSSH client ended ${code}`;
}

// A jump host's own client speaks on standard error, and names itself.
function wayFailure(target: SshTarget, seen: Seen): Failure | null {
  const forwarded = /^channel \d+: open failed: (?:[a-z ]+: )?(.*)$/m.exec(seen.text);
  const lastJump = target.jump.at(-1);
  if (forwarded !== null && lastJump !== undefined) {
    return forwardFailure({ target, isJump: false }, lastJump.host, forwarded[1] ?? '');
  }
  const jump = target.jump.find((hop) => names(hop).some((name) => seen.text.includes(name)));
  const place = { target: jump ?? lastJump ?? target, isJump: (jump ?? lastJump) !== undefined };
  const blank = readOpensshLog('');
  for (const reader of readers) {
    const failure = reader(place, { ...seen, log: blank });
    if (failure !== null) {
      return failure;
    }
  }
  return null;
}

function names(hop: SshTarget): string[] {
  return [`@${hop.host}:`, `@${hop.address}:`, ` ${hop.host} port`, ` ${hop.address} port`].concat(
    hop.port === 22 ? [` ${hop.name} `] : [`[${hop.name}]:${hop.port}`],
  );
}

const changedKey: Reader = (place, { text, log }) => {
  if (!/Host key for .* has changed and you have requested strict checking/.test(text)) {
    return null;
  }
  const shown = log.hostKey ?? /^(SHA256:\S+?)\.?$/m.exec(text)?.[1] ?? 'another one';
  const [, type = '', where = ''] = /^Offending (.*?)key in (.*)$/m.exec(text) ?? [];
  const [, file = '', line = ''] = /^(.*):(\d+)$/.exec(where) ?? [];
  const forget = /^\s*(ssh-keygen -f .* -R .*)$/m.exec(text)?.[1];
  return {
    code: 'host-key-changed',
    what: `The host key of ${placeName(place)} is not the one that is recorded.`,
    why:
      `It showed ${shown}; ${cleanLine(where, 300)} has another ${type}key. ` +
      'The host was set up anew, or somebody stands in between.',
    access: `No login was tried and no password was sent. ${nothingDone}`,
    todo:
      `Compare the fingerprint on a console of the host:\n${compareOnConsole}\n` +
      (forget === undefined
        ? `Only if it is the new one, take the old key out of ${file === '' ? 'known_hosts' : `${quote(file)}, line ${line}`}.`
        : `Only if it is the new one, forget the old key:\n${cleanLine(forget, 400)}`),
  };
};

const compareOnConsole = 'for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$f"; done';

const revokedKey: Reader = (place, { text, log }) => {
  const found =
    /^.*(?:marked as revoked|revoked by file|in revoked keys file|was revoked).*$/m.exec(text);
  return found === null
    ? null
    : {
        code: 'host-key-revoked',
        what: `The host key of ${placeName(place)} is revoked.`,
        why: `${log.hostKey === null ? '' : `It showed ${log.hostKey}. `}${cleanLine(found[0], 300)}`,
        access: `No login was tried and no password was sent. ${nothingDone}`,
        todo: 'Do not log in. Ask whoever keeps the host keys; use a console until the host has a new key.',
      };
};

const unknownKey: Reader = (place, { text, log }) => {
  if (!/^No .* host key is known for|^Host key verification failed/m.test(text)) {
    return null;
  }
  const lines = text.split('\n').filter((line) => /certificate|host key is known/i.test(line));
  return {
    code: 'host-key-unknown',
    what: `The host key of ${placeName(place)} is not known here.`,
    why: `${log.hostKey === null ? '' : `It showed ${log.hostKey}. `}${cleanLine(lines.join(' '), 500)}`,
    access: `No login was tried. ${nothingDone}`,
    todo: `Compare the fingerprint on a console of the host:\n${compareOnConsole}\nIf it is the same, add --accept-new-host-key.`,
  };
};

const refusedLogin: Reader = (place, { text, log, notes, timedOut }) => {
  const denied = /^.*Permission denied \(.*$|^.*Too many authentication failures.*$/m.exec(text);
  const closedInLogin = log.keysAgreed && log.loginBy === null && timedOut === null;
  if (denied === null && !closedInLogin) {
    return null;
  }
  const { target } = place;
  const open = /^Permissions .* for '(.*)' are too open\.$/m.exec(text)?.[1];
  const offered = log.offered.length === 0 ? '' : `Offered: ${[...log.offered].join(', ')}. `;
  const methods = log.methods.length === 0 ? '' : ` The server takes: ${log.methods.join(', ')}.`;
  const said = text.split('\n').filter((line) => !/^(?:@+|\s*)$/.test(line));
  const why = cleanLine(`${offered}${[...notes, ...said].join(' ')}${methods}`, 2000);
  if (open !== undefined) {
    return {
      code: 'key-unusable',
      what: `The key file ${cleanLine(open, 200)} can be read by others, so the client does not use it.`,
      why,
      access: `The login as ${target.user} on ${placeName(place)} was refused. ${nothingDone}`,
      todo: `chmod 600 ${quote(open)}`,
    };
  }
  return {
    code: 'auth-failed',
    what: `The login as ${target.user} on ${placeName(place)} was refused.`,
    why,
    access: `The SSH service answers, but does not let us in. ${nothingDone}`,
    todo: 'Name the right user and key (--user, --identity), or use another route.',
  };
};

const errorCodes: readonly (readonly [RegExp, string])[] = [
  [/Connection refused/, 'ECONNREFUSED'],
  [/timed out/, 'ETIMEDOUT'],
  [/No route to host|Host is down/, 'EHOSTUNREACH'],
  [/Network is unreachable/, 'ENETUNREACH'],
  [/Permission denied|Operation not permitted/, 'EPERM'],
];

const noConnection: Reader = (place, { text }) => {
  const name = /^ssh: Could not resolve hostname .*$/m.exec(text);
  if (name !== null) {
    const code = /Temporary failure/.test(name[0]) ? 'EAI_AGAIN' : 'ENOTFOUND';
    return socketFailure(place, code, name[0]);
  }
  const connect = /^ssh: connect to host .* port \d+: (.*)$/m.exec(text);
  const code = errorCodes.find(([pattern]) => pattern.test(connect?.[1] ?? ''))?.[1];
  return connect === null ? null : socketFailure(place, code ?? '', connect[1] ?? '');
};

const noCommonAlgorithm: Reader = (place, { text }) => {
  const found = /^Unable to negotiate with .*$/m.exec(text);
  return found === null
    ? null
    : {
        code: 'negotiation',
        what: `No common language was found with ${placeName(place)}.`,
        why: cleanLine(found[0], 600),
        access: `This route is shut. ${nothingDone}`,
        todo: 'Allow one of the algorithms that the server offers in ~/.ssh/config, or use another route.',
      };
};

const nothingBehindJump: Reader = (place, { text, log, connectSeconds }) => {
  const jump = place.target.jump.at(-1);
  if (jump === undefined || log.reached !== 'none' || !/during banner exchange/.test(text)) {
    return null;
  }
  return {
    ...socketFailure(place, 'ETIMEDOUT', ''),
    why: `Nothing came through the jump host ${jump.host} within ${connectSeconds} s: the host is down, a firewall drops our packets, or its SSH service says nothing.`,
  };
};

const closedEarly: Reader = (place, { text, log, connectSeconds }) => {
  if (log.reached === 'none' && !place.isJump) {
    // A proxy command, or the client of a jump host, ended: the host itself said nothing.
    return null;
  }
  if (/during banner exchange|^Connection to .* timed out/m.test(text)) {
    return silentFailure(place, connectSeconds, log.ident);
  }
  const found =
    /^.*(?:kex_exchange_identification|banner exchange|ssh_exchange_identification): .*$|^Connection (?:closed|reset) by .*$/m.exec(
      text,
    );
  return found === null
    ? null
    : closedFailure(place, { ident: log.ident, line: log.refusal, why: cleanLine(found[0], 300) });
};

const badConfiguration: Reader = (place, { text }) => {
  const found =
    /^.*(?:Bad configuration option|Bad owner or permissions|terminating, \d+ bad).*$/m.exec(text);
  return found === null
    ? null
    : {
        code: 'invalid-host',
        what: `The OpenSSH client does not take the configuration for ${place.target.host}.`,
        why: cleanLine(text, 600),
        access: `The host was not reached. ${nothingDone}`,
        todo: `See what the client makes of it:\nssh -G -- ${place.target.host}`,
      };
};

const readers: readonly Reader[] = [
  badConfiguration,
  changedKey,
  revokedKey,
  unknownKey,
  noConnection,
  noCommonAlgorithm,
  refusedLogin,
  nothingBehindJump,
  closedEarly,
];

function otherFailure(place: HopPlace, end: OpensshEnd, log: OpensshLog): Failure {
  const words = cleanLine([...log.lines, end.said].join(' ').slice(-2000), 600);
  if (end.timedOut !== null) {
    const failure = silentFailure(place, end.timedOut, log.ident);
    return log.keysAgreed
      ? {
          ...failure,
          what: `The login as ${place.target.user} on ${placeName(place)} was not answered within ${end.timedOut} s.`,
          why: words,
        }
      : failure;
  }
  return { ...lostFailure(placeName(place), words), code: 'no-route' };
}
