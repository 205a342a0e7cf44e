import type { Change } from '../core/change.ts';
import { request } from '../facts/fact.ts';
import { fail2banFact, type Fail2ban, type Jail } from '../facts/fail2ban.ts';

/** The request for fail2ban's jails and bans. */
export const fail2banRequest = request(fail2banFact, undefined);

/**
 * Keeps an address from being banned again: now, by telling the daemon, and for good, by a file of
 * its own in jail.d that carries on what each jail excepts already (jail.conf(5): the last file wins).
 */
export function ignoreChanges(
  fail2ban: Fail2ban,
  jails: readonly Jail[],
  address: string,
): Change[] {
  const missing = jails.filter((jail) => !jail.ignored.includes(address));
  return missing.flatMap((jail, index) => {
    const done = missing.slice(0, index + 1).map(({ name }) => name);
    const after: Fail2ban = {
      ...fail2ban,
      jails: fail2ban.jails.map((one) =>
        done.includes(one.name) ? { ...one, ignored: [...one.ignored, address] } : one,
      ),
    };
    return [liveChange(jail, address, after), fileChange(fail2ban, jail, address)];
  });
}

function liveChange(jail: Jail, address: string, after: Fail2ban): Change {
  return {
    kind: 'ban',
    target: `fail2ban jail ${jail.name}`,
    summary: `never ban ${address} in jail ${jail.name} again`,
    before: jail.ignored.map((one) => `${one}\n`).join(''),
    after: [...jail.ignored, address].map((one) => `${one}\n`).join(''),
    action: { type: 'run', argv: ['fail2ban-client', 'set', jail.name, 'addignoreip', address] },
    holds: null,
    undo: { type: 'run', argv: ['fail2ban-client', 'set', jail.name, 'delignoreip', address] },
    risk: 'none',
    sensitive: false,
    factsAfter: [{ key: fail2banRequest.key, value: after }],
    invalidates: [],
  };
}

function fileChange(fail2ban: Fail2ban, jail: Jail, address: string): Change {
  const path = `/etc/fail2ban/jail.d/zz-remedy-${jail.name}.local`;
  const existing = fail2ban.exceptions.find((file) => file.path === path);
  const content = `# Written by remedy: who is never banned in this jail.\n[${jail.name}]\nignoreip = ${[...jail.ignored, address].join(' ')}\n`;
  return {
    kind: 'file',
    target: path,
    summary: `write ${path}, so that a restart of fail2ban keeps the exception`,
    before: existing?.text ?? '',
    after: content,
    action: { type: 'write', path, beforeSha256: existing?.sha256 ?? null, content },
    holds: ['test', '-f', path],
    undo: { type: 'snapshot' },
    risk: 'none',
    sensitive: false,
    factsAfter: [],
    invalidates: [],
  };
}
