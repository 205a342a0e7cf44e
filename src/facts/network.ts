import { normalAddress } from '../core/net.ts';
import { quote } from '../core/quote.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** The host's own addresses, and the way its answers to one client take. */
export interface Network {
  readonly addresses: readonly InterfaceAddress[];
  /** The interface and own address towards the client; null where there is no route or no client. */
  readonly towards: { readonly interface: string; readonly source: string | null } | null;
}

/** One address of one interface. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly family: 'ip' | 'ip6';
  readonly address: string;
  readonly scope: string;
}

/** Addresses and, for a client, `ip route get`. The argument is the client's address or null. */
export const networkFact: Fact<string | null, Network> = {
  name: 'network',
  summary: 'the addresses of the host and the route towards the client',
  slow: false,
  read: (client) => [
    { part: 'addresses', sh: 'limit 10 ip -o addr show' },
    ...(client === null
      ? []
      : [{ part: 'route', sh: `limit 10 ip -o route get ${quote(client)}` }]),
  ],
  parse: parseNetwork,
};

function parseNetwork(parts: Parts): Observed<Network> {
  const addresses = parts.get('addresses');
  if (addresses === undefined || addresses.status !== 0) {
    return unknown(
      `the host's addresses could not be read: ${addresses?.errors || 'ip is not there'}`,
    );
  }
  return known({
    addresses: parseAddresses(addresses.text),
    towards: parseRoute(parts.get('route')?.text ?? ''),
  });
}

/** Reads `ip -o addr show`; lines that are none of its are passed over. */
export function parseAddresses(text: string): InterfaceAddress[] {
  return text.split('\n').flatMap(parseAddress);
}

// 2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0\       valid_lft forever …
function parseAddress(line: string): InterfaceAddress[] {
  const match =
    /^\d+:\s+(\S+)\s+(inet6?)\s+([0-9a-fA-F.:]+)(?:\/\d+)?(?:\s.*?)?\sscope\s+(\S+)/.exec(line);
  const address = match === null ? null : normalAddress(match[3] ?? '');
  return match === null || address === null
    ? []
    : [
        {
          interface: (match[1] ?? '').replace(/@.*$/, ''),
          family: match[2] === 'inet6' ? 'ip6' : 'ip',
          address,
          scope: match[4] ?? '',
        },
      ];
}

// 10.0.0.9 dev eth0 src 10.0.0.2 uid 0 \    cache
function parseRoute(text: string): Network['towards'] {
  const device = /\bdev (\S+)/.exec(text)?.[1];
  const source = /\bsrc ([0-9a-fA-F.:]+)/.exec(text)?.[1];
  return device === undefined || /^(?:unreachable|prohibit|blackhole)/.test(text)
    ? null
    : { interface: device, source: source === undefined ? null : normalAddress(source) };
}
