import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { actionFunctions } from '../../src/program/actions.ts';
import { printBytes } from '../../src/program/bytes.ts';
import { commonFunctions, environment } from '../../src/program/runtime.ts';
import { quoteArgv, type Argv } from '../../src/core/quote.ts';
import { isRoot, shells } from './support/shells.ts';

// nobody: an account that is on every machine and owns nothing.
const uid = 65_534;
const gid = 65_534;

let root = '';

if (!isRoot) {
  process.stderr.write(
    'SKIPPED: the actions on files need root, since they give files to other users\n',
  );
}

beforeEach(() => {
  root = mkdtempSync('/var/tmp/remedy-actions-');
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'run'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function run(shell: Argv, command: Argv, before = ''): SpawnSyncReturns<string> {
  const script = [
    environment,
    commonFunctions,
    actionFunctions,
    `R=${root}/run I=test`,
    before,
    quoteArgv(command),
  ].join('\n');
  return spawnSync(shell[0], shell.slice(1), {
    input: `{\n${script}\nexit\n}\n`,
    encoding: 'utf8',
  });
}

function content(bytes: Buffer): string {
  return `content_1() {\n${printBytes(bytes.toString('latin1'))}\n}`;
}

function leftOvers(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.remedy'));
}

function stateOf(path: string): string {
  const found = lstatSync(path, { bigint: true });
  return `${found.dev}:${found.ino}`;
}

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o7777).toString(8);
}

describe.skipIf(!isRoot).each(shells)('write_file under $name', ({ argv }) => {
  const after = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

  it('replaces the bytes at once, and keeps mode, owner, ACL and attributes', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'before\n');
    chownSync(file, uid, gid);
    chmodSync(file, 0o640);
    const acl = spawnSync('setfacl', ['-m', 'u:12345:rw', file]).status === 0;
    const attribute = spawnSync('setfattr', ['-n', 'user.remedy', '-v', 'kept', file]).status === 0;
    const wrote = run(
      argv,
      ['write_file', '1', file, sha256('before\n'), sha256(after)],
      content(after),
    );
    expect(wrote.stderr).toBe('');
    expect(wrote.status).toBe(0);
    expect(readFileSync(file).equals(after)).toBe(true);
    expect(statSync(file)).toMatchObject({ uid, gid });
    // The old file keeps a second name until the run is settled.
    expect(leftOvers(root)).toEqual(['.remedy-test-1.old']);
    if (acl) {
      expect(spawnSync('getfacl', ['-cn', file], { encoding: 'utf8' }).stdout).toContain(
        'user:12345:rw-',
      );
    } else {
      expect(modeOf(file)).toBe('640');
    }
    // The cp of busybox knows no extended attributes.
    if (attribute && argv[0] !== 'busybox') {
      expect(
        spawnSync('getfattr', ['--only-values', '-n', 'user.remedy', file], { encoding: 'utf8' })
          .stdout,
      ).toBe('kept');
    }
    const back = run(argv, ['unwrite_file', '1', file, sha256('before\n'), sha256(after)]);
    expect(back.status).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('before\n');
    expect(statSync(file)).toMatchObject({ uid, gid });
  });

  it('makes a new file for all to read, and takes it away again', () => {
    const file = join(root, 'new');
    expect(
      run(argv, ['write_file', '1', file, 'absent', sha256(after)], content(after)).status,
    ).toBe(0);
    expect(modeOf(file)).toBe('644');
    expect(statSync(file)).toMatchObject({ uid: 0, gid: 0 });
    expect(run(argv, ['unwrite_file', '1', file, 'absent', sha256(after)]).status).toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  it('refuses a file that was edited since, and leaves it', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'edited\n');
    const wrote = run(
      argv,
      ['write_file', '1', file, sha256('before\n'), sha256(after)],
      content(after),
    );
    expect(wrote.status).toBe(3);
    expect(wrote.stderr).toBe(`changed since it was looked at: ${file}\n`);
    expect(readFileSync(file, 'utf8')).toBe('edited\n');
  });

  it('refuses a file that appeared or vanished since', () => {
    const file = join(root, 'file');
    expect(
      run(argv, ['write_file', '1', file, sha256('before\n'), sha256(after)], content(after))
        .status,
    ).toBe(3);
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, 'x');
    expect(
      run(argv, ['write_file', '1', file, 'absent', sha256(after)], content(after)).status,
    ).toBe(3);
  });

  it('shows the gate the candidate, and leaves the file where the gate says no', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'before\n');
    const gate: Argv = ['sh', '-c', `cp -- "$1" ${root}/seen; exit 9`, 'gate'];
    const wrote = run(
      argv,
      ['write_file', '1', file, sha256('before\n'), sha256(after), ...gate],
      content(after),
    );
    expect(wrote.status).toBe(1);
    expect(wrote.stderr).toContain('(the file was not touched)');
    expect(readFileSync(join(root, 'seen')).equals(after)).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('before\n');
    expect(leftOvers(root)).toEqual([]);
  });

  it('refuses bytes that did not arrive whole', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'before\n');
    const wrote = run(
      argv,
      ['write_file', '1', file, sha256('before\n'), sha256(after)],
      content(after.subarray(1)),
    );
    expect(wrote.status).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe('before\n');
    expect(leftOvers(root)).toEqual([]);
  });

  it('writes through a link that root made, and refuses a folder that is not root’s', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'before\n');
    symlinkSync(file, join(root, 'link'));
    expect(
      run(
        argv,
        ['write_file', '1', join(root, 'link'), sha256('before\n'), sha256(after)],
        content(after),
      ).status,
    ).toBe(0);
    expect(lstatSync(join(root, 'link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(file).equals(after)).toBe(true);
    mkdirSync(join(root, 'theirs'));
    chownSync(join(root, 'theirs'), uid, gid);
    const theirs = run(
      argv,
      ['write_file', '1', join(root, 'theirs', 'x'), 'absent', sha256(after)],
      content(after),
    );
    expect(theirs.status).toBe(1);
    expect(theirs.stderr).toContain("is not root's");
  });

  it('does not undo over an edit that someone made since', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'before\n');
    run(argv, ['write_file', '1', file, sha256('before\n'), sha256(after)], content(after));
    writeFileSync(file, 'edited\n');
    expect(run(argv, ['unwrite_file', '1', file, sha256('before\n'), sha256(after)]).status).toBe(
      3,
    );
    expect(readFileSync(file, 'utf8')).toBe('edited\n');
  });

  it('has nothing to undo where nothing was written', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'before\n');
    expect(run(argv, ['unwrite_file', '1', file, sha256('before\n'), sha256(after)]).status).toBe(
      0,
    );
  });
});

describe.skipIf(!isRoot).each(shells)('set_attributes under $name', ({ argv }) => {
  const make = (): { home: string; ssh: string; keys: string } => {
    const home = join(root, 'home');
    const ssh = join(home, '.ssh');
    const keys = join(ssh, 'authorized_keys');
    mkdirSync(ssh, { recursive: true });
    writeFileSync(keys, 'ssh-ed25519 AAAA\n');
    for (const path of [home, ssh, keys]) {
      chownSync(path, uid, gid);
      chmodSync(path, 0o777);
    }
    return { home, ssh, keys };
  };
  const attributes = (
    directory: string,
    name: string,
    path: string,
    owner: string,
    wanted: string,
  ): Argv => {
    const [u = '', g = ''] = owner.split(':');
    const [wu = '', wg = '', mode = ''] = wanted.split(':');
    return [
      'set_attributes',
      directory,
      stateOf(directory),
      name,
      stateOf(path),
      u,
      g,
      modeOf(path),
      wu,
      wg,
      mode,
    ];
  };
  const own = `${uid}:${gid}`;

  it('sets the mode of a folder and of a file', () => {
    const { home, ssh, keys } = make();
    expect(run(argv, attributes(home, '.', home, own, `${own}:755`)).stderr).toBe('');
    expect(run(argv, attributes(ssh, '.', ssh, own, `${own}:700`)).status).toBe(0);
    expect(run(argv, attributes(ssh, 'authorized_keys', keys, own, `${own}:600`)).stderr).toBe('');
    expect([home, ssh, keys].map(modeOf)).toEqual(['755', '700', '600']);
  });

  it('gives a file of another user to its owner', () => {
    const { ssh, keys } = make();
    chownSync(keys, 1, 1);
    const set = run(argv, attributes(ssh, 'authorized_keys', keys, '1:1', `${own}:600`));
    expect(set.stderr).toBe('');
    expect(statSync(keys)).toMatchObject({ uid, gid });
    expect(modeOf(keys)).toBe('600');
  });

  it('refuses a folder that is another one by now', () => {
    const { ssh, keys } = make();
    const command = attributes(ssh, 'authorized_keys', keys, own, `${own}:600`);
    rmSync(ssh, { recursive: true });
    mkdirSync(ssh);
    writeFileSync(keys, 'other');
    chmodSync(keys, 0o644);
    expect(run(argv, command).status).toBe(3);
    expect(modeOf(keys)).toBe('644');
  });

  it('refuses a link, and does not touch what it points to', () => {
    const { ssh, keys } = make();
    const victim = join(root, 'victim');
    writeFileSync(victim, 'secret');
    chmodSync(victim, 0o604);
    const command = attributes(ssh, 'authorized_keys', keys, own, `${own}:600`);
    rmSync(keys);
    symlinkSync(victim, keys);
    expect(run(argv, command).status).toBe(3);
    expect(modeOf(victim)).toBe('604');
    expect(statSync(victim).uid).toBe(0);
  });

  it('refuses a file with a second name', () => {
    const { home, ssh, keys } = make();
    const command = attributes(ssh, 'authorized_keys', keys, own, `${own}:600`);
    linkSync(keys, join(home, 'second'));
    expect(run(argv, command).status).toBe(3);
    expect(modeOf(keys)).toBe('777');
  });

  it('refuses an entry whose mode or owner is not as it was', () => {
    const { ssh, keys } = make();
    const command = attributes(ssh, 'authorized_keys', keys, own, `${own}:600`);
    chmodSync(keys, 0o640);
    expect(run(argv, command).status).toBe(3);
    expect(modeOf(keys)).toBe('640');
  });
});

describe.skipIf(!isRoot)('set_attributes against a user who swaps meanwhile', () => {
  // Replaces .ssh by a link to the victim and back, as fast as it can.
  const swapper = `
const { renameSync } = require('node:fs');
process.chdir(process.argv[1]);
process.stdout.write('on\\n');
for (;;) {
  try { renameSync('.ssh', '.real'); renameSync('link', '.ssh'); } catch {}
  try { renameSync('.ssh', 'link'); renameSync('.real', '.ssh'); } catch {}
}`;

  it('never changes the victim', { timeout: 60_000 }, async () => {
    const home = join(root, 'home');
    const ssh = join(home, '.ssh');
    const victim = join(root, 'victim');
    mkdirSync(ssh, { recursive: true });
    mkdirSync(victim);
    for (const folder of [ssh, victim]) {
      writeFileSync(join(folder, 'authorized_keys'), 'x');
      chmodSync(join(folder, 'authorized_keys'), 0o666);
      chmodSync(folder, 0o777);
    }
    chownSync(home, uid, gid);
    chownSync(ssh, uid, gid);
    chownSync(join(ssh, 'authorized_keys'), uid, gid);
    const [shell] = shells;
    const commands = [
      [
        'set_attributes',
        ssh,
        stateOf(ssh),
        '.',
        stateOf(ssh),
        String(uid),
        String(gid),
        '777',
        String(uid),
        String(gid),
        '700',
      ],
      [
        'set_attributes',
        ssh,
        stateOf(ssh),
        'authorized_keys',
        stateOf(join(ssh, 'authorized_keys')),
        String(uid),
        String(gid),
        '666',
        String(uid),
        String(gid),
        '600',
      ],
      [
        'set_attributes',
        ssh,
        stateOf(ssh),
        '.',
        stateOf(ssh),
        String(uid),
        String(gid),
        '700',
        String(uid),
        String(gid),
        '777',
      ],
      [
        'set_attributes',
        ssh,
        stateOf(ssh),
        'authorized_keys',
        stateOf(join(ssh, 'authorized_keys')),
        String(uid),
        String(gid),
        '600',
        String(uid),
        String(gid),
        '666',
      ],
    ].map((command) => quoteArgv(command as unknown as Argv));
    const tries = `n=0; hit=0; while [ "$n" -lt 50 ]; do for c in 1 2 3 4; do case $c in ${commands.map((command, index) => `${index + 1}) ${command} && hit=$((hit + 1)) ;;`).join(' ')} esac; done 2>/dev/null; n=$((n + 1)); done; echo "$hit"`;
    const before = [victim, join(victim, 'authorized_keys')].map(
      (path) => `${modeOf(path)} ${statSync(path).uid}`,
    );
    symlinkSync(victim, join(home, 'link'));
    const child = spawn(process.execPath, ['-e', swapper, home], {
      uid,
      gid,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      const script = [environment, commonFunctions, actionFunctions, tries].join('\n');
      const done = spawnSync(shell?.argv[0] ?? 'sh', [], {
        input: `{\n${script}\nexit\n}\n`,
        encoding: 'utf8',
      });
      expect(done.stdout).toMatch(/^\d+\n$/);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(
      [victim, join(victim, 'authorized_keys')].map(
        (path) => `${modeOf(path)} ${statSync(path).uid}`,
      ),
    ).toEqual(before);
  });
});

describe.skipIf(!isRoot).each(shells)('move_file under $name', ({ argv }) => {
  it('moves once, and never over something', () => {
    const [from, to] = [join(root, 'from'), join(root, 'to')];
    writeFileSync(from, 'one');
    expect(run(argv, ['move_file', from, to]).status).toBe(0);
    expect(run(argv, ['move_file', from, to]).status).toBe(0);
    writeFileSync(from, 'two');
    const refused = run(argv, ['move_file', from, to]);
    expect(refused.status).toBe(3);
    expect(refused.stderr).toContain(`changed since it was looked at: ${to}`);
    expect([from, to].map((path) => readFileSync(path, 'utf8'))).toEqual(['two', 'one']);
    rmSync(from);
    rmSync(to);
    expect(run(argv, ['move_file', from, to]).status).not.toBe(0);
  });
});

describe.skipIf(!isRoot).each(shells)('firewalld_remove under $name', ({ argv }) => {
  const tools = (status: number): string => `
limit() { shift; echo "$*"; case $1 in firewall-cmd) return ${status} ;; esac; }`;
  const remove = (status: number, place: string, removal: string): [number | null, string] => {
    const ended = run(argv, ['firewalld_remove', place, 'public', removal], tools(status));
    return [ended.status, ended.stdout];
  };

  it('asks the daemon, and where it is down changes the files', () => {
    expect(remove(0, 'runtime', '--remove-port=22/tcp')).toEqual([
      0,
      'firewall-cmd --zone=public --remove-port=22/tcp\n',
    ]);
    expect(remove(13, 'permanent', '--remove-port=22/tcp')[0]).toBe(13);
    expect(remove(252, 'runtime', '--remove-port=22/tcp')[0]).toBe(0);
    expect(remove(252, 'permanent', '--remove-service=ssh')).toEqual([
      0,
      'firewall-cmd --permanent --zone=public --remove-service=ssh\nfirewall-offline-cmd --zone=public --remove-service-from-zone=ssh\n',
    ]);
    expect(remove(252, 'permanent', '--remove-port=22/tcp')[1]).toContain(
      'firewall-offline-cmd --zone=public --remove-port=22/tcp',
    );
  });
});

describe.skipIf(!isRoot).each(shells)('make_host_key under $name', ({ argv }) => {
  it('makes a pair that can be used, and keeps the bad one aside', () => {
    const key = join(root, 'ssh_host_ed25519_key');
    writeFileSync(key, 'garbage');
    writeFileSync(`${key}.pub`, 'garbage.pub');
    const made = run(argv, ['make_host_key', key, 'ed25519', 'remedy-test']);
    expect(made.stderr).toBe('');
    expect(made.status).toBe(0);
    expect(modeOf(key)).toBe('600');
    expect(modeOf(`${key}.pub`)).toBe('644');
    expect(readFileSync(`${key}.pub`, 'utf8')).toMatch(/^ssh-ed25519 AAAA\S+\s*$/);
    expect(
      spawnSync('ssh-keygen', ['-y', '-P', '', '-f', key], { encoding: 'utf8' })
        .stdout.trim()
        .split(' ')
        .slice(0, 2),
    ).toEqual(readFileSync(`${key}.pub`, 'utf8').trim().split(' ').slice(0, 2));
    expect(readFileSync(`${key}.remedy-test`, 'utf8')).toBe('garbage');
    expect(readFileSync(`${key}.pub.remedy-test`, 'utf8')).toBe('garbage.pub');
    expect(run(argv, ['unmake_host_key', key, 'remedy-test']).status).toBe(0);
    expect(readFileSync(key, 'utf8')).toBe('garbage');
    expect(readFileSync(`${key}.pub`, 'utf8')).toBe('garbage.pub');
    expect(readdirSync(root).toSorted()).toEqual([
      'run',
      'ssh_host_ed25519_key',
      'ssh_host_ed25519_key.pub',
    ]);
  });

  it('makes a missing pair, and takes it away again', () => {
    const key = join(root, 'key');
    expect(run(argv, ['make_host_key', key, 'ecdsa', '']).status).toBe(0);
    expect(run(argv, ['unmake_host_key', key, '']).status).toBe(0);
    expect(readdirSync(root)).toEqual(['run']);
  });

  it('leaves a pair that someone else made since', () => {
    const key = join(root, 'key');
    writeFileSync(key, 'garbage');
    expect(run(argv, ['make_host_key', key, 'ed25519', 'remedy-test']).status).toBe(0);
    writeFileSync(key, 'theirs');
    const undone = run(argv, ['unmake_host_key', key, 'remedy-test']);
    expect(undone.status).toBe(3);
    expect(undone.stderr).toContain(`changed since it was looked at: ${key}`);
    expect(readFileSync(key, 'utf8')).toBe('theirs');
    expect(readFileSync(`${key}.remedy-test`, 'utf8')).toBe('garbage');
  });

  it('leaves the bad pair where no new one can be made', () => {
    const key = join(root, 'key');
    writeFileSync(key, 'garbage');
    expect(run(argv, ['make_host_key', key, 'no-such-type', 'remedy-test']).status).not.toBe(0);
    expect(readFileSync(key, 'utf8')).toBe('garbage');
  });
});
