import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Argv } from '../../src/core/quote.ts';
import type { Change } from '../../src/core/change.ts';
import { sha256Of } from '../../src/core/digest.ts';
import { sealChange } from '../../src/core/seal.ts';
import { Secret } from '../../src/core/secret.ts';
import { compileQuestion } from '../../src/program/ask.ts';
import { printBytes } from '../../src/program/bytes.ts';
import { commonFunctions } from '../../src/program/runtime.ts';
import { compileStage } from '../../src/program/stage.ts';
import { changeOf } from './support/change.ts';
import { BareHost } from './support/namespace.ts';
import { isRoot, shellcheck, shells } from './support/shells.ts';

const token = '00112233445566778899aabbccddeeff';
const tag = 'ffeeddccbbaa99887766554433221100';
const things = '/var/lib/things';
const state = '/var/lib/remedy';

const oldSecret = 'old-Hohloh7w';
const newSecret = 'new-Aix4thee';

interface Write {
  readonly before: string | null;
  readonly after: string | null;
  readonly gate?: Argv;
  readonly sensitive?: boolean;
}

function write(name: string, { before, after, gate, sensitive = true }: Write): Change {
  return sealChange(
    changeOf(
      {
        type: 'write',
        path: `${things}/${name}`,
        beforeSha256: before === null ? null : sha256Of(before),
        content: after,
        ...(gate !== undefined && { gate }),
      },
      { type: 'snapshot' },
      { sensitive, before: before ?? '', after: after ?? '' },
    ),
  );
}

function waitFor(name: string): Change {
  const script = `until [ -e ${things}/${name} ]; do sleep 0.1; done`;
  return changeOf({ type: 'run', argv: ['sh', '-c', script] }, { type: 'run', argv: ['true'] });
}

function stage(runId: string, changes: readonly Change[], guardSeconds = 60): string {
  const confirmSha256 = sha256Of('confirm\n');
  return compileStage({ runId, token, confirmSha256, guardSeconds, changes, about: ['a test'] });
}

const confirm = { verb: 'confirm', token: new Secret('confirm') } as const;
const revert = { verb: 'revert' } as const;

function ask(runId: string, question: Parameters<typeof compileQuestion>[1]): string {
  return compileQuestion(runId, question, tag);
}

describe('a stage program with secrets', () => {
  const program = stage('check', [write('a', { before: oldSecret, after: newSecret })]);

  it.skipIf(shellcheck === null)('passes shellcheck', () => {
    const argv = ['-s', 'sh', '-S', 'warning', '-'];
    const checked = spawnSync(shellcheck ?? '', argv, { input: program, encoding: 'utf8' });
    expect(checked.stdout).toBe('');
  });

  it('cannot be made of a receipt, which has digests only', () => {
    const stored = JSON.parse(
      JSON.stringify(write('a', { before: oldSecret, after: newSecret })),
    ) as Change;
    expect(() => stage('check', [stored])).toThrow('only the digest');
  });
});

describe.each(shells)('what $name prints by itself', ({ argv }) => {
  it('is no argument of another program', () => {
    const folder = mkdtempSync(join(tmpdir(), 'remedy-printf-'));
    const script = `#!/bin/sh\n: >${folder}/called\n`;
    writeFileSync(join(folder, 'printf'), script, { mode: 0o755 });
    const input = `PATH=${folder}\n${commonFunctions}\n${printBytes(newSecret)}\nline ${newSecret}\n`;
    const result = spawnSync(argv[0], argv.slice(1), { input, encoding: 'utf8' });
    expect(result.stdout).toBe(`${newSecret}${newSecret}\n`);
    expect(existsSync(join(folder, 'called'))).toBe(false);
    rmSync(folder, { recursive: true });
  });
});

// Each test has a run of its own: they share the host and its one lock in turn.
describe.skipIf(!isRoot).each(shells)('a sensitive change under $name', (shell) => {
  let host: BareHost;

  beforeAll(async () => {
    host = await BareHost.create(shell);
  });

  afterAll(() => {
    host.close();
  });

  beforeEach(() => {
    host.run(
      `rm -rf ${state}/* ${things}/* ${things}/.remedy*; printf %s ${oldSecret} >${things}/a`,
    );
  });

  /** The files below the runs' folder, and beside ours, that hold a text. */
  const holding = (text: string): string[] =>
    host
      .run(`grep -rlF -- ${text} ${state} ${things} | sort`)
      .split('\n')
      .filter((line) => line !== '');
  const journal = (runId: string): string => host.run(`cat ${state}/${runId}/journal`);
  const contentOf = (name: string): string => host.run(`cat ${things}/${name}`);
  const locked = (): string => host.run(`[ -e ${state}/lock ] && echo yes`).trim();

  it('leaves its content nowhere but in the file, and the old one for an undo', () => {
    const changes = [
      write('a', { before: oldSecret, after: newSecret }),
      write('b', { before: null, after: newSecret }),
    ];
    expect(host.run(stage('keep', changes))).toContain(`${token} end applied 60`);
    const kept = [`${state}/keep/files/1`];
    expect(holding(newSecret)).toEqual([`${things}/a`, `${things}/b`]);
    expect(holding(oldSecret)).toEqual([...kept, `${things}/.remedy-keep-1.old`]);
    expect(host.run(`stat -c %a ${things}/b`)).toBe('600\n');
    expect(host.run(`stat -c '%a %u' ${state} ${state}/keep ${state}/keep/files`)).toBe(
      '700 0\n700 0\n700 0\n',
    );
    expect(host.run(ask('keep', confirm))).toContain(`${tag} state confirmed`);
    expect(holding(newSecret)).toEqual([`${things}/a`, `${things}/b`]);
    expect(holding(oldSecret)).toEqual(kept);
  });

  it('keeps what comes later in a file of root alone, and takes it back whole', async () => {
    const changes = [
      write('a', { before: oldSecret, after: newSecret }),
      waitFor('never'),
      write('b', { before: null, after: newSecret }),
    ];
    const child = host.start(stage('wait', changes));
    await host.until(`grep -q ' start 2' ${state}/wait/journal && echo yes`);
    expect(host.run(`cd ${state}/wait; stat -c '%n %a %u' secret-*`)).toBe('secret-3 600 0\n');
    expect(holding(newSecret)).toEqual([`${state}/wait/secret-3`, `${things}/a`]);
    host.run(`read -r b pid rest <${state}/wait/applier; kill -KILL "$pid"`);
    await host.until(`[ -e ${state}/wait/reverted ] && [ ! -e ${state}/lock ] && echo yes`);
    expect(holding(newSecret)).toEqual([]);
    expect(holding(oldSecret)).toEqual([`${things}/a`]);
    child.kill();
  });

  it('leaves nothing when it is taken back on demand, or when nobody confirms', async () => {
    const changes = [write('a', { before: oldSecret, after: newSecret })];
    host.run(stage('back', changes));
    expect(host.run(ask('back', revert))).toContain(`${tag} state reverted`);
    expect(holding(newSecret)).toEqual([]);
    expect(holding(oldSecret)).toEqual([`${things}/a`]);
    host.run(stage('late', changes, 1));
    await host.until(`[ -e ${state}/late/reverted ] && [ ! -e ${state}/lock ] && echo yes`);
    expect(holding(newSecret)).toEqual([]);
    expect(holding(oldSecret)).toEqual([`${things}/a`]);
  });

  it('leaves nothing when nothing is begun: a foreign edit, a second run', () => {
    host.run(`printf edited >${things}/b`);
    const drift = [
      write('a', { before: oldSecret, after: newSecret }),
      write('b', { before: 'x', after: newSecret }),
    ];
    expect(host.run(stage('drift', drift))).toContain(`${token} refuse drift 2`);
    expect(holding(newSecret)).toEqual([]);
    expect(holding(oldSecret)).toEqual([`${things}/a`]);
    host.run(stage('first', [write('c', { before: null, after: 'x', sensitive: false })]));
    expect(host.run(stage('second', drift))).toContain(`${token} refuse locked`);
    expect(holding(newSecret)).toEqual([]);
    expect(holding(oldSecret)).toEqual([`${things}/a`]);
    host.run(ask('first', revert));
  });

  it('passes on no word of a gate', () => {
    const loud = ['sh', '-c', 'cat "$1"; cat "$1" >&2; exit 1', 'gate'] as const;
    const output = host.run(
      stage('gate', [write('a', { before: oldSecret, after: newSecret, gate: loud })]),
    );
    expect(output).toContain('refused by the check: sh -c');
    expect(output).toContain(`${token} end reverted`);
    expect(output).not.toContain(newSecret);
    expect(holding(newSecret)).toEqual([]);
    expect(contentOf('a')).toBe(oldSecret);
  });

  it('passes on no word of a command, when it is made or taken back', () => {
    const says = (status: number): Argv => ['sh', '-c', `cat ${things}/a; exit ${status}`];
    const change = (status: number): Change =>
      changeOf(
        { type: 'run', argv: says(status), explain: says(0) },
        { type: 'run', argv: says(9) },
        { sensitive: true },
      );
    const output = host.run(stage('command', [change(0), change(7)]));
    expect(output).toContain(`${token} failed 2 7`);
    expect(output).toContain(`${token} undo-failed 1 9`);
    expect(output).toContain('what the command said is not shown');
    expect(output).not.toContain(oldSecret);
    expect(journal('command')).not.toContain(oldSecret);
  });

  it('says so where a file was edited since, and shows nothing of it', () => {
    // The first of the two has nothing to hide; the file has.
    const changes = [
      write('a', { before: oldSecret, after: 'plain\n', sensitive: false }),
      write('a', { before: 'plain\n', after: newSecret }),
    ];
    host.run(stage('edit', changes));
    host.run(`echo theirs >>${things}/a`);
    const answer = host.run(ask('edit', revert));
    expect(answer).toContain(`${tag} state stuck`);
    expect(journal('edit')).toContain(`changed since it was looked at: ${things}/a`);
    expect(answer + journal('edit')).not.toMatch(new RegExp(`theirs|${newSecret}|${oldSecret}`));
    expect(contentOf('a')).toBe(`${newSecret}theirs\n`);
    expect(locked()).toBe('');
  });

  it('leaves nothing after a start anew', async () => {
    const changes = [
      write('a', { before: oldSecret, after: newSecret }),
      waitFor('never'),
      write('b', { before: null, after: newSecret }),
    ];
    const child = host.start(stage('boot', changes));
    await host.until(`grep -q ' start 2' ${state}/boot/journal && echo yes`);
    // As after a power cut: nobody is left, and the boot id is another.
    host.run(
      `cd ${state}/boot; for f in guard applier; do read -r b pid rest <$f; kill -KILL "$pid"; done; rm -f reverter; for f in guard applier owner; do printf "other-boot 1 1 boot\\n" >$f; done; cp owner ../lock; sh program boot early </dev/null`,
    );
    await host.until(`[ -e ${state}/boot/reverted ] && echo yes`);
    expect(holding(newSecret)).toEqual([]);
    expect(holding(oldSecret)).toEqual([`${things}/a`]);
    child.kill();
  });

  it('is swept up by the next run where it was cut off before it began', () => {
    host.run(
      `cd ${state} && mkdir dead live && printf ${newSecret} >dead/secret-1 && cp dead/secret-1 live/
      printf 'other-boot 1 1 dead\\n' >dead/loader
      stat=$(cat /proc/$$/stat); set -- \${stat##*) }
      echo "$(cat /proc/sys/kernel/random/boot_id) $$ \${20} live" >live/loader
      ${stage('sweep', [write('b', { before: null, after: 'x', sensitive: false })])}`,
    );
    expect(holding(newSecret)).toEqual([`${state}/live/secret-1`]);
    host.run(`rm -r ${state}/live`);
    host.run(ask('sweep', revert));
  });
});
