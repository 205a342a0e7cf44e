import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { expandConfigPath, parseSshConfig, querySshConfig } from '../../src/route/ssh-config.ts';
import { temporaryDirectory } from './support/files.ts';

describe('the output of ssh -G', () => {
  test('is read by lower-case key and rest of line; unknown keys are left', () => {
    const config = parseSshConfig(
      [
        'host web1',
        'user root',
        'hostname 192.0.2.1',
        'port 2222',
        'identityfile ~/.ssh/one two',
        'identityfile ~/.ssh/three',
        'IdentitiesOnly yes',
        'identityagent none',
        'userknownhostsfile /a /b',
        'globalknownhostsfile /c',
        'hashknownhosts yes',
        'proxyjump ops@outer:2200',
        'certificatefile /cert.pub',
        'revokedhostkeys none',
        'somethingnew 1 2 3',
        '',
      ].join('\n'),
    );
    expect(config).toEqual({
      hostname: '192.0.2.1',
      user: 'root',
      port: '2222',
      identityFiles: ['~/.ssh/one two', '~/.ssh/three'],
      identitiesOnly: true,
      identityAgent: 'none',
      hostKeyAlias: null,
      userKnownHostsFile: '/a /b',
      globalKnownHostsFile: '/c',
      hashKnownHosts: true,
      proxyJump: 'ops@outer:2200',
      proxyCommand: null,
      opensshOnly: ['certificatefile'],
    });
  });

  test('"none" is nothing', () => {
    const config = parseSshConfig('proxycommand none\nproxyjump none\nidentityfile none\n');
    expect(config).toMatchObject({ proxyCommand: null, proxyJump: null, identityFiles: [] });
  });
});

describe('paths of the configuration', () => {
  const tokens = {
    homeDirectory: '/home/me',
    hostname: 'web1.example.com',
    host: 'web1',
    port: '2222',
    user: 'root',
    localUser: 'me',
    localHost: 'desk.example.com',
    localUserId: '1000',
    proxyJump: '',
    hostKeyAlias: 'alias',
    environment: { KEYS: '/keys' },
  };

  test.each([
    ['~/.ssh/id', '/home/me/.ssh/id'],
    ['~other/id', '~other/id'],
    [
      '%d/%h/%n/%p/%r/%u/%i/%k/%l/%L',
      '/home/me/web1.example.com/web1/2222/root/me/1000/alias/desk.example.com/desk',
    ],
    ['${KEYS}/%%h', '/keys/%h'],
  ])('%s', (path, expected) => {
    expect(expandConfigPath(path, tokens)).toEqual({ ok: true, value: expected });
  });

  test.each(['%x', '${NOPE}', 'a%'])('%s stands for nothing', (path) => {
    expect(expandConfigPath(path, tokens)).toMatchObject({ ok: false });
  });
});

test('what the configuration runs gets no secret of ours', async () => {
  const command = join(temporaryDirectory(), 'ssh');
  writeFileSync(command, '#!/bin/sh\necho "hostname <$REMEDY_SSH_PASSWORD>"\n');
  chmodSync(command, 0o755);
  vi.stubEnv('REMEDY_SSH_PASSWORD', 'hunter2');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const { signal } = new AbortController();
  const limits = { timeoutMs: 10_000, signal };
  const query = { command, configFile: null, host: 'web1', user: null, port: null, ...limits };
  expect(await querySshConfig(query)).toMatchObject({ ok: true, value: { hostname: '<>' } });
});
