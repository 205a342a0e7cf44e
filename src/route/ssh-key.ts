import { readFile } from 'node:fs/promises';
import ssh2, { type ParsedKey } from 'ssh2';
import { cleanLine } from '../core/clean.ts';
import { quote } from '../core/quote.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Secret } from '../core/secret.ts';
import { hostKeyFromBlob, type HostKey } from './known-hosts.ts';

/** A key file as it was found. The private part stays text until it is unlocked. */
export type KeyFile =
  | {
      readonly type: 'private';
      readonly file: string;
      readonly encrypted: boolean;
      /** Known without a passphrase for most formats. */
      readonly publicKey: HostKey | null;
      /** Turns the text into a key. The error says what is wrong, in one clause. */
      readonly unlock: (passphrase: Secret | null) => Result<ParsedKey, string>;
    }
  /** Only the public half is here: an agent may hold the other one. */
  | { readonly type: 'public'; readonly file: string; readonly publicKey: HostKey }
  | { readonly type: 'missing'; readonly file: string }
  /** `todo` is a command to copy, or a sentence. */
  | {
      readonly type: 'unusable';
      readonly file: string;
      readonly why: string;
      readonly todo: string;
    };

/** Reads a key file and finds out what it is. Never throws. */
export async function readKeyFile(file: string): Promise<KeyFile> {
  const text = await readText(file);
  if (!text.ok) {
    return text.error === 'ENOENT'
      ? ((await readPublic(file)) ?? { type: 'missing', file })
      : unusable(file, `could not be read (${text.error})`, `ls -l ${quote(file)}`);
  }
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text.value)?.[1] ?? null;
  switch (label) {
    case 'OPENSSH PRIVATE KEY':
      return opensshKey(file, text.value);
    case 'RSA PRIVATE KEY':
    case 'EC PRIVATE KEY':
    case 'DSA PRIVATE KEY':
      return privateKey(file, text.value, {
        encrypted: /^Proc-Type: 4,ENCRYPTED/m.test(text.value),
        publicKey: (await readPublic(file))?.publicKey ?? null,
      });
    case 'PRIVATE KEY':
    case 'ENCRYPTED PRIVATE KEY':
      return unusable(
        file,
        'is in PKCS#8 format, which this route cannot read',
        // Any change of passphrase writes the key in OpenSSH's own format.
        `ssh-keygen -p -f ${quote(file)}`,
      );
    default:
      return otherKey(file, text.value);
  }
}

async function readText(file: string): Promise<Result<string, string>> {
  try {
    const text = await readFile(file, 'utf8');
    return text.length > 1024 * 1024 ? fail('too large for a key') : ok(text);
  } catch (error) {
    return fail(error instanceof Error && 'code' in error ? String(error.code) : 'unknown error');
  }
}

async function readPublic(file: string): Promise<Extract<KeyFile, { type: 'public' }> | null> {
  const text = await readText(`${file}.pub`);
  const publicKey = text.ok ? parsePublic(text.value) : null;
  return publicKey === null ? null : { type: 'public', file, publicKey };
}

function parsePublic(text: string): HostKey | null {
  const [, type, base64 = ''] = /^([a-z0-9@.-]+)[ \t]+([A-Za-z0-9+/=]+)/m.exec(text) ?? [];
  const key = hostKeyFromBlob(Buffer.from(base64, 'base64'));
  return key !== null && key.type === type ? key : null;
}

function otherKey(file: string, text: string): KeyFile {
  const publicKey = parsePublic(text);
  if (publicKey !== null && publicKey.type.includes('-cert-')) {
    return unusable(
      file,
      'is a certificate, which this route cannot use',
      'Let the OpenSSH client of this machine log in: add --openssh.',
    );
  }
  if (publicKey !== null) {
    return { type: 'public', file, publicKey };
  }
  if (text.startsWith('PuTTY-User-Key-File')) {
    const encrypted = !/^Encryption: none/m.test(text);
    return privateKey(file, text, { encrypted, publicKey: null });
  }
  return unusable(
    file,
    'is not a private key in a known format',
    `ssh-keygen -y -f ${quote(file)}`,
  );
}

const securityKey = 'belongs to a FIDO security key (sk), which this route cannot use';

function opensshKey(file: string, text: string): KeyFile {
  const header = parseOpensshHeader(text);
  if (header === null) {
    return unusable(
      file,
      'is damaged: its OpenSSH header cannot be read',
      `ssh-keygen -y -f ${quote(file)}`,
    );
  }
  if (header.publicKey.type.startsWith('sk-')) {
    return unusable(
      file,
      securityKey,
      'Let the OpenSSH client of this machine log in: add --openssh.',
    );
  }
  if (header.cipher.startsWith('chacha20')) {
    return unusable(
      file,
      `is encrypted with ${cleanLine(header.cipher, 60)}, which this route cannot read`,
      `ssh-keygen -p -Z aes256-ctr -f ${quote(file)}`,
    );
  }
  return privateKey(file, text, {
    encrypted: header.cipher !== 'none',
    publicKey: header.publicKey,
  });
}

/**
 * Reads the part of an OpenSSH private key that is never encrypted (PROTOCOL.key of OpenSSH): the
 * cipher and the public key. Null where the text is damaged.
 */
export function parseOpensshHeader(
  text: string,
): { readonly cipher: string; readonly publicKey: HostKey } | null {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1] ?? '';
  const bytes = Buffer.from(body, 'base64');
  const magic = Buffer.from('openssh-key-v1\0');
  if (!bytes.subarray(0, magic.length).equals(magic)) {
    return null;
  }
  let offset = magic.length;
  const next = (): Buffer | null => {
    if (offset + 4 > bytes.length) {
      return null;
    }
    const length = bytes.readUInt32BE(offset);
    const value = bytes.subarray(offset + 4, offset + 4 + length);
    offset += 4 + length;
    return value.length === length ? value : null;
  };
  const cipher = next();
  next();
  next();
  offset += 4;
  const blob = next();
  const publicKey = blob === null ? null : hostKeyFromBlob(blob);
  return cipher === null || publicKey === null
    ? null
    : { cipher: cipher.toString('latin1'), publicKey };
}

function privateKey(
  file: string,
  text: string,
  known: { readonly encrypted: boolean; readonly publicKey: HostKey | null },
): KeyFile {
  const unlock = (passphrase: Secret | null): Result<ParsedKey, string> => {
    const parsed = ssh2.utils.parseKey(text, passphrase?.reveal());
    const [key] = [parsed].flat();
    if (key === undefined || key instanceof Error) {
      return fail(unlockError(key?.message ?? '', passphrase !== null));
    }
    return key.isPrivateKey() ? ok(key) : fail('holds no private key');
  };
  const publicKey = known.publicKey ?? (known.encrypted ? null : publicOf(unlock(null)));
  return { type: 'private', file, encrypted: known.encrypted, publicKey, unlock };
}

function publicOf(key: Result<ParsedKey, string>): HostKey | null {
  return key.ok ? hostKeyFromBlob(key.value.getPublicSSH()) : null;
}

function unlockError(message: string, withPassphrase: boolean): string {
  if (
    /integrity check|bad decrypt|bad passphrase/i.test(message) ||
    (withPassphrase && message === '')
  ) {
    return 'could not be unlocked: the passphrase is wrong';
  }
  return `could not be used (${cleanLine(message, 120)})`;
}

function unusable(file: string, why: string, todo: string): KeyFile {
  return { type: 'unusable', file, why, todo };
}
