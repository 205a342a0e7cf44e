import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commonFunctions, environment } from '../../src/program/runtime.ts';
import { sshdActionFunctions } from '../../src/program/sshd-actions.ts';
import { quoteArgv, type Argv } from '../../src/core/quote.ts';
import { isRoot, shellcheck, shells } from './support/shells.ts';

// Stands for sshd: refuses each line that begins with "bad", in the files of $TREE, one at a time.
const sshd = `#!/bin/sh
[ -d "$TREE" ] || exit 9
for f in "$TREE"/*.conf; do
  n=$(grep -n '^bad' "$f" | head -n 1 | cut -d : -f 1)
  [ -z "$n" ] || { echo "$f line $n: bad line" >&2; exit 255; }
done
exit 0
`;

const namespaces = isRoot && spawnSync('unshare', ['-m', 'true']).status === 0;
if (!namespaces) {
  process.stderr.write('SKIPPED: the gate of sshd needs root and mount namespaces\n');
}

let root = '';

beforeEach(() => {
  root = mkdtempSync('/var/tmp/remedy-sshd-');
  mkdirSync(join(root, 'bin'));
  mkdirSync(join(root, 'tree', 'folder'), { recursive: true });
  script('sshd', sshd);
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function script(name: string, text: string): void {
  writeFileSync(join(root, 'bin', name), text);
  chmodSync(join(root, 'bin', name), 0o755);
}

function put(name: string, text: string): string {
  const path = join(root, 'tree', name);
  writeFileSync(path, text);
  return path;
}

function gate(
  shell: Argv,
  file: string,
  candidate: string,
  first = '',
): { ok: boolean; said: string } {
  const text = [
    environment,
    commonFunctions,
    sshdActionFunctions,
    `${first}\nPATH=${root}/bin:$PATH R=${root}`,
    quoteArgv(['sshd_gate', file, candidate]),
  ].join('\n');
  const run = spawnSync(shell[0], shell.slice(1), {
    input: `{\n${text}\nexit\n}\n`,
    encoding: 'utf8',
    env: { ...process.env, TREE: join(root, 'tree') },
  });
  return { ok: run.status === 0, said: run.stdout + run.stderr };
}

describe.skipIf(!namespaces).each(shells)('the gate under $name', ({ argv }) => {
  it('tries a new file in its folder, and leaves nothing', () => {
    const good = put('.new', 'fine\n');
    const before = readdirSync(join(root, 'tree'));
    expect(gate(argv, join(root, 'tree', 'a.conf'), good)).toEqual({ ok: true, said: '' });
    const bad = put('.new', 'fine\nbad\n');
    const file = join(root, 'tree', 'a.conf');
    expect(gate(argv, file, bad)).toEqual({ ok: false, said: `${file} line 2: bad line\n` });
    expect(readdirSync(join(root, 'tree'))).toEqual(before);
  });

  it('tries another text for a file, and a file that goes', () => {
    const file = put('a.conf', 'fine\n');
    expect(gate(argv, file, put('.new', 'bad\n')).ok).toBe(false);
    expect(gate(argv, file, put('.new', 'better\n')).ok).toBe(true);
    expect(gate(argv, put('b.conf', 'bad\n'), '/dev/null').ok).toBe(true);
  });

  it('what was refused before does not stand in the way, a new fault does', () => {
    put('a.conf', 'bad old\n');
    const file = put('b.conf', 'fine\nbad too\n');
    expect(gate(argv, file, put('.new', 'mended\nbad too\n')).ok).toBe(true);
    rmSync(join(root, 'tree', 'a.conf'));
    expect(gate(argv, file, put('.new', 'bad new\nbad too\n'))).toEqual({
      ok: false,
      said: `${file} line 1: bad line\n`,
    });
  });

  it('words with blanks and quotes are words', () => {
    const file = put("it's $(x) a.conf", 'fine\n');
    expect(gate(argv, file, put('.new', 'bad\n')).said).toBe(`${file} line 1: bad line\n`);
  });
});

it.skipIf(shellcheck === null)('passes shellcheck', () => {
  const run = spawnSync(shellcheck ?? '', ['-s', 'sh', '-S', 'warning', '-'], {
    input: `${environment}${commonFunctions}R=/x\n${sshdActionFunctions}\nsshd_gate "$@"`,
    encoding: 'utf8',
  });
  expect(run.stdout).toBe('');
});
