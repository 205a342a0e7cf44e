import { existsSync, mkdirSync, writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseHop, parseJumps, parseVia } from '../../src/route/target-spec.ts';
import {
  resolveTarget,
  type ResolvedTarget,
  type TargetContext,
  type TargetOptions,
} from '../../src/route/target.ts';
import { temporaryDirectory } from './support/files.ts';

const hasSsh = ['/usr/bin', '/bin', '/usr/local/bin'].some((directory) =>
  existsSync(join(directory, 'ssh')),
);

describe('--via', () => {
  test.each([
    ['web1', { host: 'web1', user: null, port: null, jump: [] }],
    ['root@web1:2222', { host: 'web1', user: 'root', port: 2222, jump: [] }],
    ['root@[2001:db8::1]:2222', { host: '2001:db8::1', user: 'root', port: 2222, jump: [] }],
    ['[::1]', { host: '::1', user: null, port: null, jump: [] }],
    ['me@corp@web1', { host: 'web1', user: 'me@corp', port: null, jump: [] }],
    [
      'web1,ops@outer:2200,[::2]:22',
      {
        host: 'web1',
        user: null,
        port: null,
        jump: [
          { host: 'outer', user: 'ops', port: 2200 },
          { host: '::2', user: null, port: 22 },
        ],
      },
    ],
  ])('%s', (text, expected) => {
    expect(parseVia(text)).toEqual({ ok: true, value: expected });
  });

  test.each([
    ['', 'a host name cannot be empty'],
    ['web1,', 'a host name cannot be empty'],
    ['-oProxyCommand=x', 'begins with "-"'],
    ['-x@web1', 'begins with "-"'],
    ['web1;reboot', 'shell character'],
    ['$(id)@web1', 'shell character'],
    ['web1:0', 'is not a port'],
    ['web1:65536', 'is not a port'],
    ['web1:22x', 'is not a port'],
    ['web1:', 'is not a port'],
    ['2001:db8::1', 'write it as [ADDRESS]:PORT'],
    ['[::1', 'not closed'],
    ['web1,-J', 'begins with "-"'],
  ])('%j is refused', (text, why) => {
    const parsed = parseVia(text);
    expect(parsed.ok ? '' : parsed.error).toContain(why);
  });

  test('a jump may be written as an address of ssh', () => {
    expect(parseHop('ssh://ops@outer:2200')).toEqual({
      ok: true,
      value: { host: 'outer', user: 'ops', port: 2200 },
    });
    expect(parseJumps('a,b')).toMatchObject({ ok: true, value: [{ host: 'a' }, { host: 'b' }] });
  });
});

function options(more: Partial<TargetOptions> = {}): TargetOptions {
  return {
    host: 'web1',
    port: null,
    user: null,
    identities: [],
    jump: null,
    knownHosts: null,
    password: null,
    askPassword: async () => null,
    askPassphrase: async () => null,
    ...more,
  };
}

function context(config: string | null, more: Partial<TargetContext> = {}): TargetContext {
  const homeDirectory = temporaryDirectory();
  mkdirSync(join(homeDirectory, '.ssh'));
  const file = join(homeDirectory, '.ssh', 'config');
  if (config !== null) {
    writeFileSync(file, config, { mode: 0o600 });
  }
  return {
    homeDirectory,
    localUser: 'me',
    localUserId: '1000',
    localHost: 'desk.example.com',
    environment: { SSH_AUTH_SOCK: '/run/agent' },
    sshCommand: 'ssh',
    sshConfigFile: config === null ? null : file,
    signal: new AbortController().signal,
    ...more,
  };
}

async function resolve(given: TargetOptions, where: TargetContext): Promise<ResolvedTarget> {
  const resolved = await resolveTarget(given, where);
  if (!resolved.ok) {
    throw new Error(JSON.stringify(resolved.error));
  }
  return resolved.value;
}

describe('without an OpenSSH client', () => {
  const noClient = { sshCommand: '/no/such/ssh' };

  test('flags, defaults and our own reading of the configuration make the target', async () => {
    const where = context(
      'Host web1\n  Port 2222\n  ProxyJump ops@outer\n  Ciphers aes256-ctr\nHost outer\n  HostName 192.0.2.9\n',
      noClient,
    );
    const key = join(where.homeDirectory, '.ssh', 'id_ed25519');
    writeFileSync(key, '');
    const { target, notices } = await resolve(options(), where);
    expect(target).toMatchObject({
      host: 'web1',
      name: 'web1',
      address: 'web1',
      port: 2222,
      user: 'me',
      identities: [],
      defaultIdentities: [key],
      agentSocket: '/run/agent',
      knownHostsFiles: [
        join(where.homeDirectory, '.ssh', 'known_hosts'),
        join(where.homeDirectory, '.ssh', 'known_hosts2'),
        '/etc/ssh/ssh_known_hosts',
        '/etc/ssh/ssh_known_hosts2',
      ],
      newKeysFile: join(where.homeDirectory, '.ssh', 'known_hosts'),
      jump: [{ host: 'outer', address: '192.0.2.9', user: 'ops', port: 22 }],
    });
    expect(notices).toEqual([
      `${where.sshConfigFile}, line 4: ciphers is not read, since no OpenSSH client is installed here.`,
    ]);
  });

  test.each([
    ['Host web1\n  ProxyCommand nc %h %p\n', 'ProxyCommand'],
    ['RevokedHostKeys /etc/ssh/revoked\n', 'RevokedHostKeys'],
    ['Port none\n', 'line 1: this is no port'],
  ])('%j is refused', async (config, why) => {
    const result = await resolveTarget(options(), context(config, noClient));
    expect(result).toMatchObject({ ok: false, error: { code: 'invalid-host' } });
    expect(result.ok ? '' : `${result.error.what} ${result.error.why}`).toContain(why);
  });

  test('a named identity is the only one', async () => {
    const where = context(null, noClient);
    const { target } = await resolve(
      options({ identities: ['~/mine'], knownHosts: '~/hosts' }),
      where,
    );
    expect(target).toMatchObject({
      identities: [join(where.homeDirectory, 'mine')],
      defaultIdentities: [],
      identitiesOnly: true,
      newKeysFile: join(where.homeDirectory, 'hosts'),
    });
  });

  test.each([
    { host: '-oProxyCommand=reboot' },
    { host: 'web1 web2' },
    { host: '' },
    { user: '-x' },
    { user: 'a;b' },
    { port: 70_000 },
    { jump: [{ host: '-x', user: null, port: null }] },
  ])('%j is refused before anything is started', async (wrong) => {
    const result = await resolveTarget(options(wrong), context(null, noClient));
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'invalid-host', access: 'No host was contacted.' },
    });
  });
});

describe.skipIf(!hasSsh)('with the OpenSSH client', () => {
  test('the configuration has its say, and flags have the last word', async () => {
    const where = context(`
Host web1
  HostName 192.0.2.10
  User admin
  Port 2222
  IdentityFile ~/.ssh/%h_key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ~/.ssh/hosts_%n
  HashKnownHosts yes
`);
    const { target } = await resolve(options(), where);
    expect(target).toMatchObject({
      host: 'web1',
      name: '192.0.2.10',
      address: '192.0.2.10',
      port: 2222,
      user: 'admin',
      identities: [join(where.homeDirectory, '.ssh', '192.0.2.10_key')],
      defaultIdentities: [],
      identitiesOnly: true,
      agentSocket: null,
      hashKnownHosts: true,
    });
    const flags = await resolve(options({ port: 22, user: 'root', identities: ['/k'] }), where);
    expect(flags.target).toMatchObject({ port: 22, user: 'root', identities: ['/k'] });
  });

  test('an alias for the host key is looked up as it is', async () => {
    const { target } = await resolve(options(), context('Host web1\n  HostKeyAlias fleet-1\n'));
    expect(target).toMatchObject({ name: 'fleet-1', hostKeyAlias: 'fleet-1', address: 'web1' });
  });

  test('each jump host is resolved by its own block, outermost first', async () => {
    const where = context(`
Host web1
  ProxyJump ops@inner:2022
Host inner
  HostName inner.example.com
  ProxyJump outer
Host outer
  User gate
  Port 2200
`);
    const { target } = await resolve(options({ identities: ['/k'] }), where);
    expect(
      target.jump.map(({ host, address, user, port, identities }) => ({
        host,
        address,
        user,
        port,
        identities,
      })),
    ).toEqual([
      { host: 'outer', address: 'outer', user: 'gate', port: 2200, identities: ['/k'] },
      { host: 'inner', address: 'inner.example.com', user: 'ops', port: 2022, identities: ['/k'] },
    ]);
  });

  test('a jump from a flag replaces the one of the configuration', async () => {
    const where = context('Host web1\n  ProxyJump other\n');
    const jump = [{ host: 'mine', user: null, port: null }];
    expect((await resolve(options({ jump }), where)).target.jump.map((hop) => hop.host)).toEqual([
      'mine',
    ]);
    expect((await resolve(options({ jump: [] }), where)).target.jump).toEqual([]);
  });

  test('a password is for the host itself, never for a jump host', async () => {
    const { Secret } = await import('../../src/core/secret.ts');
    const where = context('Host web1\n  ProxyJump outer\n');
    const { target } = await resolve(options({ password: new Secret('x') }), where);
    expect(target.password).not.toBeNull();
    expect(target.jump[0]?.password).toBeNull();
  });

  test('jump hosts in a circle are told', async () => {
    const where = context(
      'Host web1\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n',
    );
    const result = await resolveTarget(options(), where);
    expect(result).toMatchObject({
      ok: false,
      error: { what: 'The jump hosts lead in a circle.' },
    });
  });

  test.each(['ProxyCommand nc %h %p', 'RevokedHostKeys /etc/ssh/revoked'])(
    '%s cannot be honoured',
    async (line) => {
      const result = await resolveTarget(options(), context(`Host web1\n  ${line}\n`));
      expect(result).toMatchObject({ ok: false, error: { code: 'invalid-host' } });
      expect(result.ok ? '' : result.error.todo).toContain('--openssh');
    },
  );

  test('a broken configuration is shown with what ssh said', async () => {
    const result = await resolveTarget(options(), context('Host web1\n  Nonsense yes\n'));
    expect(result.ok ? '' : result.error.why).toMatch(/Bad configuration option/i);
  });

  test.each(['-oProxyCommand=x', 'web2,-x', 'ops@$(id)', 'a;b:22'])(
    'a ProxyJump that the configuration makes bad is refused: %s',
    async (jump) => {
      const where = context(null);
      const fake = fakeSsh(where, `hostname web1\nport 22\nuser me\nproxyjump ${jump}`);
      const result = await resolveTarget(options(), { ...where, sshCommand: fake });
      expect(result).toMatchObject({ ok: false, error: { code: 'invalid-host' } });
    },
  );

  test('a name that the configuration makes bad is refused as well', async () => {
    const where = context('Host web1\n');
    const fake = fakeSsh(where, 'hostname -oProxyCommand=x\nport 22\nuser me');
    const result = await resolveTarget(options(), { ...where, sshCommand: fake });
    expect(result).toMatchObject({ ok: false, error: { code: 'invalid-host' } });
  });
});

/** A stand-in for ssh whose `-G` prints this. */
function fakeSsh(where: TargetContext, output: string): string {
  const fake = join(where.homeDirectory, 'ssh');
  writeFileSync(fake, `#!/bin/sh\ncat <<'END'\n${output}\nEND\n`);
  chmodSync(fake, 0o755);
  return fake;
}
