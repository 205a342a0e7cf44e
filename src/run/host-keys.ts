import type { FactSet } from '../facts/fact.ts';
import { hostKeysRequest } from '../modules/host-keys.ts';
import type { HostKey } from '../route/known-hosts.ts';

/** The public host keys as the host shows them over the way in: the proof trusts them too. */
export function shownKeys(facts: FactSet): HostKey[] {
  const keys = facts.get(hostKeysRequest);
  const shown = keys.known ? keys.value.keys : [];
  return shown.flatMap(({ publicKey }) => {
    const [type = '', base64 = ''] = (publicKey ?? '').split(' ');
    return publicKey === null ? [] : [{ type, base64 }];
  });
}

/** What people must know where new host keys were made. */
export function newKeyNotices(facts: FactSet, forgetCommand: string): string[] {
  const keys = facts.get(hostKeysRequest);
  const shown = keys.known ? keys.value.keys.filter(({ publicKey }) => publicKey !== null) : [];
  return [
    ...shown.map(({ path, fingerprint }) => `Host key ${path}: ${fingerprint ?? 'unknown'}`),
    `Clients will see new host keys. known_hosts was not touched; to take the old ones out:\n    ${forgetCommand}`,
  ];
}
