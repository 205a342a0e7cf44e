import { createHash } from 'node:crypto';

/** SHA-256 of bytes that are kept one character each (latin1), in hex. */
export function sha256Of(latin1: string): string {
  return createHash('sha256').update(latin1, 'latin1').digest('hex');
}
