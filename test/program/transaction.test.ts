import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../src/core/change.ts';
import { Secret } from '../../src/core/secret.ts';
import { compileQuestion } from '../../src/program/ask.ts';
import { guardFunctions } from '../../src/program/guard.ts';
import { stateFunctions } from '../../src/program/run-state.ts';
import { commonFunctions } from '../../src/program/runtime.ts';
import { compileStage } from '../../src/program/stage.ts';
import { changeOf } from './support/change.ts';
import { BareHost } from './support/namespace.ts';
import { shells } from './support/shells.ts';

const isRoot = process.getuid?.() === 0 && process.platform === 'linux';
const token = '00112233445566778899aabbccddeeff';
const tag = 'ffeeddccbbaa99887766554433221100';
const things = '/var/lib/things';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function write(name: string, before: string | null, after: string | null): Change {
  return changeOf(
    {
      type: 'write',
      path: `${things}/${name}`,
      beforeSha256: before === null ? null : sha256(before),
      content: after,
    },
    { type: 'snapshot' },
  );
}

function waitFor(name: string): Change {
  const script = `until [ -e ${things}/${name} ]; do sleep 0.1; done`;
  return changeOf({ type: 'run', argv: ['sh', '-c', script] }, { type: 'run', argv: ['true'] });
}

function stage(runId: string, changes: readonly Change[], guardSeconds = 60): string {
  const confirmSha256 = sha256('secret\n');
  return compileStage({ runId, token, confirmSha256, guardSeconds, changes, about: ['a test'] });
}

function ask(runId: string, question: Parameters<typeof compileQuestion>[1]): string {
  return compileQuestion(runId, question, tag);
}

const stateOf = (runId: string, state: string): string =>
  `[ -e /var/lib/remedy/${runId}/${state} ] && echo yes`;

// Each test has a run, and files, of its own: they share the host and its one lock in turn.
describe.skipIf(!isRoot).each(shells)('a transaction under $name', (shell) => {
  let host: BareHost;

  beforeAll(async () => {
    host = await BareHost.create(shell);
  });

  afterAll(() => {
    host.close();
  });

  const contents = (): string =>
    host.run(`cd ${things}; for f in *; do printf '%s=%s;' "$f" "$(cat "$f")"; done`);
  const locked = (): string => host.run('[ -e /var/lib/remedy/lock ] && echo yes').trim();

  it('is kept by its token, and by no other', () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a; printf gone >${things}/b`);
    const journal = host.run(
      stage('keep', [write('a', 'old', 'new'), write('b', 'gone', null), write('c', null, 'made')]),
    );
    expect(journal).toContain(`${token} armed loop none`);
    expect(journal).toContain(`${token} end applied 60`);
    expect(contents()).toBe('a=new;c=made;');
    const wrong = host.run(ask('keep', { verb: 'confirm', token: new Secret('guess') }));
    expect(wrong).toContain(`${tag} refuse token`);
    expect(locked()).toBe('yes');
    const right = host.run(ask('keep', { verb: 'confirm', token: new Secret('secret') }));
    expect(right).toMatch(new RegExp(`${tag} state confirmed \\d+ applied`));
    expect(locked()).toBe('');
    expect(contents()).toBe('a=new;c=made;');
    expect(host.run(`ls -A ${things}`).split('\n')).toEqual(['a', 'c', '']);
  });

  // The guard looks at two things, one after the other, while the applier comes to its end.
  it('is not taken back where the applier ends between two looks of its guard', () => {
    const program = [commonFunctions, stateFunctions, guardFunctions].join('\n');
    const script = [
      program,
      'R=$(mktemp -d) || exit',
      ': >"$R/applier"',
      'alive() { : >"$R/applied"; return 1; }',
      'if applier_died; then echo died; else echo ended; fi',
      'alive() { return 1; }; rm "$R/applied"',
      'if applier_died; then echo died; else echo ended; fi',
      'rm -r "$R"',
    ].join('\n');
    expect(host.run(script)).toBe('ended\ndied\n');
  });

  it('is looked after again when somebody asks after its guard was stopped', async () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a`);
    host.run(stage('alone', [write('a', 'old', 'new')], 1));
    host.run('read -r b pid rest </var/lib/remedy/alone/guard; kill -KILL "$pid"');
    // Asked before its time it is left alone: it may still be confirmed.
    await host.until(
      `read -r now _ </proc/uptime; [ "\${now%%.*}" -ge "$(cat /var/lib/remedy/alone/deadline)" ] && echo yes`,
    );
    expect(host.run(stateOf('alone', 'armed')).trim()).toBe('yes');
    host.run(ask('alone', { verb: 'status' }));
    await host.until(stateOf('alone', 'reverted'));
    expect(contents()).toBe('a=old;');
  });

  it('takes everything back when nobody confirms', async () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a; chmod 640 ${things}/a`);
    host.run(stage('late', [write('a', 'old', 'new'), write('c', null, 'made')], 1));
    await host.until(stateOf('late', 'reverted'));
    expect(contents()).toBe('a=old;');
    expect(host.run(`stat -c %a ${things}/a`)).toBe('640\n');
    await host.until('[ -e /var/lib/remedy/lock ] || echo yes');
  });

  it('takes everything back when a change fails, the half-made one too', () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a`);
    const fails = changeOf(
      { type: 'run', argv: ['sh', '-c', `echo half >${things}/h; exit 7`] },
      { type: 'run', argv: ['rm', '-f', `${things}/h`] },
    );
    const journal = host.run(stage('fail', [write('a', 'old', 'new'), fails]));
    expect(journal).toContain(`${token} failed 2 7`);
    expect(journal).toContain(`${token} end reverted`);
    expect(contents()).toBe('a=old;');
    expect(locked()).toBe('');
  });

  it('takes everything back when the program that makes the changes is killed', async () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a`);
    const child = host.start(stage('kill', [write('a', 'old', 'new'), waitFor('never')]));
    await host.until('grep -q "start 2" /var/lib/remedy/kill/journal && echo yes');
    host.run('read -r b pid rest </var/lib/remedy/kill/applier; kill -KILL "$pid"');
    await host.until(stateOf('kill', 'reverted'));
    expect(contents()).toBe('a=old;');
    child.kill();
  });

  it('goes on taking back when that was killed', async () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a`);
    const slow = changeOf(
      { type: 'run', argv: ['true'] },
      { type: 'run', argv: ['sh', '-c', `until [ -e ${things}/go ]; do sleep 0.1; done`] },
    );
    host.run(stage('again', [write('a', 'old', 'new'), slow]));
    // A reverter that is not the guard, as the applier is after a failure.
    const child = host.start(
      'cd /var/lib/remedy/again && mv armed reverting && { echo "$(cat /proc/sys/kernel/random/boot_id) 999999 1 again" >reverter; }',
    );
    await host.until(
      'grep -q "undone 2\\|end reverted" /var/lib/remedy/again/journal || grep -qx "$(cat /var/lib/remedy/again/guard)" /var/lib/remedy/again/reverter && echo yes',
    );
    host.run(`: >${things}/go`);
    await host.until(stateOf('again', 'reverted'));
    expect(host.run(`cat ${things}/a`)).toBe('old');
    child.kill();
  });

  it('refuses a second run, and names the first', () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a`);
    host.run(stage('first', [write('a', 'old', 'new')]));
    const second = host.run(stage('second', [write('a', 'new', 'newer')]));
    expect(second).toContain(`${token} refuse locked run first holds this host: armed`);
    expect(second).toContain(`${token} end refused`);
    expect(host.run(ask('first', { verb: 'revert' }))).toContain(`${tag} state reverted`);
    expect(contents()).toBe('a=old;');
  });

  it('settles a run that died with its guard, and takes nothing over', () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a`);
    host.run(stage('dead', [write('a', 'old', 'new')]));
    host.run('read -r b pid rest </var/lib/remedy/dead/guard; kill -KILL "$pid"');
    const next = host.run(stage('next', [write('a', 'new', 'newer')]));
    expect(next).toContain(
      `${token} refuse settled run dead had died half-way; now it is reverted`,
    );
    expect(contents()).toBe('a=old;');
    expect(locked()).toBe('');
  });

  it('writes nothing where a file is not as it was observed', () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a; printf edited >${things}/b`);
    const journal = host.run(stage('drift', [write('a', 'old', 'new'), write('b', 'old', 'new')]));
    expect(journal).toContain(`${token} refuse drift 2`);
    expect(journal).not.toContain('armed');
    expect(contents()).toBe('a=old;b=edited;');
    expect(locked()).toBe('');
  });

  it('keeps an edit that someone else made since, shows it, and says that it is stuck', () => {
    host.run(`rm -f ${things}/*; printf 'old\\n' >${things}/a; printf 'old\\n' >${things}/b`);
    host.run(stage('stuck', [write('a', 'old\n', 'new\n'), write('b', 'old\n', 'new\n')]));
    host.run(`echo theirs >>${things}/a`);
    const answer = host.run(ask('stuck', { verb: 'revert' }));
    expect(answer).toContain(`${tag} state stuck`);
    expect(answer).toContain('+theirs');
    expect(contents()).toBe('a=new\ntheirs;b=old;');
    expect(locked()).toBe('');
  });

  it('comes back as it was after a start anew', async () => {
    host.run(`rm -f ${things}/*; printf old >${things}/a`);
    host.run(stage('boot', [write('a', 'old', 'new')]));
    // As after a power cut: nobody is left, and the boot id is another.
    host.run(
      'cd /var/lib/remedy/boot; read -r b pid rest <guard; kill -KILL "$pid"; for f in guard applier owner; do printf "other-boot 1 1 boot\\n" >$f; done; cp owner ../lock; sh program boot early </dev/null',
    );
    await host.until(stateOf('boot', 'reverted'));
    expect(contents()).toBe('a=old;');
    expect(locked()).toBe('');
  });
});
