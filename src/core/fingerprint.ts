import { createHash } from 'node:crypto';

/** The fingerprint of a public key as `ssh-keygen -l` prints it: `SHA256:` and base64 without padding. */
export function fingerprint({ base64 }: { readonly base64: string }): string {
  const digest = createHash('sha256').update(Buffer.from(base64, 'base64')).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}
