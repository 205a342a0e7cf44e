import { cleanLine } from '../core/clean.ts';

/**
 * How far a login came and what was said, read from the log of the OpenSSH client at DEBUG1. The log is
 * no stable interface: what is not found in it is unknown, and nothing but texts hangs on it where a
 * login was made.
 */
export interface OpensshLog {
  /** `listener`: the connection was accepted; `banner`: an SSH service said what it is. */
  readonly reached: 'none' | 'listener' | 'banner';
  /** As `SSH-2.0-OpenSSH_9.2`; cleaned. */
  readonly ident: string | null;
  /** Of the key that the host showed: `ssh-ed25519 SHA256:…`. */
  readonly hostKey: string | null;
  /** True after the key exchange: what follows is the login. */
  readonly keysAgreed: boolean;
  /** The method that let us in, as `publickey`; null where there was no login. */
  readonly loginBy: string | null;
  /** The keys that were offered, as `key SHA256:… (file)`. */
  readonly offered: readonly string[];
  /** The key the server said it would take last, in the same form. */
  readonly accepted: string | null;
  /** The methods the server last said it would take. */
  readonly methods: readonly string[];
  /** What the client said that is no debug text, cleaned, in order. */
  readonly lines: readonly string[];
  /** What the server said before it said what it is. */
  readonly refusal: string;
}

/** Reads a log. */
export function readOpensshLog(text: string): OpensshLog {
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  const all = (pattern: RegExp): RegExpExecArray[] =>
    lines.map((line) => pattern.exec(line)).filter((match) => match !== null);
  const last = (pattern: RegExp): RegExpExecArray | null => all(pattern).at(-1) ?? null;
  const version = last(/^debug1: Remote protocol version ([\d.]+), remote software version (.*)$/);
  const isOpen = last(/^debug1: Connection established\.$/) !== null;
  const [, keyType, print] = last(/^debug1: Server host key: (\S+) (\S+)/) ?? [];
  const login =
    last(/^Authenticated to .* using "([a-z0-9-]+)"/) ??
    last(/^debug1: Authentication succeeded \(([a-z0-9-]+)\)/);
  const offered = all(/^debug1: Offering public key: (.*)$/).map((match) =>
    keyName(match[1] ?? ''),
  );
  const accepted = last(/^debug1: Server accepts key: (.*)$/);
  return {
    reached: version !== null ? 'banner' : isOpen ? 'listener' : 'none',
    ident: version === null ? null : cleanLine(`SSH-${version[1] ?? ''}-${version[2] ?? ''}`, 100),
    hostKey: keyType === undefined ? null : cleanLine(`${keyType} ${print ?? ''}`, 120),
    keysAgreed: last(/^debug1: SSH2_MSG_NEWKEYS received/) !== null,
    loginBy: login?.[1] ?? null,
    offered: [...new Set(offered)],
    accepted: accepted === null ? null : keyName(accepted[1] ?? ''),
    methods: (last(/^debug1: Authentications that can continue: (.*)$/)?.[1] ?? '')
      .split(',')
      .map((method) => cleanLine(method, 40))
      .filter((method) => method !== ''),
    lines: lines.filter((line) => !isDebug(line)).map((line) => cleanLine(line, 300)),
    refusal: all(/^debug1: kex_exchange_identification: banner line \d+: (.*)$/)
      .map((match) => match[1] ?? '')
      .join(' '),
  };
}

function isDebug(line: string): boolean {
  return (
    /^debug\d: /.test(line) ||
    /^(Transferred: |Bytes per second: |Authenticated to |@|IT IS POSSIBLE|Someone could be)/.test(
      line,
    )
  );
}

// `/home/a/.ssh/id ED25519-CERT SHA256:… explicit agent`: the file or the comment comes first.
function keyName(text: string): string {
  const [, file, type, print] = /^(.*) (\S+) (SHA256:\S+)/.exec(text) ?? [];
  if (file === undefined || type === undefined || print === undefined) {
    return cleanLine(`key ${text}`, 200);
  }
  const kind = type.endsWith('-CERT') ? 'certificate' : 'key';
  return cleanLine(`${kind} ${print} (${file})`, 300);
}
