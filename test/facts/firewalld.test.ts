import { describe, expect, it } from 'vitest';
import { firewalldFact, parseZones, type Zone } from '../../src/facts/firewalld.ts';
import { capturedParts, capturedValue, distros, part } from './support/captured.ts';

const stopped = {
  running: false,
  panic: false,
  defaultZone: '',
  runtime: [],
  permanent: [],
  services: {},
};

function zone(zones: readonly Zone[], name: string): Zone | undefined {
  return zones.find((one) => one.name === name);
}

describe.each(distros)('firewalld on %s', (distro) => {
  it('is not running on a fresh host', () => {
    expect(capturedValue(firewalldFact, undefined, `${distro}-clean`)).toEqual(stopped);
  });

  it('shows the default zone without the service', () => {
    const fact = capturedValue(firewalldFact, undefined, `${distro}-firewalld-no-ssh`);
    expect(fact).toMatchObject({ running: true, panic: false, defaultZone: 'public' });
    expect(zone(fact.runtime, 'public')).toEqual({
      name: 'public',
      target: 'default',
      interfaces: [],
      sources: [],
      services: ['dhcpv6-client'],
      ports: [],
      richRules: [],
    });
    expect(fact.services['ssh']).toEqual(['22/tcp']);
    expect(fact.services['samba']).toEqual(['139/tcp', '445/tcp']);
  });

  it('tells runtime from permanent, with ports, sources and rich rules', () => {
    const fact = capturedValue(firewalldFact, undefined, `${distro}-firewalld-rules`);
    expect(zone(fact.runtime, 'public')).toMatchObject({
      services: ['dhcpv6-client'],
      ports: ['2222/tcp'],
      richRules: [
        'rule family="ipv4" source address="192.0.2.0/24" port port="22" protocol="tcp" reject',
      ],
    });
    expect(zone(fact.permanent, 'public')).toMatchObject({
      services: ['dhcpv6-client', 'ssh'],
      ports: [],
      richRules: [
        'rule priority="-10" family="ipv6" source address="2001:db8::/32" service name="ssh" accept',
      ],
    });
    expect(zone(fact.runtime, 'internal')).toMatchObject({ sources: ['198.51.100.0/24'] });
  });

  it('knows the zone that drops, and what is bound to it', () => {
    expect(
      zone(
        capturedValue(firewalldFact, undefined, `${distro}-firewalld-drop-zone`).runtime,
        'drop',
      ),
    ).toMatchObject({
      target: 'DROP',
      interfaces: ['eth0'],
    });
    expect(
      zone(
        capturedValue(firewalldFact, undefined, `${distro}-firewalld-drop-source`).runtime,
        'drop',
      ),
    ).toMatchObject({
      target: 'DROP',
      sources: ['10.77.0.1', 'fd77::1'],
    });
  });

  it('reads all nine zones', () => {
    expect(
      capturedValue(firewalldFact, undefined, `${distro}-firewalld-no-ssh`).runtime.map(
        ({ name }) => name,
      ),
    ).toEqual(
      expect.arrayContaining([
        'block',
        'dmz',
        'drop',
        'external',
        'home',
        'internal',
        'public',
        'trusted',
        'work',
      ]),
    );
  });
});

describe('firewalld', () => {
  it.each([127, 252])('counts as stopped where its client says %d', (status) => {
    expect(firewalldFact.parse(new Map([['state', part('', { status })]]), undefined)).toEqual({
      known: true,
      value: stopped,
    });
  });

  it('is unknown where the daemon hangs', () => {
    const parts = new Map(capturedParts('firewalld', 'debian12-firewalld-no-ssh'));
    parts.set('runtime', part('', { status: 124 }));
    expect(firewalldFact.parse(parts, undefined)).toEqual({
      known: false,
      because: 'firewalld could not be asked: no answer',
    });
  });

  it('knows panic mode', () => {
    const parts = new Map(capturedParts('firewalld', 'debian12-firewalld-no-ssh'));
    parts.set('panic', part('yes\n'));
    expect(firewalldFact.parse(parts, undefined)).toMatchObject({ value: { panic: true } });
  });

  it('takes the ports of the last file of a name, which is that in /etc', () => {
    const [vendor, own] = ['/usr/lib', '/etc'].map((top) => `${top}/firewalld/services/ssh.xml`);
    const parts = new Map(capturedParts('firewalld', 'debian12-firewalld-no-ssh'));
    const lines = [
      `service ${vendor}`,
      `service ${own}`,
      `${vendor}:<port protocol="tcp" port="22"/>`,
      `${own}:<port protocol="tcp" port="2222"/>`,
      `${own}:<port port="2223" protocol="tcp" />`,
    ];
    parts.set('services', part(`${lines.join('\n')}\n`));
    expect(firewalldFact.parse(parts, undefined)).toMatchObject({
      value: { services: { ssh: ['2222/tcp', '2223/tcp'] } },
    });
  });

  it('takes a service named like a property of objects for a service', () => {
    const parts = new Map(capturedParts('firewalld', 'debian12-firewalld-no-ssh'));
    parts.set(
      'services',
      part(
        'service /etc/firewalld/services/__proto__.xml\n/etc/firewalld/services/__proto__.xml:<port protocol="tcp" port="22"/>\n',
      ),
    );
    const fact = firewalldFact.parse(parts, undefined);
    expect(fact.known && Object.keys(fact.value.services)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['push']).toBeUndefined();
  });

  it.each([
    ['nothing', ''],
    ['blank lines', '\n\n\n'],
    ['a million characters', `public\n  services: ${'ssh '.repeat(250_000)}`],
    ['a zone without settings', 'public'],
  ])('survives %s', (_, text) => {
    expect(parseZones(text).length).toBeLessThanOrEqual(1);
  });
});
