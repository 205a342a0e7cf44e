import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  readSshConfig,
  type ConfigOfFiles,
  type FileQuery,
} from '../../src/route/ssh-config-file.ts';
import { querySshConfig, type SshConfig } from '../../src/route/ssh-config.ts';
import { temporaryDirectory } from './support/files.ts';
import { whyNoClient } from './support/openssh.ts';

const { homedir, username, uid } = userInfo();

/** Files of a configuration, by their names; `config` is read first. `DIR` stands for their folder. */
type Files = Readonly<Record<string, string>>;

function write(files: Files, folder = temporaryDirectory()): string {
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text.replaceAll('DIR', folder), { mode: 0o600 });
  }
  return folder;
}

function query(folder: string, more: Partial<FileQuery> = {}): FileQuery {
  return {
    host: 'web1',
    user: null,
    port: null,
    configFile: join(folder, 'config'),
    homeDirectory: homedir,
    localUser: username,
    localUserId: String(uid),
    ...more,
  };
}

function read(files: Files, more: Partial<FileQuery> = {}): ConfigOfFiles {
  const found = readSshConfig(query(write(files), more));
  if (!found.ok) {
    throw new Error(found.error);
  }
  return found.value;
}

const hosts = ['web1', 'web2', 'WEB1', 'db.example.com', '192.0.2.1', 'other'];

const same: readonly (readonly [name: string, files: Files, more?: Partial<FileQuery>])[] = [
  ['nothing', { config: '' }],
  [
    'the first value counts',
    {
      config:
        'Host web1\n Port 2222\n User one\nHost web*\n Port 22\n User two\n HostName %h.example.com\nHost *\n User three\n',
    },
  ],
  [
    'patterns, and what they leave out',
    {
      config:
        'Host web? !web2\n Port 1001\nHost *.example.com\n Port 1002\nHost !web1\n Port 1003\nHost 192.0.2.* web2\n Port 1004\nHost "web1" other\n User quoted\n',
    },
  ],
  ['a name in capitals', { config: 'Host WEB1\n Port 1001\nHost web1\n Port 1002\n' }],
  [
    'before the first Host, and any spelling of a line',
    {
      config:
        '# a comment\n\n\tport=2222 # the reason\nUSER = ops\r\nHost *\n\n  hostname   "%h.lan"\n  IdentityFile="~/my keys/one"\n',
    },
  ],
  [
    'key files add up, in order, each once',
    {
      config:
        'IdentityFile ~/.ssh/a\nHost web1\n IdentityFile ~/.ssh/b\n IdentitiesOnly yes\nHost *\n IdentityFile ~/.ssh/a\n IdentityFile %d/.ssh/%r-%u-%h\n',
    },
  ],
  ['no key file', { config: 'IdentityFile none\n' }],
  [
    'known hosts, alias, agent',
    {
      config:
        'Host web1\n UserKnownHostsFile ~/one /two\n HostKeyAlias shared\n IdentityAgent ~/agent\n HashKnownHosts yes\n GlobalKnownHostsFile /three\nHost *\n UserKnownHostsFile /never\n',
    },
  ],
  [
    'of ProxyJump and ProxyCommand the first counts',
    {
      config:
        'Host web1\n ProxyJump ops@outer:2200,inner\nHost web2\n ProxyCommand nc %h %p\nHost db*\n ProxyJump none\nHost *\n ProxyCommand none\n ProxyJump last\n',
    },
  ],
  ['a user and a port given', { config: 'User two\nPort 22\n' }, { user: 'me', port: 2222 }],
  [
    'Include, in a block that matches and in one that does not',
    {
      config:
        'Host web1\n Include DIR/sub/one DIR/none\n User after\nHost other\n Include DIR/sub/*.conf\nHost *\n Port 4\n',
      'sub/one': 'Port 1\nHost web2\n Port 3\n',
      'sub/a.conf': 'Port 5\n',
      'sub/b.conf': 'Port 6\n User b\n',
      'sub/.hidden.conf': 'HostName never\n',
    },
  ],
  [
    'Include by more than one pattern, and a Host in it does not reach further',
    {
      config: 'Include DIR/[a-b]*/?.conf\nUser outside\n',
      'ax/1.conf': 'Host web1\n Port 7\n',
      'bx/2.conf': 'Host *\n Port 8\n HostName from-b\n',
      'cx/3.conf': 'Port 9\n',
    },
  ],
  [
    'Match by names',
    {
      config:
        'Match originalhost web1,db*\n HostName real.example.com\nMatch host *.example.com\n Port 1\nMatch host !real*,*.com user nobody\n Port 2\nMatch !originalhost web1\n User x\nMatch user x\n IdentitiesOnly yes\nMatch all\n HostKeyAlias all\nMatch user x all\n HashKnownHosts yes\n',
    },
  ],
  ['Match by the local user', { config: `Match localuser ${username}\n Port 9\n` }],
  ['Match user, by a flag', { config: 'Match user me\n Port 9\n' }, { user: 'me' }],
  [
    'Match final comes last',
    {
      config:
        'Match final all\n User last\n Port 5\n HostName too-late\nHost web*\n User first\n HostName real\nMatch final host real\n HostKeyAlias by-real\nMatch !final\n IdentityFile early\nMatch canonical\n IdentityFile late\n',
    },
  ],
  ['Match canonical alone', { config: 'Match canonical\n Port 5\n' }],
];

/** `ssh -G` expands some of what we expand later. */
function withHome(config: SshConfig): SshConfig {
  const expanded = (text: string): string => text.replaceAll(/(^| )~\//g, `$1${homedir}/`);
  return {
    ...config,
    identityAgent: config.identityAgent === null ? null : expanded(config.identityAgent),
    userKnownHostsFile: expanded(config.userKnownHostsFile),
  };
}

const missing = whyNoClient();
if (missing !== null) {
  console.warn(`skipped: the comparison with ssh -G: ${missing}`);
}

describe.skipIf(missing !== null)('the configuration without a client is what ssh -G says', () => {
  test.for(same)('%s', async ([, files, more]) => {
    const folder = write(files);
    for (const host of hosts) {
      const asked = query(folder, { host, ...more });
      const ssh = await querySshConfig({
        ...asked,
        command: 'ssh',
        timeoutMs: 10_000,
        signal: new AbortController().signal,
      });
      const own = readSshConfig(asked);
      expect(ssh).toMatchObject({ ok: true });
      expect(own, host).toMatchObject({ ok: true, value: { notices: [] } });
      expect(own.ok && withHome(own.value.config), host).toEqual(ssh.ok && ssh.value);
    }
  });

  test.each([
    ['a port that is none', 'Port none\n'],
    ['a quote that is not closed', 'User "one\n'],
    ['a value that is missing', 'HostName\n'],
    ['a value too many', 'User one two\n'],
    ['Match all with more', 'Match all user x\n'],
    ['Match all after more', 'Match final user x all\n'],
    ['Match without a value', 'Match user\n'],
    ['neither yes nor no', 'IdentitiesOnly maybe\n'],
    ['a file that includes itself', 'Include DIR/config\n'],
  ])('what ssh refuses is refused, with the place: %s', async (_name, config) => {
    const folder = write({ config });
    const ssh = await querySshConfig({
      ...query(folder),
      command: 'ssh',
      timeoutMs: 10_000,
      signal: new AbortController().signal,
    });
    expect(ssh).toMatchObject({ ok: false, error: { type: 'failed' } });
    expect(readSshConfig(query(folder))).toEqual({
      ok: false,
      error: expect.stringMatching(`^${folder}/config, line 1: `),
    });
  });
});

describe('the configuration without a client', () => {
  test('what would change the way in and is not read is named, where it holds', () => {
    const { config, notices } = read({
      config: [
        'CertificateFile ~/.ssh/cert',
        'Ciphers aes256-ctr',
        'SendEnv LANG',
        'PubkeyAuthentication yes',
        'GSSAPIAuthentication no',
        'Match exec "touch DIR/touched"',
        ' Port 1',
        'Match user nobody exec true',
        ' Port 2',
        'Host other',
        ' BindAddress 192.0.2.1',
        'Host *',
        ' PubkeyAuthentication no',
        ' NoSuchThing yes',
        ' Include ~ops/config',
        ' Port 3',
      ].join('\n'),
    });
    expect(config.port).toBe('3');
    expect(
      notices.map((one) => one.replace(/^\S*\/config, (line \d+: .*) is not read.*$/, '$1')),
    ).toEqual([
      'line 1: certificatefile',
      'line 2: ciphers',
      'line 6: Match exec',
      'line 13: pubkeyauthentication',
      'line 14: nosuchthing',
      'line 15: Include ~ops/config',
    ]);
    expect(notices[0]).toContain('no OpenSSH client is installed here');
  });

  test('the files of the user: relative names, ~, and a file that others may write', () => {
    const home = write({
      '.ssh/config': 'Include conf.d/* ~/more\n',
      '.ssh/conf.d/1': 'Host web1\n Port 1001\n',
      more: 'User from-more\n',
    });
    const asked = query(home, { configFile: null, homeDirectory: home });
    expect(readSshConfig(asked)).toMatchObject({
      ok: true,
      value: { config: { port: '1001', user: 'from-more' } },
    });
    for (const file of ['.ssh/conf.d/1', '.ssh/config']) {
      chmodSync(join(home, file), 0o666);
      const found = readSshConfig(asked);
      expect(found).toEqual({ ok: false, error: expect.stringContaining(join(home, file)) });
    }
  });

  test('no file at all', () => {
    const asked = query('/nowhere', { configFile: '/nowhere/config' });
    expect(readSshConfig(asked)).toMatchObject({ ok: true, value: { notices: [] } });
  });
});
