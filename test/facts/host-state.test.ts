import { describe, expect, it } from 'vitest';
import { hostKeysFact } from '../../src/facts/host-keys.ts';
import { listenersFact } from '../../src/facts/listeners.ts';
import { loginFilesFact } from '../../src/facts/login-files.ts';
import { networkFact } from '../../src/facts/network.ts';
import { sshdFact, withHostKeys } from '../../src/facts/sshd.ts';
import { unitsFact } from '../../src/facts/units.ts';
import {
  captured,
  capturedParts,
  capturedValue,
  client,
  distros,
  part,
  unitNames,
} from './support/captured.ts';

describe.each(distros)('listeners on %s', (distro) => {
  it('sees sshd on both families', () => {
    const { sockets } = capturedValue(listenersFact, undefined, `${distro}-clean`);
    const pids = [expect.any(Number)];
    expect(sockets).toEqual([
      { address: '0.0.0.0', port: 22, processes: ['sshd'], pids },
      { address: '::', port: 22, processes: ['sshd'], pids },
    ]);
  });

  it('sees the socket that systemd holds, for both families at once', () => {
    expect(capturedValue(listenersFact, undefined, `${distro}-socket`).sockets).toEqual([
      { address: '*', port: 22, processes: ['systemd'], pids: [1] },
    ]);
  });

  it('sees nothing where sshd is stopped', () => {
    expect(capturedValue(listenersFact, undefined, `${distro}-sshd-stopped`).sockets).toEqual([]);
  });

  it('reads /proc where there is no ss', () => {
    const parts = new Map(capturedParts('listeners', `${distro}-clean`));
    parts.set('ss', part('', { status: 127 }));
    expect(listenersFact.parse(parts, undefined)).toEqual({
      known: true,
      value: {
        sockets: [
          { address: '0.0.0.0', port: 22, processes: [] },
          { address: '*', port: 22, processes: [] },
        ],
      },
    });
  });
});

describe('listeners', () => {
  it('reads addresses of /proc in the order of their bytes', () => {
    const proc = [
      '   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0',
      '   1: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0',
      '   2: 0100007F:0016 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0',
    ].join('\n');
    expect(
      listenersFact.parse(
        new Map([
          ['ss', part('', { status: 127 })],
          ['proc', part(proc)],
        ]),
        undefined,
      ),
    ).toEqual({
      known: true,
      value: {
        sockets: [
          { address: '127.0.0.1', port: 3306, processes: [] },
          { address: '2001:db8::1', port: 22, processes: [] },
        ],
      },
    });
  });

  it.each([
    [
      'LISTEN 0 128 [fe80::1]%eth0:22 [::]:* users:(("sshd",pid=1,fd=3),("sshd",pid=2,fd=3))',
      [{ address: 'fe80::1', port: 22, processes: ['sshd'], pids: [1, 2] }],
    ],
    [
      'LISTEN 0 128 127.0.0.53%lo:53 0.0.0.0:*',
      [{ address: '127.0.0.53', port: 53, processes: [], pids: [] }],
    ],
    [
      'LISTEN 0 128 [::ffff:192.0.2.1]:22 *:*',
      [{ address: '192.0.2.1', port: 22, processes: [], pids: [] }],
    ],
    ['ESTAB 0 0 10.0.0.1:22 10.0.0.9:5000', []],
    ['LISTEN', []],
    ['', []],
    [`LISTEN 0 128 ${'x'.repeat(1_000_000)}`, []],
  ])('reads the line %.60j', (line, sockets) => {
    expect(listenersFact.parse(new Map([['ss', part(line)]]), undefined)).toEqual({
      known: true,
      value: { sockets },
    });
  });

  it('is unknown where neither can be read', () => {
    expect(listenersFact.parse(new Map(), undefined)).toEqual({
      known: false,
      because: 'listening sockets could not be read: no ss, no /proc/net/tcp',
    });
  });
});

describe.each(distros)('network on %s', (distro) => {
  it('knows the addresses with their scope, and the way back to the client', () => {
    const network = capturedValue(networkFact, client, `${distro}-clean`);
    expect(network.addresses.map((one) => `${one.interface} ${one.family} ${one.scope}`)).toEqual([
      'lo ip host',
      'lo ip6 host',
      'eth0 ip global',
      'eth0 ip6 global',
      'eth0 ip6 link',
    ]);
    const own = network.addresses.find(
      (one) => one.interface === 'eth0' && one.family === 'ip',
    )?.address;
    expect(own).toMatch(/^10\.77\.0\.\d+$/);
    expect(network.towards).toEqual({ interface: 'eth0', source: own });
  });

  it('knows no way where no client is known', () => {
    expect(capturedValue(networkFact, null, `${distro}-no-client`).towards).toBeNull();
  });
});

describe('network', () => {
  it.each([
    [
      'a container link',
      '3: eth0@if12    inet 10.1.2.3/24 brd 10.1.2.255 scope global eth0',
      { interface: 'eth0', family: 'ip', address: '10.1.2.3', scope: 'global' },
    ],
    [
      'a peer',
      '4: wg0    inet 10.8.0.1 peer 10.8.0.2/32 scope global wg0',
      { interface: 'wg0', family: 'ip', address: '10.8.0.1', scope: 'global' },
    ],
  ])('reads %s', (_, line, address) => {
    expect(networkFact.parse(new Map([['addresses', part(line)]]), null)).toMatchObject({
      value: { addresses: [address] },
    });
  });

  it.each(['unreachable 10.0.0.9 dev lo', 'RTNETLINK answers: Network is unreachable', ''])(
    'has no way in %j',
    (text) => {
      expect(
        networkFact.parse(
          new Map([
            ['addresses', part('')],
            ['route', part(text)],
          ]),
          '10.0.0.9',
        ),
      ).toMatchObject({ value: { towards: null } });
    },
  );

  it('asks for the client as one word, whatever it holds', () => {
    expect(networkFact.read("10.0.0.9'; reboot").at(1)?.sh).toBe(
      String.raw`limit 10 ip -o route get '10.0.0.9'\''; reboot'`,
    );
  });

  it('is unknown without ip', () => {
    expect(networkFact.parse(new Map([['addresses', part('', { status: 127 })]]), null)).toEqual({
      known: false,
      because: "the host's addresses could not be read: ip is not there",
    });
  });
});

describe.each(distros)('units on %s', (distro) => {
  const summary = (name: string): string[] =>
    Object.entries(capturedValue(unitsFact, unitNames, name)).map(
      ([asked, unit]) =>
        `${asked} ${unit.id} ${unit.load} ${unit.active} ${unit.file} ${unit.result}`,
    );

  it('knows the alias of a running service', () => {
    expect(summary(`${distro}-clean`)).toEqual([
      'ssh.service ssh.service loaded active enabled success',
      'sshd.service ssh.service loaded active enabled success',
      'ssh.socket ssh.socket loaded inactive disabled success',
      'sshd.socket sshd.socket not-found inactive  success',
    ]);
  });

  it.each([
    ['sshd-masked', 'ssh.service ssh.service masked inactive masked success'],
    ['sshd-masked-runtime', 'ssh.service ssh.service masked inactive masked-runtime success'],
    ['sshd-broken', 'ssh.service ssh.service loaded failed enabled exit-code'],
    ['sshd-disabled', 'ssh.service ssh.service loaded inactive disabled success'],
    ['socket', 'ssh.service ssh.service loaded inactive disabled success'],
  ])('reads %s', (name, line) => {
    expect(summary(`${distro}-${name}`)[0]).toBe(line);
  });
});

describe('units', () => {
  it('are unknown without systemd', () => {
    expect(unitsFact.parse(new Map([['show', part('', { status: 3 })]]), unitNames)).toMatchObject({
      known: false,
    });
  });

  it('keep a unit named like a property of objects apart', () => {
    const fact = unitsFact.parse(new Map([['show', part('Asked=__proto__\nId=x\n')]]), [
      '__proto__',
    ]);
    expect(fact.known && Object.keys(fact.value)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['id']).toBeUndefined();
  });
});

describe.each(distros)('sshd on %s', (distro) => {
  it('is valid on a fresh host, and says where it reads keys', () => {
    expect(capturedValue(sshdFact, undefined, `${distro}-clean`)).toEqual({
      installed: true,
      valid: true,
      problem: '',
      authorizedKeysFile: '.ssh/authorized_keys .ssh/authorized_keys2',
      forbidden: false,
    });
  });

  it('is valid although the stopped unit has taken its folder away', () => {
    expect(capturedValue(sshdFact, undefined, `${distro}-sshd-stopped`)).toMatchObject({
      installed: true,
      valid: true,
      problem: '',
    });
  });

  it('tells what is wrong in its configuration', () => {
    expect(capturedValue(sshdFact, undefined, `${distro}-sshd-broken`)).toMatchObject({
      valid: false,
      problem: expect.stringMatching(
        /^\/etc\/ssh\/sshd_config: line \d+: Bad configuration option: NoSuchOption\n/,
      ) as string,
      authorizedKeysFile: null,
    });
  });

  it('knows the file that forbids it to start', () => {
    expect(capturedValue(sshdFact, undefined, `${distro}-sshd-forbidden`)).toMatchObject({
      forbidden: true,
    });
  });

  it('is valid once there are good host keys again', () => {
    const sshd = capturedValue(sshdFact, undefined, `${distro}-host-keys-bad`);
    expect(sshd.valid).toBe(false);
    expect(withHostKeys(sshd)).toMatchObject({ valid: true, problem: '' });
  });
});

describe('withHostKeys', () => {
  it('keeps what host keys do not mend', () => {
    const sshd = {
      installed: true,
      valid: false,
      problem:
        'sshd: no hostkeys available -- exiting.\n/etc/ssh/sshd_config: line 3: Bad configuration option: X',
      authorizedKeysFile: null,
      forbidden: false,
    };
    expect(withHostKeys(sshd)).toEqual({
      ...sshd,
      problem: '/etc/ssh/sshd_config: line 3: Bad configuration option: X',
    });
  });
});

describe.each(distros)('host keys on %s', (distro) => {
  it('are good on a fresh host, with fingerprints', () => {
    const { keys } = capturedValue(hostKeysFact, undefined, `${distro}-clean`);
    expect(keys.map(({ path, state }) => `${path} ${state}`)).toEqual([
      '/etc/ssh/ssh_host_rsa_key ok',
      '/etc/ssh/ssh_host_ecdsa_key ok',
      '/etc/ssh/ssh_host_ed25519_key ok',
    ]);
    expect(keys[2]?.publicKey).toMatch(/^ssh-ed25519 AAAA\S+$/);
    // Beside each key the host printed what its own ssh-keygen makes of it.
    const printed = capturedParts('host-keys', `${distro}-clean`)
      .get('keys')
      ?.text.match(/SHA256:\S+/g);
    expect(keys.map((key) => key.fingerprint)).toEqual(printed);
  });

  it('are told apart: missing, empty, corrupt', () => {
    const { keys } = capturedValue(hostKeysFact, undefined, `${distro}-host-keys-bad`);
    expect(keys.map(({ state }) => state)).toEqual(['missing', 'empty', 'corrupt']);
    expect(keys.every(({ publicKey }) => publicKey === null)).toBe(true);
  });

  it('are told apart: a folder, and one with a passphrase', () => {
    expect(
      capturedValue(hostKeysFact, undefined, `${distro}-host-keys-odd`).keys.map(
        ({ state }) => state,
      ),
    ).toEqual(['not-a-file', 'encrypted', 'ok']);
  });
});

describe('host keys', () => {
  it('are unknown without ssh-keygen or without sshd', () => {
    expect(hostKeysFact.parse(new Map([['keys', part('', { status: 127 })]]), undefined)).toEqual({
      known: false,
      because: 'ssh-keygen is not there',
    });
    expect(hostKeysFact.parse(new Map([['keys', part('')]]), undefined)).toMatchObject({
      known: false,
    });
  });

  it('are corrupt where the state is a word that nobody knows', () => {
    expect(
      hostKeysFact.parse(new Map([['keys', part('key /etc/ssh/k\nstate __proto__\n')]]), undefined),
    ).toMatchObject({ value: { keys: [{ state: 'corrupt' }] } });
  });
});

describe.each(distros)('login files on %s', (distro) => {
  const entries = (name: string, user = 'admin'): string[] =>
    capturedValue(loginFilesFact, user, name).entries.map(
      ({ path, type, links, identity }) =>
        `${path} ${type} ${links} ${identity.uid}:${identity.gid} ${identity.mode}`,
    );

  it('are the home, .ssh and authorized_keys of a user', () => {
    const files = capturedValue(loginFilesFact, 'admin', `${distro}-admin`);
    expect(files).toMatchObject({
      user: 'admin',
      uid: 1000,
      gid: 1000,
      home: '/home/admin',
      privateGroup: true,
    });
    expect(entries(`${distro}-admin`)).toEqual([
      `/home/admin directory 1 1000:1000 ${distro === 'debian12' ? '0755' : '0700'}`,
      '/home/admin/.ssh directory 2 1000:1000 0700',
      '/home/admin/.ssh/authorized_keys file 1 1000:1000 0600',
    ]);
    const [, ssh, keys] = files.entries;
    expect(keys?.directoryInode).toBe(ssh?.identity.inode);
    expect(ssh?.directoryInode).toBe(ssh?.identity.inode);
  });

  it('are read for root too', () => {
    expect(entries(`${distro}-root`, 'root')[0]).toBe('/root directory 1 0:0 0700');
  });

  it('show loose modes, foreign owners, links and second names', () => {
    expect(entries(`${distro}-home-modes`)[0]).toBe('/home/admin directory 1 1000:1000 0777');
    expect(entries(`${distro}-keys-owner`)[2]).toBe(
      '/home/admin/.ssh/authorized_keys file 1 1:1 0600',
    );
    expect(entries(`${distro}-keys-link`)[2]).toBe(
      '/home/admin/.ssh/authorized_keys link 1 0:0 0777',
    );
    expect(entries(`${distro}-ssh-link`)).toHaveLength(2);
    expect(entries(`${distro}-ssh-link`)[1]).toBe('/home/admin/.ssh link 1 0:0 0777');
    expect(entries(`${distro}-keys-hard-link`)[2]).toMatch(/authorized_keys file 2 /);
    expect(entries(`${distro}-no-ssh-dir`)[1]).toMatch(/^\/home\/admin\/\.ssh missing /);
  });

  it('are unknown for an account that is not there', () => {
    expect(captured(loginFilesFact, 'nobody-here', `${distro}-no-such-user`)).toEqual({
      known: false,
      because: 'there is no account nobody-here on this host',
    });
  });
});

describe('login files', () => {
  it('are unknown where .ssh was swapped meanwhile', () => {
    const parts = new Map(capturedParts('login-files', 'debian12-admin'));
    parts.set('entries', part('', { status: 4 }));
    expect(loginFilesFact.parse(parts, 'admin')).toMatchObject({
      because:
        'the home folder /home/admin of admin could not be read: .ssh was swapped while it was looked at',
    });
  });

  it('tolerate no group that others share', () => {
    const parts = new Map(capturedParts('login-files', 'debian12-admin'));
    parts.set('group', part('admin:x:1000:eve\nsharing 1\n'));
    expect(loginFilesFact.parse(parts, 'admin')).toMatchObject({ value: { privateGroup: false } });
    parts.set('group', part('admin:x:1000:\nsharing 2\n'));
    expect(loginFilesFact.parse(parts, 'admin')).toMatchObject({ value: { privateGroup: false } });
  });
});
