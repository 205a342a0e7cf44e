import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectSsh } from '../../src/route/ssh-connect.ts';
import type { SshTarget } from '../../src/route/target.ts';
import { temporaryDirectory } from './support/files.ts';
import { never, server } from './support/ready.ts';
import { makeKey, makeTarget, type KeyPair } from './support/server.ts';

// The same files, read by us and by the OpenSSH client, before the same server.

const hasSsh = ['/usr/bin', '/bin', '/usr/local/bin'].some(
  (directory) => existsSync(join(directory, 'ssh')) && existsSync(join(directory, 'ssh-keygen')),
);

const shown = makeKey();
const other = makeKey();
const ecdsa = makeKey('ecdsa');
const rsa = makeKey('rsa');

type Verdict = 'ok' | 'unknown' | 'changed' | 'revoked';

/** The lines of a file for a server on this port, and what both must make of it. */
interface Row {
  readonly says: string;
  readonly file: (name: string) => string;
  readonly verdict: Verdict;
  readonly global?: (name: string) => string;
  readonly alias?: string;
  readonly hashed?: true;
}

function line(hosts: string, { hostKey }: KeyPair): string {
  return `${hosts} ${hostKey.type} ${hostKey.base64}\n`;
}

const bare = '127.0.0.1';

const rows: readonly Row[] = [
  { says: 'nothing', file: () => '', verdict: 'unknown' },
  { says: 'another name', file: () => line('web1', shown), verdict: 'unknown' },
  { says: 'the key', file: (name) => line(name, shown), verdict: 'ok' },
  { says: 'another key', file: (name) => line(name, other), verdict: 'changed' },
  { says: 'a key of another type', file: (name) => line(name, rsa), verdict: 'changed' },
  {
    says: 'another key, then the key',
    file: (name) => line(name, other) + line(name, shown),
    verdict: 'ok',
  },
  { says: 'the key, hashed', file: (name) => line(name, shown), hashed: true, verdict: 'ok' },
  { says: 'another, hashed', file: (name) => line(name, other), hashed: true, verdict: 'changed' },
  { says: 'a pattern', file: () => line('[127.0.0.?]:*', shown), verdict: 'ok' },
  { says: 'a pattern without the port', file: () => line('127.0.0.?', shown), verdict: 'ok' },
  { says: 'brackets as a class', file: () => line('127.0.0.[123]', shown), verdict: 'unknown' },
  { says: 'everything', file: () => line('*', other), verdict: 'changed' },
  { says: 'all but this', file: (name) => line(`*,!${name}`, other), verdict: 'unknown' },
  { says: 'a list', file: (name) => line(`web1,${name},web2`, shown), verdict: 'ok' },
  { says: 'the bare name', file: () => line(bare, shown), verdict: 'ok' },
  { says: 'the bare name, another key', file: () => line(bare, other), verdict: 'unknown' },
  {
    says: 'the bare name, and another key under the port',
    file: (name) => line(bare, shown) + line(name, other),
    verdict: 'changed',
  },
  {
    says: 'the key, revoked later',
    file: (name) => line(name, shown) + line(`@revoked ${name}`, shown),
    verdict: 'revoked',
  },
  { says: 'revoked for all', file: () => line('@revoked *', shown), verdict: 'revoked' },
  {
    says: 'another one revoked',
    file: (name) => line('@revoked *', other) + line(name, shown),
    verdict: 'ok',
  },
  {
    says: 'an authority alone',
    file: () => line('@cert-authority *', other),
    verdict: 'unknown',
  },
  {
    says: 'an authority with that very key',
    file: () => line('@cert-authority *', shown),
    verdict: 'unknown',
  },
  {
    says: 'a marker that nobody knows',
    file: (name) => line(`@future ${name}`, other) + line(name, shown),
    verdict: 'ok',
  },
  {
    says: 'two markers',
    file: (name) => line(`@revoked @revoked ${name}`, shown) + line(name, shown),
    verdict: 'ok',
  },
  {
    says: 'comments, blanks and rubbish',
    file: (name) =>
      `# a comment\n\n  \t\nrubbish\n${name} ssh-ed25519 AAAA\n${name} ssh-rsa ${shown.hostKey.base64}\n \t ${line(name, shown).trimEnd()} me@here # yes\n`,
    verdict: 'ok',
  },
  {
    says: 'no newline at the end',
    file: (name) => line(name, shown).trimEnd(),
    verdict: 'ok',
  },
  {
    says: 'the key in the second file',
    file: (name) => line(name, other),
    global: (name) => line(name, shown),
    verdict: 'ok',
  },
  {
    says: 'revoked in the second file',
    file: (name) => line(name, shown),
    global: () => line('@revoked *', shown),
    verdict: 'revoked',
  },
  {
    says: 'an alias, which has no port',
    alias: 'Fleet-1',
    file: () => line('fleet-1', shown),
    verdict: 'ok',
  },
  {
    says: 'an alias with another key',
    alias: 'Fleet-1',
    file: () => line('fleet-1', other),
    verdict: 'changed',
  },
  {
    says: 'an alias, and the name it stands for',
    alias: 'Fleet-1',
    file: (name) => line(name, shown),
    verdict: 'unknown',
  },
];

describe.skipIf(!hasSsh)('known_hosts as the OpenSSH client reads it', () => {
  test.each(rows)('$says: $verdict', async ({ file, global, alias, hashed, verdict }) => {
    const { port } = await server({ hostKeys: [shown] });
    const files = writeFiles(port, { file, global, hashed });
    const target = makeTarget(port, {
      knownHostsFiles: files,
      ...(alias === undefined ? {} : { name: alias, hostKeyAlias: alias }),
    });
    expect(await byClient(port, files, alias)).toBe(verdict);
    expect(await byUs(target)).toBe(verdict);
  });

  test.each([
    ['rsa', rsa],
    ['ecdsa', ecdsa],
    ['ed25519', shown],
  ])('of several keys the one that is known is asked for: %s', async (_type, known) => {
    const { port } = await server({ hostKeys: [shown, ecdsa, rsa] });
    const files = writeFiles(port, { file: (name) => line(name, known) });
    expect(await byClient(port, files)).toBe('ok');
    expect(await byUs(makeTarget(port, { knownHostsFiles: files }))).toBe('ok');
  });

  test('what we store, plain or hashed, the client knows', async () => {
    const { port } = await server({ hostKeys: [shown] });
    for (const hashKnownHosts of [false, true]) {
      const folder = join(temporaryDirectory(), 'ssh');
      const newKeysFile = join(folder, 'known_hosts');
      const target = makeTarget(port, {
        knownHostsFiles: [newKeysFile],
        newKeysFile,
        hashKnownHosts,
      });
      await connectSsh(target, { acceptNewHostKey: true }, never);
      expect(await byClient(port, [newKeysFile])).toBe('ok');
      expect(readFileSync(newKeysFile, 'utf8').startsWith('|1|')).toBe(hashKnownHosts);
      expect(spawnSync('stat', ['-c', '%a', folder], { encoding: 'utf8' }).stdout).toBe('700\n');
    }
  });

  test('the command that we advise forgets the key, and no other', async () => {
    const { port } = await server({ hostKeys: [shown] });
    const files = writeFiles(port, {
      file: (name) => line('web1', other) + line(name, other) + line(bare, other),
    });
    const [file = ''] = files;
    const result = await connectSsh(makeTarget(port, { knownHostsFiles: files }), refuse, never);
    const command = result.ok ? '' : (result.error.failure.todo.split('\n').at(-1) ?? '');
    expect(command).toContain('ssh-keygen -R ');
    expect(spawnSync('sh', ['-c', command]).status).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(line('web1', other) + line(bare, other));
    expect(await byUs(makeTarget(port, { knownHostsFiles: files }))).toBe('unknown');
  });
});

const refuse = { acceptNewHostKey: false };

function writeFiles(
  port: number,
  {
    file,
    global,
    hashed,
  }: {
    readonly file: Row['file'];
    readonly global?: Row['global'] | undefined;
    readonly hashed?: Row['hashed'] | undefined;
  },
): string[] {
  const folder = temporaryDirectory();
  const user = join(folder, 'user');
  const system = join(folder, 'system');
  const name = `[${bare}]:${port}`;
  writeFileSync(user, file(name));
  writeFileSync(system, global?.(name) ?? '');
  if (hashed === true) {
    spawnSync('ssh-keygen', ['-q', '-H', '-f', user]);
    expect(readFileSync(user, 'utf8')).toMatch(/^\|1\|/);
  }
  return [user, system];
}

async function byUs(target: SshTarget): Promise<Verdict> {
  const result = await connectSsh(target, refuse, never);
  const code = result.ok ? 'ok' : result.error.failure.code;
  const verdicts: Readonly<Record<string, Verdict>> = {
    // Nothing is offered here: that the login is refused shows that the key was trusted.
    'auth-failed': 'ok',
    'host-key-unknown': 'unknown',
    'host-key-changed': 'changed',
    'host-key-revoked': 'revoked',
  };
  const verdict = verdicts[code];
  if (verdict === undefined) {
    throw new Error(code);
  }
  return verdict;
}

async function byClient(port: number, files: readonly string[], alias?: string): Promise<Verdict> {
  const [user = '', system = '/dev/null'] = files;
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'CheckHostIP=no',
    'PubkeyAuthentication=no',
    `UserKnownHostsFile=${user}`,
    `GlobalKnownHostsFile=${system}`,
    ...(alias === undefined ? [] : [`HostKeyAlias=${alias}`]),
  ];
  const words = options.flatMap((option) => ['-o', option]);
  const said = await new Promise<string>((resolve) => {
    const args = ['-F', '/dev/null', ...words, '-p', String(port), 'nobody@127.0.0.1', 'true'];
    execFile('ssh', args, { timeout: 15_000 }, (_error, _stdout, stderr) => resolve(stderr));
  });
  const signs: readonly (readonly [RegExp, Verdict])[] = [
    [/REVOKED HOST KEY|was revoked/i, 'revoked'],
    [/IDENTIFICATION HAS CHANGED/, 'changed'],
    [/No \S+ host key is known/, 'unknown'],
    [/Permission denied/, 'ok'],
  ];
  const verdict = signs.find(([sign]) => sign.test(said))?.[1];
  if (verdict === undefined) {
    throw new Error(said);
  }
  return verdict;
}
