import type { Change } from '../core/change.ts';
import type { Render } from './module.ts';
import { request } from '../facts/fact.ts';
import { fail2banFact, type Fail2ban, type Jail } from '../facts/fail2ban.ts';

/** The request for fail2ban's jails and bans. */
export const fail2banRequest = request(fail2banFact, undefined);

/**
 * Keeps addresses from being banned again: now, by telling the daemon, and for good, by a file of
 * its own in jail.d that carries on what each jail excepts already (jail.conf(5): the last file wins).
 */
export function ignoreChanges(
  fail2ban: Fail2ban,
  jails: readonly Jail[],
  addresses: readonly string[],
  render: Render,
): Change[] {
  let now = fail2ban;
  return jails.flatMap((jail) => {
    const missing = addresses.filter((address) => !jail.ignored.includes(address));
    const live = missing.map((address) => {
      const before = now;
      now = withException(now, jail.name, address);
      return liveChange(jail.name, address, before, now);
    });
    return missing.length === 0 ? [] : [...live, fileChange(now, jail.name, render)];
  });
}

function withException(fail2ban: Fail2ban, name: string, address: string): Fail2ban {
  const jails = fail2ban.jails.map((jail) =>
    jail.name === name ? { ...jail, ignored: [...jail.ignored, address] } : jail,
  );
  return { ...fail2ban, jails };
}

function ignoredIn(fail2ban: Fail2ban, name: string): readonly string[] {
  return fail2ban.jails.find((jail) => jail.name === name)?.ignored ?? [];
}

function liveChange(jail: string, address: string, before: Fail2ban, after: Fail2ban): Change {
  const list = (state: Fail2ban): string =>
    ignoredIn(state, jail)
      .map((one) => `${one}\n`)
      .join('');
  return {
    kind: 'ban',
    target: `fail2ban jail ${jail}`,
    summary: `never ban ${address} in jail ${jail} again`,
    before: list(before),
    after: list(after),
    action: { type: 'run', argv: ['fail2ban-client', 'set', jail, 'addignoreip', address] },
    holds: null,
    undo: { type: 'run', argv: ['fail2ban-client', 'set', jail, 'delignoreip', address] },
    risk: 'none',
    sensitive: false,
    factsAfter: [{ key: fail2banRequest.key, value: after }],
    invalidates: [],
  };
}

function fileChange(after: Fail2ban, jail: string, render: Render): Change {
  const path = `/etc/fail2ban/jail.d/zz-remedy-${jail}.local`;
  const existing = after.exceptions.find((file) => file.path === path);
  const addresses = ignoredIn(after, jail).join(' ');
  const content = render('fail2ban-exception', { jail, addresses });
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
