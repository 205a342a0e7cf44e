import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { posixCrc } from './check.ts';

/** What the host's agent can do, as it says itself. */
export interface AgentTools {
  /** How it prints bytes. */
  readonly encodes: 'b64' | 'hex';
  /** How it takes bytes. */
  readonly decodes: 'b64' | 'oct';
  readonly gzip: boolean;
  readonly digests: 'sha256' | 'cksum' | 'length';
}

/** Bytes as text for the host. */
export interface Packed {
  readonly format: 'gz' | 'b64' | 'oct';
  readonly text: string;
}

/** Packs bytes into what the host can unpack, as few characters as possible. */
export function pack(bytes: Buffer, tools: AgentTools): Packed {
  if (tools.decodes === 'oct') {
    return { format: 'oct', text: octal(bytes) };
  }
  return tools.gzip
    ? { format: 'gz', text: gzipSync(bytes, { level: 9 }).toString('base64') }
    : { format: 'b64', text: bytes.toString('base64') };
}

// For a host without any decoder: the shell's own printf %b, XCU printf, `\0ooo`.
function octal(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(
      /[^A-Za-z0-9+/=_.,:;@^()[\]{}|<>?-]/g,
      (character) => `\\0${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
    );
}

/** Bytes from the text of the host; null where it is none. */
export function unpack(text: string, tools: AgentTools): Buffer | null {
  const bytes = Buffer.from(text, tools.encodes === 'hex' ? 'hex' : 'base64');
  const isGzip = tools.gzip && bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!isGzip) {
    return bytes;
  }
  try {
    return gunzipSync(bytes);
  } catch {
    return null;
  }
}

/** The digest of bytes by the tool that the host has: of `length` nothing better is there. */
export function digestBy(tool: AgentTools['digests'], bytes: Buffer): string {
  switch (tool) {
    case 'sha256':
      return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
    case 'cksum':
      return `${posixCrc(bytes)}.${bytes.length}`;
    case 'length':
      return String(bytes.length);
  }
}
