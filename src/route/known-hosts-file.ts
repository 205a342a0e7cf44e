import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail, ok, type Result } from '../core/result.ts';
import {
  formatKnownHostsLine,
  knownHostsName,
  parseKnownHosts,
  type HostKey,
  type HostKeyName,
  type KnownHostsLine,
} from './known-hosts.ts';

/** Files larger than this are not read, in bytes: no known_hosts file comes near it. */
const maxFileBytes = 64 * 1024 * 1024;

/** The lines of all files together, user files first, and what could not be read. */
export interface KnownHosts {
  readonly lines: readonly KnownHostsLine[];
  /** One sentence for each file that exists and could not be read. */
  readonly unreadable: readonly string[];
}

/** Reads known_hosts files. A file that does not exist is empty; it is no error. */
export async function readKnownHosts(files: readonly string[]): Promise<KnownHosts> {
  const lines: KnownHostsLine[] = [];
  const unreadable: string[] = [];
  for (const file of files) {
    const text = await readText(file);
    if (text.ok) {
      lines.push(...parseKnownHosts(text.value, file));
    } else {
      unreadable.push(`${file} could not be read (${text.error}).`);
    }
  }
  return { lines, unreadable };
}

async function readText(file: string): Promise<Result<string, string>> {
  try {
    const bytes = await readFile(file);
    return bytes.length > maxFileBytes ? fail('too large') : ok(bytes.toString('utf8'));
  } catch (error) {
    const code = errorCode(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? ok('') : fail(code);
  }
}

/** What `appendKnownHost` is asked to write. */
export interface NewKnownHost {
  readonly file: string;
  readonly who: HostKeyName;
  readonly key: HostKey;
  /** True to store the name hashed, as `HashKnownHosts yes` does. */
  readonly hash: boolean;
}

/**
 * Appends one line to a known_hosts file, in one write, and never rewrites what is there. A missing
 * directory is made with mode 0700, a missing file with 0600. Call it only after the handshake has
 * proved that the host holds the private key.
 */
export async function appendKnownHost(host: NewKnownHost): Promise<Result<null, string>> {
  const salt = host.hash ? randomBytes(20) : null;
  const line = formatKnownHostsLine(knownHostsName(host.who), host.key, salt);
  if (line === null) {
    return fail(
      `the name ${JSON.stringify(host.who.name)} cannot be written to a known_hosts file`,
    );
  }
  try {
    await mkdir(dirname(host.file), { recursive: true, mode: 0o700 });
    const handle = await open(host.file, 'a+', 0o600);
    try {
      const separator = (await endsInNewline(handle)) ? '' : '\n';
      await handle.appendFile(`${separator}${line}\n`);
    } finally {
      await handle.close();
    }
    return ok(null);
  } catch (error) {
    return fail(`${host.file} could not be written (${errorCode(error)})`);
  }
}

async function endsInNewline(handle: Awaited<ReturnType<typeof open>>): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) {
    return true;
  }
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, size - 1);
  return last[0] === 0x0a;
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
