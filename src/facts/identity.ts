import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { parseAddresses } from './network.ts';

/** By what a host can be told from others. */
export interface Identity {
  /** The name that the host gives itself; null where it says none. */
  readonly name: string | null;
  /** Public host keys as `type base64`; not every one need be in use. */
  readonly publicKeys: readonly string[];
  /** The addresses of its interfaces, without those that every host has. */
  readonly addresses: readonly string[];
}

/** The name, the public host keys and the addresses of a host: cheap, since every run asks for them. */
export const identityFact: Fact<undefined, Identity> = {
  name: 'identity',
  summary: "the host's own name, its public host keys and its addresses",
  slow: false,
  read: () => [
    { part: 'name', sh: 'uname -n' },
    { part: 'keys', sh: 'cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null || :' },
    { part: 'addresses', sh: 'limit 10 ip -o addr show' },
  ],
  parse: parseIdentity,
};

function parseIdentity(parts: Parts): Observed<Identity> {
  const said = (part: string): string => {
    const found = parts.get(part);
    return found?.status === 0 ? found.text : '';
  };
  const [name, keys, addresses] = [said('name').trim(), said('keys'), said('addresses')];
  if (name === '' && keys === '' && addresses === '') {
    return unknown('the host tells neither its name nor its keys nor its addresses');
  }
  return known({
    name: /^[\w.-]{1,253}$/.test(name) ? name : null,
    publicKeys: keys.split('\n').flatMap((line) => /^\S+ [A-Za-z0-9+/]+=*/.exec(line)?.[0] ?? []),
    addresses: parseAddresses(addresses)
      .filter(({ scope }) => scope !== 'host' && scope !== 'link')
      .map(({ address }) => address),
  });
}
