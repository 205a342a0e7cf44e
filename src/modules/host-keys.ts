import { z } from 'zod';
import type { Change } from '../core/change.ts';
import { request } from '../facts/fact.ts';
import { hostKeysFact, type HostKey, type HostKeys } from '../facts/host-keys.ts';
import { withHostKeys } from '../facts/sshd.ts';
import { sshdRequest } from './ssh-unit.ts';
import { blocked, change, none, type Module } from './module.ts';

const schema = z.strictObject({});

/** The request for sshd's host keys. */
export const hostKeysRequest = request(hostKeysFact, undefined);

/** Makes new host keys for those that are missing, empty or corrupt, and leaves good ones alone. */
export const hostKeys: Module<typeof schema> = {
  name: 'host-keys',
  summary: 'Make the host keys that are missing, empty or corrupt; keep the good ones',
  schema,
  facts: () => [hostKeysRequest, sshdRequest],
  plan(_args, facts, { runId }) {
    const keys = facts.get(hostKeysRequest);
    const sshd = facts.get(sshdRequest);
    if (!keys.known) {
      return blocked(keys.because);
    }
    const unusable = keys.value.keys.filter(
      ({ path, state }) => state !== 'ok' && cannotMake(path, state),
    );
    const bad = keys.value.keys.filter(
      ({ path, state }) => state !== 'ok' && state !== 'encrypted' && !cannotMake(path, state),
    );
    if (bad.length === 0 && unusable.some(({ state }) => state === 'not-a-file')) {
      return blocked(
        `${unusable.map(({ path }) => path).join(', ')} is not a file; look at it by hand`,
      );
    }
    let now = keys.value;
    const changes = bad.map((key) => {
      now = { keys: now.keys.map((one) => (one === key ? { ...key, state: 'ok' as const } : one)) };
      const after = sshd.known ? [{ key: sshdRequest.key, value: withHostKeys(sshd.value) }] : [];
      return toChange(key, keys.value, now, runId, after);
    });
    return changes.length === 0
      ? none(`all ${keys.value.keys.length} host keys can be used`)
      : change(bad.map(({ path, state }) => `${path} is ${state}`).join('; '), changes);
  },
};

function toChange(
  key: HostKey,
  before: HostKeys,
  after: HostKeys,
  runId: string,
  more: Change['factsAfter'],
): Change {
  const aside = key.state === 'missing' ? null : `remedy-${runId}`;
  const moved = aside === null ? '' : `; the ${key.state} one is kept as ${key.path}.${aside}`;
  return {
    kind: 'host-key',
    target: key.path,
    summary: `${key.path}: make a new ${keyType(key.path)} key${moved}`,
    before: `${key.path}: ${key.state}\n`,
    after: `${key.path}: a new ${keyType(key.path)} key\n`,
    action: { type: 'host-key', path: key.path, keyType: keyType(key.path), aside },
    holds: ['test', '-s', key.path],
    undo: { type: 'snapshot' },
    risk: before.keys.some(({ state }) => state === 'ok') ? 'none' : 'service',
    sensitive: false,
    factsAfter: [{ key: hostKeysRequest.key, value: after }, ...more],
    invalidates: [],
  };
}

// No new key goes where a folder is, and OpenSSH makes no DSA keys any more (since 10.0).
function cannotMake(path: string, state: HostKey['state']): boolean {
  return state === 'not-a-file' || path.replace('ecdsa', '').endsWith('dsa_key');
}

// The usual names say the type (ssh_host_rsa_key); a name that does not gets the modern default.
function keyType(path: string): 'rsa' | 'ecdsa' | 'ed25519' {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.includes('rsa') ? 'rsa' : name.includes('ecdsa') ? 'ecdsa' : 'ed25519';
}
