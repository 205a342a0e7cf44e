import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '../../src/core/change.ts';
import { commonFunctions } from '../../src/program/runtime.ts';
import { compileStage } from '../../src/program/stage.ts';
import { wrapProgram } from '../../src/program/wrap.ts';
import { changeOf } from './support/change.ts';
import { shellcheck, shells } from './support/shells.ts';

const token = '00112233445566778899aabbccddeeff';
const identity = { inode: '1:2', uid: 1000, gid: 1000, mode: '0644' };

const actions: readonly Action[] = [
  { type: 'run', argv: ['ufw', 'allow', "it's; reboot"] },
  {
    type: 'write',
    path: "/etc/it's",
    beforeSha256: null,
    content: 'a\u00ffb\0c\n',
    gate: ['sshd', '-t', '-f'],
  },
  {
    type: 'attributes',
    directory: '/home/x',
    directoryInode: '1:2',
    name: 'authorized_keys',
    before: identity,
    uid: 0,
    gid: 0,
    mode: '0600',
  },
  { type: 'nft-delete', family: 'inet', table: 'filter', chain: 'input', comment: 'remedy x' },
  { type: 'host-key', path: '/etc/ssh/ssh_host_rsa_key', keyType: 'rsa', aside: 'remedy-x' },
  { type: 'write', path: '/etc/gone', beforeSha256: '1'.repeat(64), content: null },
  { type: 'sshd-reload', unit: 'ssh.service', ports: [22, 2222] },
  { type: 'socket-restart', socket: 'ssh.socket', service: 'ssh.service', ports: [22] },
];

const program = compileStage({
  runId: 'test-run',
  token,
  confirmSha256: '0'.repeat(64),
  guardSeconds: 120,
  about: ["it's a test"],
  changes: actions.map((action) =>
    changeOf(
      action,
      action.type === 'run' ? { type: 'run', argv: ['true'] } : { type: 'snapshot' },
    ),
  ),
});

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'remedy-stage-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('compileStage', () => {
  it.skipIf(shellcheck === null)(
    'makes a program that passes shellcheck, the one inside it too',
    () => {
      const start = program.indexOf('\ncontent_program() {');
      const script = `${commonFunctions}\n${program.slice(start, program.lastIndexOf('\nmain() {'))}\ncontent_program\n`;
      const inner = spawnSync('sh', [], { input: script, encoding: 'utf8', maxBuffer: 1e8 }).stdout;
      expect(inner).toContain('take_lock');
      for (const text of [program, inner]) {
        const checked = spawnSync(shellcheck ?? 'shellcheck', ['-s', 'sh', '-S', 'warning', '-'], {
          input: text,
          encoding: 'utf8',
        });
        expect(checked.stdout).toBe('');
      }
    },
  );
});

describe.each(shells)('a program under $name', ({ argv }) => {
  it('runs nothing where it was cut off', { timeout: 120_000 }, () => {
    const marker = join(folder, 'cut');
    const text = wrapProgram(
      `f() {\ntouch ${marker}-function\n}\ntouch ${marker}-top`,
      `touch ${marker}-body\nf`,
    );
    for (let at = 0; at < text.length - 1; at += Math.ceil(text.length / 300)) {
      spawnSync(argv[0], argv.slice(1), { input: text.slice(0, at) });
    }
    spawnSync(argv[0], argv.slice(1), { input: text.slice(0, -2) });
    expect(readdirSync(folder)).toEqual([]);
    spawnSync(argv[0], argv.slice(1), { input: text });
    expect(readdirSync(folder).toSorted()).toEqual(['cut-body', 'cut-function', 'cut-top']);
    for (const name of readdirSync(folder)) {
      rmSync(join(folder, name));
    }
  });

  it('does nothing where a stage program was cut off', { timeout: 60_000 }, () => {
    for (let step = 0; step < 25; step += 1) {
      const prefix = program.slice(0, Math.floor(((program.length - 3) * step) / 24));
      expect(spawnSync(argv[0], argv.slice(1), { input: prefix, encoding: 'utf8' }).stdout).toBe(
        '',
      );
    }
  });

  it('is whole for the shell: it parses without an error', () => {
    const parsed = spawnSync(argv[0], [...argv.slice(1), '-n'], {
      input: program,
      encoding: 'utf8',
    });
    expect(parsed.stderr).toBe('');
    expect(parsed.status).toBe(0);
  });
});
