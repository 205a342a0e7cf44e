import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyFileSh } from '../../src/facts/login-path-sh.ts';
import { loginPathFact, loginPathsFact } from '../../src/facts/login-path.ts';
import { commonFunctions } from '../../src/program/runtime.ts';
import { shells } from '../program/support/shells.ts';
import { capturedValue, distros } from './support/captured.ts';

describe.each(distros)('login-paths on %s', (distro) => {
  const paths = capturedValue(loginPathsFact, undefined, `${distro}-clean`);

  it('has every folder on the way, and the keys', () => {
    expect(paths.patterns).toEqual(['.ssh/authorized_keys', '.ssh/authorized_keys2']);
    expect(paths.privateGroups).toBe(true);
    expect(paths.entries['/']).toEqual({
      type: 'directory',
      uid: 0,
      gid: 0,
      mode: 0o755,
      acl: false,
    });
    expect(paths.entries['/home/admin/.ssh']).toMatchObject({ uid: 1000, mode: 0o700 });
    const file = paths.keys['/home/admin/.ssh/authorized_keys'];
    expect(file?.options).toEqual(['', '']);
    expect(file?.keys?.map(({ type, bits }) => `${type} ${bits}`)).toEqual([
      'ED25519 256',
      'ECDSA 256',
    ]);
  });

  it('says nothing more of an account that /etc/passwd has', () => {
    expect(capturedValue(loginPathFact, 'admin', `${distro}-clean`).entries).toEqual({});
  });
});

describe('login-paths', () => {
  const paths = capturedValue(loginPathsFact, undefined, 'debian12-odd');

  it('follows links to where they lead', () => {
    expect(paths.patterns).toContain('/etc/ssh/keys/%u');
    expect(paths.real['/home/admin/.ssh/authorized_keys']).toBe('/var/adm/.ssh/authorized_keys');
    expect(paths.entries['/home/admin']?.type).toBe('link');
    expect(paths.entries['/var/adm/.ssh/authorized_keys']?.mode).toBe(0o664);
    expect(paths.entries['/etc/ssh/keys']?.mode).toBe(0o777);
  });

  it('shows nothing of what is no key', () => {
    expect(paths.real['/etc/ssh/keys/root']).toBe('/etc/shadow');
    expect(paths.keys['/etc/shadow']).toEqual({ keys: [], options: [] });
  });

  it('cuts what may be secret in options', () => {
    expect(paths.keys['/var/adm/.ssh/authorized_keys']?.options).toEqual([
      'from="10.77.0.0/24,fd77::*",command="",environment=""',
      'expiry-time="20200101"',
    ]);
  });
});

describe('key_file', () => {
  const blob = 'AAAAC3NzaC1lZDI1NTE5AAAAIGtt0pVPrmogpEr9MMS5pjpJ1qjS54HWIyiaetaq7oWV';
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'remedy-keys-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(shells)('shows no word of a line that is no key, under $name', ({ argv }) => {
    const path = join(folder, 'keys');
    writeFileSync(
      path,
      [
        'root:$6$secret:20000:0:99999:7:::',
        'command="a \\"secret\\" b" ssh-ed25519 ' + blob,
        `Command="secret",no-pty ssh-ed25519 ${blob} comment`,
        `environment="A=secret" ssh-ed25519 ${blob}`,
        `command="secret ssh-ed25519 ${blob}`,
        `ssh-ed25519 ${blob}ssh-ed25519 ${blob} secret`,
        `  ssh-ed25519 ${blob} secret`,
        'secret',
      ].join('\n'),
    );
    const run = spawnSync(
      argv[0],
      [...argv.slice(1), '-c', `${commonFunctions}\n${keyFileSh}\nkey_file "$1"`, 'sh', path],
      {
        encoding: 'utf8',
      },
    );
    expect(run.stdout).not.toContain('secret');
    expect(run.stdout.split('\n').filter((line) => line.startsWith('options'))).toEqual([
      'options| command=""',
      'options| Command="",no-pty',
      'options| environment=""',
      'options|',
    ]);
    // What follows must begin a line of its own.
    expect(run.stdout.endsWith('\n')).toBe(true);
  });
});
