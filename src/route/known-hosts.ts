import { createHmac, timingSafeEqual } from 'node:crypto';
import { matchPatternList } from '../facts/sshd-match.ts';

/** A public host key: its type, and the whole blob in base64 with padding. */
export interface HostKey {
  /** As `ssh-ed25519`; of an RSA key it is `ssh-rsa`, whatever signature it makes. */
  readonly type: string;
  readonly base64: string;
}

/** One usable line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHostsLine {
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  readonly marker: 'revoked' | 'cert-authority' | null;
  /** The first field: patterns with commas, or one hashed name. */
  readonly hosts: string;
  readonly key: HostKey;
}

/** Who is being looked up. */
export interface HostKeyName {
  /** The HostKeyAlias as it is, or the lower-case host name. */
  readonly name: string;
  readonly port: number;
  /** True where `name` is a HostKeyAlias: no port is added then. */
  readonly isAlias: boolean;
}

/** What the files say about a key that a host showed. */
export type HostKeyDecision =
  | { readonly type: 'ok' }
  /** `certAuthority`: the name is known by a certificate authority only, which needs OpenSSH. */
  | { readonly type: 'unknown'; readonly certAuthority: boolean }
  | { readonly type: 'changed'; readonly recorded: KnownHostsLine }
  | { readonly type: 'revoked'; readonly recorded: KnownHostsLine };

const lineShape = /^[ \t]*(?:(@[^ \t]+)[ \t]+)?([^ \t@#][^ \t]*)[ \t]+([^ \t]+)[ \t]+([^ \t]+)/;
const saltBytes = 20;

/** Parses one known_hosts file. A bad line is skipped, as OpenSSH does, never an error. */
export function parseKnownHosts(text: string, file: string): KnownHostsLine[] {
  return text.split('\n').flatMap((content, index) => {
    const parsed = parseLine(content.replace(/\r$/, ''));
    return parsed === null ? [] : [{ file, line: index + 1, ...parsed }];
  });
}

function parseLine(content: string): Omit<KnownHostsLine, 'file' | 'line'> | null {
  const match = lineShape.exec(content);
  if (match === null) {
    return null;
  }
  const [, mark, hosts = '', type = '', base64 = ''] = match;
  const marker = mark === undefined ? null : mark.slice(1);
  if (marker !== null && marker !== 'revoked' && marker !== 'cert-authority') {
    return null;
  }
  const blob = Buffer.from(base64, 'base64');
  return hostKeyType(blob) === type
    ? { marker, hosts, key: { type, base64: blob.toString('base64') } }
    : null;
}

/** The type named inside a public key blob (RFC 4253, section 6.6), or null where it is no key. */
export function hostKeyType(blob: Buffer): string | null {
  if (blob.length < 8) {
    return null;
  }
  const length = blob.readUInt32BE(0);
  return length >= 1 && length <= 64 && length + 4 < blob.length
    ? blob.toString('latin1', 4, 4 + length)
    : null;
}

/** Makes a `HostKey` of a blob as the wire carries it; null where it is no key. */
export function hostKeyFromBlob(blob: Buffer): HostKey | null {
  const type = hostKeyType(blob);
  return type === null ? null : { type, base64: blob.toString('base64') };
}

/** The text a name is stored under: `[name]:port` where the port is not 22 (sshd(8)). */
export function knownHostsName(who: HostKeyName): string {
  return who.isAlias || who.port === 22 ? lowerCase(who) : `[${lowerCase(who)}]:${who.port}`;
}

function lowerCase(who: HostKeyName): string {
  return who.isAlias ? who.name : who.name.toLowerCase();
}

/** The lines that speak about a name, in the order of the files. */
export function linesFor(lines: readonly KnownHostsLine[], name: string): KnownHostsLine[] {
  return lines.filter((line) => matchesHosts(line.hosts, name));
}

/** Tells whether the first field of a line matches a name; a negated match excludes the line. */
export function matchesHosts(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) {
    return matchesHash(hosts, name);
  }
  return matchPatternList(name.toLowerCase(), hosts.toLowerCase()) === 'match';
}

function matchesHash(field: string, name: string): boolean {
  const [, scheme, salt, hash] = field.split('|');
  if (scheme !== '1' || salt === undefined || hash === undefined) {
    return false;
  }
  const wanted = Buffer.from(hash, 'base64');
  const saltBlob = Buffer.from(salt, 'base64');
  const found = createHmac('sha1', saltBlob).update(name).digest();
  return (
    saltBlob.length === saltBytes &&
    wanted.length === found.length &&
    timingSafeEqual(wanted, found)
  );
}

/**
 * Decides whether a shown key is trusted (hostfile.c and sshconnect.c of OpenSSH): a revoked line
 * beats all; then the identical key; then any other plain key under the name means "changed", even
 * of another type. A name with a port that is not found is looked up once more without the port,
 * where only the identical key or a revoked line counts.
 *
 * @param trusted keys that were learnt on a verified way in this run; they need no file.
 */
export function decideHostKey(
  lines: readonly KnownHostsLine[],
  who: HostKeyName,
  shown: { readonly key: HostKey; readonly trusted?: readonly HostKey[] },
): HostKeyDecision {
  const { key, trusted = [] } = shown;
  const own = linesFor(lines, knownHostsName(who));
  const bare = hasPlain(own) ? [] : linesFor(lines, lowerCase(who));
  const revoked = [...own, ...bare].find(
    (line) => line.marker === 'revoked' && same(line.key, key),
  );
  if (revoked !== undefined) {
    return { type: 'revoked', recorded: revoked };
  }
  const plain = own.filter((line) => line.marker === null);
  if (
    [...plain, ...bare.filter((line) => line.marker === null)].some((line) => same(line.key, key))
  ) {
    return { type: 'ok' };
  }
  if (trusted.some((one) => same(one, key))) {
    return { type: 'ok' };
  }
  const recorded = plain.find((line) => line.key.type === key.type) ?? plain[0];
  return recorded === undefined
    ? { type: 'unknown', certAuthority: own.some((line) => line.marker === 'cert-authority') }
    : { type: 'changed', recorded };
}

function hasPlain(lines: readonly KnownHostsLine[]): boolean {
  return lines.some((line) => line.marker === null);
}

function same(one: HostKey, other: HostKey): boolean {
  return one.base64 === other.base64;
}

// The order ssh(1) prefers plain keys in. SHA-1 signatures ("ssh-rsa") are not offered.
const preferred: readonly { readonly type: string; readonly algorithms: readonly string[] }[] = [
  { type: 'ssh-ed25519', algorithms: ['ssh-ed25519'] },
  { type: 'ecdsa-sha2-nistp256', algorithms: ['ecdsa-sha2-nistp256'] },
  { type: 'ecdsa-sha2-nistp384', algorithms: ['ecdsa-sha2-nistp384'] },
  { type: 'ecdsa-sha2-nistp521', algorithms: ['ecdsa-sha2-nistp521'] },
  { type: 'ssh-rsa', algorithms: ['rsa-sha2-512', 'rsa-sha2-256'] },
];

/**
 * The host key algorithms to offer, types that are known for this name first; otherwise a host that
 * has several keys would show another one and look changed (order_hostkeyalgs of OpenSSH).
 */
export function hostKeyAlgorithms(
  lines: readonly KnownHostsLine[],
  who: HostKeyName,
  trusted: readonly HostKey[] = [],
): string[] {
  const own = linesFor(lines, knownHostsName(who)).filter((line) => line.marker === null);
  const found = own.length > 0 ? own : linesFor(lines, lowerCase(who));
  const known = new Set(
    [...trusted, ...found.filter((line) => line.marker === null).map((line) => line.key)].map(
      (key) => key.type,
    ),
  );
  const isKnown = preferred.filter((one) => known.has(one.type));
  const others = preferred.filter((one) => !known.has(one.type));
  return [...isKnown, ...others].flatMap((one) => one.algorithms);
}

/**
 * One line for a known_hosts file, without the newline; null for a name that the format cannot hold.
 *
 * @param salt 20 random bytes to store the name hashed (HashKnownHosts), or null for plain text.
 */
export function formatKnownHostsLine(
  name: string,
  key: HostKey,
  salt: Buffer | null,
): string | null {
  // Brackets and the colon are ours where a port was added; anything else would be a pattern.
  const inner = /^\[([^\]]*)\]:\d+$/.exec(name)?.[1] ?? name;
  if (inner === '' || /[@?*#[\]|'"\\,!\s]/.test(inner)) {
    return null;
  }
  const field = salt === null ? name : hashName(name, salt);
  return `${field} ${key.type} ${key.base64}`;
}

function hashName(name: string, salt: Buffer): string {
  const hash = createHmac('sha1', salt).update(name).digest('base64');
  return `|1|${salt.toString('base64')}|${hash}`;
}
