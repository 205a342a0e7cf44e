import { covers } from '../core/net.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { Observed } from '../facts/fact.ts';
import type { Fail2ban } from '../facts/fail2ban.ts';
import type { Link } from './link.ts';

/**
 * Names the jails of fail2ban that shut the client out, where the firewall does: its rule is a ban then,
 * and goes with it. What keeps the packet out is the rule; a ban without a rule stops nobody.
 */
export function nameBans(link: Link, fail2ban: Observed<Fail2ban>, endpoint: Endpoint): Link {
  const address = endpoint.from?.address ?? null;
  if (link.state === 'ok' || !fail2ban.known || address === null) {
    return link;
  }
  const jails = fail2ban.value.jails
    .filter(({ banned }) => banned.some((one) => one === address || covers(one, address)))
    .map(({ name }) => name);
  if (jails.length === 0) {
    return link;
  }
  const names = `fail2ban bans ${address} (${jails.length === 1 ? 'jail' : 'jails'} ${jails.join(', ')})`;
  // Another rule may stop the packet before the ban does.
  return /f2b|fail2ban/i.test(link.by)
    ? { ...link, by: `${names}: ${link.by}` }
    : { ...link, evidence: [...link.evidence, names] };
}
