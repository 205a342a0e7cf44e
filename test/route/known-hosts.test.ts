import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/core/fingerprint.ts';
import {
  decideHostKey,
  formatKnownHostsLine,
  hostKeyAlgorithms,
  knownHostsName,
  linesFor,
  matchesHosts,
  parseKnownHosts,
  type HostKey,
} from '../../src/route/known-hosts.ts';
import { appendKnownHost, readKnownHosts } from '../../src/route/known-hosts-file.ts';
import { temporaryDirectory } from './support/files.ts';
import { makeKey } from './support/server.ts';

const first = makeKey().hostKey;
const second = makeKey().hostKey;
const rsa = makeKey('rsa').hostKey;
const web = { name: 'web1.example.com', port: 22, isAlias: false };
const hasKeygen = ['/usr/bin', '/bin', '/usr/local/bin'].some((directory) =>
  existsSync(join(directory, 'ssh-keygen')),
);

function line(hosts: string, key: HostKey): string {
  return `${hosts} ${key.type} ${key.base64}`;
}

function decide(text: string, key: HostKey, who = web): string {
  return decideHostKey(parseKnownHosts(text, 'known_hosts'), who, { key }).type;
}

describe('parsing', () => {
  test('skips comments, empty lines, unknown and double markers, and bad keys', () => {
    const text = [
      '# a comment',
      '',
      `@future ${line('a', first)}`,
      `@revoked @revoked ${line('a', first)}`,
      'a ssh-ed25519 not-a-key',
      `a ssh-rsa ${first.base64}`,
      'a 1024 35 1234567',
      `\t ${line('a', first)} somebody@somewhere\r`,
    ].join('\n');
    expect(parseKnownHosts(text, 'f')).toEqual([
      { file: 'f', line: 8, marker: null, hosts: 'a', key: first },
    ]);
  });

  test('keeps the marker', () => {
    const text = `@revoked ${line('a', first)}\n@cert-authority ${line('*.b', second)}`;
    expect(parseKnownHosts(text, 'f').map((one) => one.marker)).toEqual([
      'revoked',
      'cert-authority',
    ]);
  });
});

describe('matching names', () => {
  test.each([
    ['a,web1,b', 'web1', true],
    ['WEB1', 'web1', true],
    ['web*', 'web1.example.com', true],
    ['web?', 'web12', false],
    ['*', '[web1]:2222', true],
    ['[web1]:2222', '[web1]:2222', true],
    ['[web1]:*', '[web1]:2222', true],
    ['web1', '[web1]:2222', false],
    ['*,!web1', 'web1', false],
    ['!web1,*', 'web1', false],
    ['*.example.com,!bad.example.com', 'good.example.com', true],
    ['!web2', 'web1', false],
    ['web[12]', 'web1', false],
    ['a*a*a*a*a*a*a*b', 'a'.repeat(200), false],
    ['|1|bad', 'web1', false],
    ['|2|AAAA|AAAA', 'web1', false],
  ])('%s and %s: %s', (hosts, name, expected) => {
    expect(matchesHosts(hosts, name)).toBe(expected);
  });

  test('a port other than 22 is part of the name, an alias is taken as it is', () => {
    expect(knownHostsName(web)).toBe('web1.example.com');
    expect(knownHostsName({ ...web, port: 2222 })).toBe('[web1.example.com]:2222');
    expect(knownHostsName({ name: 'Alias', port: 2222, isAlias: true })).toBe('Alias');
  });
});

describe('deciding', () => {
  test('the identical key is ok, also beside another one', () => {
    expect(decide(`${line(web.name, second)}\n${line(web.name, first)}`, first)).toBe('ok');
  });

  test('another key under the name is changed, even of another type', () => {
    expect(decide(line(web.name, first), second)).toBe('changed');
    expect(decide(line(web.name, rsa), second)).toBe('changed');
  });

  test('the line that is blamed is of the same type where there is one', () => {
    const lines = parseKnownHosts(`${line(web.name, rsa)}\n${line(web.name, first)}`, 'f');
    const decision = decideHostKey(lines, web, { key: second });
    expect(decision).toMatchObject({ type: 'changed', recorded: { file: 'f', line: 2 } });
  });

  test('nothing under the name is unknown', () => {
    expect(decide(line('other', first), first)).toBe('unknown');
    expect(decide('', first)).toBe('unknown');
  });

  test('revoked beats ok', () => {
    expect(decide(`${line(web.name, first)}\n@revoked ${line('*', first)}`, first)).toBe('revoked');
    expect(decide(`${line(web.name, first)}\n@revoked ${line('*', second)}`, first)).toBe('ok');
  });

  test('a certificate authority says nothing about a plain key', () => {
    const lines = parseKnownHosts(`@cert-authority ${line('*.example.com', second)}`, 'f');
    expect(decideHostKey(lines, web, { key: first })).toEqual({
      type: 'unknown',
      certAuthority: true,
    });
  });

  test('without a line for the port, the bare name may say ok or revoked, never changed', () => {
    const other = { ...web, port: 2222 };
    expect(decide(line(web.name, first), first, other)).toBe('ok');
    expect(decide(line(web.name, first), second, other)).toBe('unknown');
    expect(decide(`@revoked ${line(web.name, first)}`, first, other)).toBe('revoked');
    expect(
      decide(
        `[${web.name}]:2222 x\n${line(`[${web.name}]:2222`, second)}\n${line(web.name, first)}`,
        first,
        other,
      ),
    ).toBe('changed');
  });

  test('a key that was learnt in this run needs no file, and is still refused when revoked', () => {
    const lines = parseKnownHosts(line(web.name, second), 'f');
    expect(decideHostKey(lines, web, { key: first, trusted: [first] }).type).toBe('ok');
    const revoked = parseKnownHosts(`@revoked ${line('*', first)}`, 'f');
    expect(decideHostKey(revoked, web, { key: first, trusted: [first] }).type).toBe('revoked');
  });
});

describe('the order of algorithms', () => {
  test('known types come first, RSA by its newer signatures, SHA-1 never', () => {
    const lines = parseKnownHosts(line(web.name, rsa), 'f');
    expect(hostKeyAlgorithms(lines, web)).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-ed25519',
      'ecdsa-sha2-nistp256',
      'ecdsa-sha2-nistp384',
      'ecdsa-sha2-nistp521',
    ]);
    expect(hostKeyAlgorithms([], web)[0]).toBe('ssh-ed25519');
    expect(hostKeyAlgorithms(lines, { ...web, port: 2222 })[0]).toBe('rsa-sha2-512');
  });
});

describe('writing', () => {
  test('a name that would be a pattern is refused', () => {
    expect(formatKnownHostsLine('web*', first, null)).toBeNull();
    expect(formatKnownHostsLine('a,b', first, null)).toBeNull();
    expect(formatKnownHostsLine('[web1]:2222', first, null)).toBe(line('[web1]:2222', first));
    expect(formatKnownHostsLine('::1', first, null)).toBe(line('::1', first));
  });

  test('a missing final newline is added first, and what is there stays', async () => {
    const file = join(temporaryDirectory(), 'known_hosts');
    writeFileSync(file, line('other', second));
    expect(await appendKnownHost({ file, who: web, key: first, hash: false })).toEqual({
      ok: true,
      value: null,
    });
    expect(readFileSync(file, 'utf8')).toBe(`${line('other', second)}\n${line(web.name, first)}\n`);
  });

  test('a file that cannot be written is told', async () => {
    const directory = temporaryDirectory();
    const result = await appendKnownHost({ file: directory, who: web, key: first, hash: false });
    expect(result).toEqual({ ok: false, error: `${directory} could not be written (EISDIR)` });
  });

  test('a file that is missing is empty, one that cannot be read is told', async () => {
    const directory = temporaryDirectory();
    const read = await readKnownHosts([join(directory, 'none'), directory]);
    expect(read).toEqual({ lines: [], unreadable: [`${directory} could not be read (EISDIR).`] });
  });
});

describe.skipIf(!hasKeygen)('compared with ssh-keygen', () => {
  test('fingerprints are the same', () => {
    const file = join(temporaryDirectory(), 'key.pub');
    writeFileSync(file, `${rsa.type} ${rsa.base64}\n`);
    expect(keygen('-lf', file)).toContain(fingerprint(rsa));
  });

  test('a hashed file is read as the plain one', () => {
    const file = join(temporaryDirectory(), 'known_hosts');
    const names = ['web1', '[web1]:2222', '192.0.2.1', '[2001:db8::1]:22022'];
    writeFileSync(file, names.map((name) => `${line(name, first)}\n`).join(''));
    keygen('-H', '-f', file);
    const lines = parseKnownHosts(readFileSync(file, 'utf8'), file);
    expect(lines).toHaveLength(4);
    for (const name of names) {
      expect(linesFor(lines, name), name).toHaveLength(1);
    }
    expect(linesFor(lines, 'web2')).toEqual([]);
  });

  test('names are found on the same lines', () => {
    const file = join(temporaryDirectory(), 'known_hosts');
    const fields = [
      'web1,web2',
      'web*',
      '*,!web1',
      '[web1]:2222',
      '[web?]:*',
      'WEB1',
      '!web1',
      '*',
    ];
    writeFileSync(file, fields.map((field) => `${line(field, first)}\n`).join(''));
    const lines = parseKnownHosts(readFileSync(file, 'utf8'), file);
    for (const name of ['web1', 'web2', 'web33', '[web1]:2222', '[web2]:22', 'other']) {
      const found = [...keygen('-F', name, '-f', file).matchAll(/found: line (\d+)/g)].map((one) =>
        Number(one[1]),
      );
      expect(
        linesFor(lines, name).map((one) => one.line),
        name,
      ).toEqual(found);
    }
  });

  test('what we store, plain and hashed, ssh-keygen finds', async () => {
    const file = join(temporaryDirectory(), 'known_hosts');
    await appendKnownHost({ file, who: { ...web, port: 2222 }, key: first, hash: true });
    await appendKnownHost({
      file,
      who: { name: '2001:db8::1', port: 22, isAlias: false },
      key: first,
      hash: false,
    });
    expect(keygen('-F', '[web1.example.com]:2222', '-f', file)).toContain('found: line 1');
    expect(keygen('-F', '2001:db8::1', '-f', file)).toContain('found: line 2');
    expect(readFileSync(file, 'utf8')).not.toContain('web1');
  });
});

function keygen(...args: string[]): string {
  return spawnSync('ssh-keygen', args, { encoding: 'utf8', timeout: 10_000 }).stdout;
}
