import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Action, Change, Undo } from '../../src/core/change.ts';
import { sha256Of } from '../../src/core/digest.ts';
import { sealChange } from '../../src/core/seal.ts';
import { SecretText } from '../../src/core/secret-text.ts';
import { FactSet, known, unknown, type Observed } from '../../src/facts/fact.ts';
import type { HostFile } from '../../src/facts/files.ts';
import type { RunFiles } from '../../src/facts/run-files.ts';
import { changeDiff } from '../../src/plan/diff.ts';
import type { PlannedStep } from '../../src/plan/plan.ts';
import type { StageReceipt } from '../../src/plan/receipt.ts';
import { planUndo, undoRequest } from '../../src/plan/undo.ts';
import { changeOf } from '../program/support/change.ts';

const path = '/etc/ssh/sshd_config';

function write(before: string | null, after: string | null, more: Partial<Change> = {}): Change {
  const action: Action = {
    type: 'write',
    path,
    beforeSha256: before === null ? null : sha256Of(before),
    content: after,
  };
  const text = { target: path, before: before ?? '', after: after ?? '' };
  return changeOf(action, { type: 'snapshot' }, { ...text, ...more });
}

/** A receipt as it comes back from the disk. */
function stageOf(changes: readonly Change[], facts: Partial<StageReceipt> = {}): StageReceipt {
  const stage: StageReceipt = {
    runId: '20260101-000000-abcdef',
    state: 'confirmed',
    changes: changes.map(sealChange),
    before: [],
    after: [],
    ...facts,
  };
  return JSON.parse(JSON.stringify(stage)) as StageReceipt;
}

const file = (text: string, name = path): HostFile => ({
  path: name,
  text,
  sha256: sha256Of(text),
});

interface Host {
  /** The file now; null where it is gone. */
  readonly now?: string | null;
  /** What the run kept, by the number of the change. */
  readonly kept?: Readonly<Record<number, string>>;
  readonly holds?: Readonly<Record<number, boolean | null>>;
  /** The names of the host keys that the run moved aside. */
  readonly aside?: readonly string[];
  readonly facts?: Readonly<Record<string, unknown>>;
}

function numbered<T>(record: Readonly<Record<number, T>> = {}): [number, T][] {
  return Object.entries(record).map(([number, value]) => [Number(number), value]);
}

function factsOf(
  stage: StageReceipt,
  { now = null, kept, holds, aside, facts = {} }: Host,
): FactSet {
  const files: RunFiles = {
    kept: new Map(numbered(kept).map(([number, text]) => [number, file(text, `files/${number}`)])),
    now: now === null ? [] : [file(now)],
    holds: new Map(numbered(holds)),
    aside: new Set(aside),
  };
  const values = Object.entries(facts).map(([key, value]): [string, Observed<unknown>] => [
    key,
    known(value),
  ]);
  return new FactSet(new Map([[undoRequest(stage).key, known<unknown>(files)], ...values]));
}

function undo(changes: readonly Change[], host: Host, facts: Partial<StageReceipt> = {}) {
  const stage = stageOf(changes, facts);
  const observed = factsOf(stage, host);
  const plan = planUndo(stage, observed, 'UNDO');
  return { plan, step: plan.steps[0] as PlannedStep };
}

const actionsOf = (step: PlannedStep): readonly Action[] =>
  step.changes.map(({ action }) => action);

describe('planUndo of a file', () => {
  it.each<[string, string | null, string | null]>([
    ['puts the old bytes back', 'old\n', 'new\n'],
    ['takes a file away that the run made', null, 'new\n'],
    ['brings a file back that the run took away', 'old\n', null],
  ])('%s', (_, before, after) => {
    const kept = before === null ? {} : { 1: before };
    const { step } = undo([write(before, after)], { now: after, kept });
    expect(step.action).toBe('change');
    expect(actionsOf(step)).toEqual([
      {
        type: 'write',
        path,
        beforeSha256: after === null ? null : sha256Of(after),
        content: before,
      },
    ]);
    expect(step.changes[0]).toMatchObject({
      undo: { type: 'snapshot' },
      holds: null,
      summary: `put ${path} back as it was before run 20260101-000000-abcdef`,
      before: after ?? '',
      after: before ?? '',
    });
  });

  it('needs no gate: what stood there comes back', () => {
    const gated = write('old\n', 'new\n');
    const gate = ['sshd_gate', path] as const;
    const { step } = undo([{ ...gated, action: { ...gated.action, gate } as Action }], {
      now: 'new\n',
      kept: { 1: 'old\n' },
    });
    expect(actionsOf(step)).toEqual([
      { type: 'write', path, beforeSha256: sha256Of('new\n'), content: 'old\n' },
    ]);
  });

  it('of several changes of one file makes one, from the last text to the first', () => {
    const { step } = undo([write('a', 'b'), write('b', 'c')], {
      now: 'c',
      kept: { 1: 'a', 2: 'b' },
    });
    expect(actionsOf(step)).toMatchObject([{ beforeSha256: sha256Of('c'), content: 'a' }]);
  });

  it('leaves alone what is undone already', () => {
    const { step, plan } = undo([write('old', 'new')], { now: 'old', kept: { 1: 'old' } });
    expect(step).toMatchObject({ action: 'none', reason: 'nothing of it is left', changes: [] });
    expect(plan).toMatchObject({ later: [], foreseen: [] });
  });

  it('is refused with the edit where someone else edited since', () => {
    const { step } = undo([write('old\n', 'new\n')], {
      now: 'new\ntheirs\n',
      kept: { 1: 'old\n' },
    });
    expect(step).toMatchObject({ action: 'blocked', changes: [] });
    expect(step.reason).toContain(`${path} was edited since by someone else`);
    expect(step.reason).toContain('+theirs');
    expect(step.todo).toContain('by hand');
  });

  it('is refused where someone took the file away', () => {
    const { step } = undo([write('old\n', 'new\n')], { now: null, kept: { 1: 'old\n' } });
    expect(step.action).toBe('blocked');
    expect(step.reason).toContain('-new');
  });

  it.each([
    ['gone', {}],
    ['another one', { 1: 'tampered' }],
  ])('is refused where the copy is %s', (_, kept) => {
    const { step } = undo([write('old', 'new')], { now: 'new', kept });
    expect(step).toMatchObject({
      action: 'blocked',
      reason: `the copy of ${path} that the run kept is gone or was changed`,
    });
  });

  it('one edit refuses all of it', () => {
    const command = changeOf(
      { type: 'run', argv: ['ufw', 'allow', '22'] },
      { type: 'run', argv: ['ufw', 'delete', 'allow', '22'] },
    );
    const { step } = undo([command, write('old', 'new')], { now: 'theirs', kept: { 2: 'old' } });
    expect(step).toMatchObject({ action: 'blocked', changes: [] });
  });
});

describe('planUndo of a file that holds a secret', () => {
  const secrets = ['old-Hohloh7w', 'new-Aix4thee', 'edit-Xoo2uqu'] as const;
  const [old, fresh, edit] = secrets;
  const sensitive = { sensitive: true };

  it.each<[string, string | null, string | null]>([
    ['written anew', old, fresh],
    ['made', null, fresh],
    ['taken away', old, null],
  ])('%s: is planned by the digest alone, and is sensitive itself', (_, before, after) => {
    const kept = before === null ? {} : { 1: before };
    const { step, plan } = undo([write(before, after, sensitive)], { now: after, kept });
    const [back] = step.changes;
    expect(back).toMatchObject({
      sensitive: true,
      action: { beforeSha256: after === null ? null : sha256Of(after) },
    });
    const { action } = back as Change;
    const content = action.type === 'write' ? action.content : undefined;
    expect(content instanceof SecretText ? content.reveal() : content).toBe(before);
    for (const text of [inspect(plan, { depth: 9 }), JSON.stringify(plan)]) {
      expect(text).not.toMatch(/Hohloh|Aix4/);
    }
    expect(changeDiff(back as Change)).toContain(`-sha256:${sha256Of(after ?? '')}`);
    expect(changeDiff(back as Change)).toContain(`+sha256:${sha256Of(before ?? '')}`);
  });

  it('shows nothing of a foreign edit', () => {
    const { step } = undo([write(old, fresh, sensitive)], { now: edit, kept: { 1: old } });
    expect(step).toMatchObject({
      action: 'blocked',
      reason: `${path} was edited since by someone else`,
    });
  });

  it('is undone already where the old bytes are back', () => {
    const { step } = undo([write(old, fresh, sensitive)], { now: old, kept: { 1: old } });
    expect(step.action).toBe('none');
  });

  it('is one also where only a later change of the file was', () => {
    const changes = [write('plain', 'plainer'), write('plainer', fresh, sensitive)];
    const planned = undo(changes, { now: fresh, kept: { 1: 'plain' } }).step;
    expect(planned.changes).toMatchObject([{ sensitive: true }]);
    expect(inspect(planned, { depth: 9 })).not.toContain(fresh);
    const edited = undo(changes, { now: edit, kept: { 1: 'plain' } }).step;
    expect(edited.reason).toBe(`${path} was edited since by someone else`);
  });

  it('foresees no fact that it touched', () => {
    const touched = { ...sensitive, factsAfter: [{ key: 'secrets', value: fresh }] };
    const { step, plan } = undo([write(old, fresh, touched)], {
      now: fresh,
      kept: { 1: old },
      facts: { secrets: fresh },
    });
    expect(step.changes[0]?.invalidates).toEqual(['secrets']);
    expect(plan.facts.byKey('secrets')).toMatchObject({ known: false });
  });
});

describe('planUndo of what is not a file', () => {
  const identity = { inode: '1:2', uid: 0, gid: 0, mode: '0644' };
  const attributes = (mode: string): Action => ({
    type: 'attributes',
    directory: '/home/a/.ssh',
    directoryInode: '1:1',
    name: 'authorized_keys',
    before: identity,
    uid: 0,
    gid: 0,
    mode,
  });

  it.each<[Action['type'], Action, Exclude<Undo, { type: 'snapshot' | 'none' }>]>([
    [
      'run',
      { type: 'run', argv: ['ufw', 'allow', '22'] },
      { type: 'run', argv: ['ufw', 'delete', 'allow', '22'] },
    ],
    ['attributes', attributes('0600'), attributes('0644')],
    [
      'sshd-reload',
      { type: 'sshd-reload', unit: 'ssh.service', ports: [22, 2222] },
      { type: 'sshd-reload', unit: 'ssh.service', ports: [22] },
    ],
    [
      'socket-restart',
      { type: 'socket-restart', socket: 'ssh.socket', service: 'ssh.service', ports: [2222] },
      { type: 'socket-restart', socket: 'ssh.socket', service: 'ssh.service', ports: [22] },
    ],
    [
      'nft-delete',
      { type: 'run', argv: ['nft', 'insert', 'rule', 'inet', 'filter', 'input', 'accept'] },
      { type: 'nft-delete', family: 'inet', table: 'filter', chain: 'input', comment: 'remedy' },
    ],
  ])('turns it round: %s', (_, action, back) => {
    const more = { summary: 'do it', before: 'was\n', after: 'is\n', holds: ['true'] as const };
    const { step } = undo([changeOf(action, back, more)], { holds: { 1: true } });
    expect(step.changes).toMatchObject([
      {
        action: back,
        undo: action,
        holds: null,
        summary: 'take back: do it',
        before: 'is\n',
        after: 'was\n',
      },
    ]);
  });

  it.each([
    ['left out where it holds no more', false, 0],
    ['made where it holds', true, 1],
    ['made where nobody can tell', null, 1],
  ])('is %s', (_, holds, count) => {
    const change = changeOf(
      { type: 'run', argv: ['true'] },
      { type: 'run', argv: ['false'] },
      { holds: ['true'] },
    );
    expect(undo([change], { holds: { 1: holds } }).step.changes).toHaveLength(count);
  });

  it('leaves out what has no inverse', () => {
    const change = changeOf({ type: 'run', argv: ['true'] }, { type: 'none', why: 'no' });
    expect(undo([change], {}).step.action).toBe('none');
  });

  const key = '/etc/ssh/ssh_host_rsa_key';
  const mv = (from: string, to: string): Action => ({ type: 'move', from, to });

  it.each<[string, readonly string[], readonly Action[]]>([
    [
      'both halves back',
      ['ssh_host_rsa_key', 'ssh_host_rsa_key.pub'],
      [
        mv(key, `${key}.remedy-UNDO`),
        mv(`${key}.remedy-old`, key),
        mv(`${key}.pub`, `${key}.pub.remedy-UNDO`),
        mv(`${key}.pub.remedy-old`, `${key}.pub`),
      ],
    ],
    [
      'back the half that there was',
      ['ssh_host_rsa_key'],
      [
        mv(key, `${key}.remedy-UNDO`),
        mv(`${key}.remedy-old`, key),
        mv(`${key}.pub`, `${key}.pub.remedy-UNDO`),
      ],
    ],
  ])('moves a fresh host key aside, and of the old one %s', (_, aside, moves) => {
    const made = changeOf(
      { type: 'host-key', path: key, keyType: 'rsa', aside: 'remedy-old' },
      { type: 'snapshot' },
      { kind: 'host-key' },
    );
    const { step } = undo([made], { aside });
    expect(actionsOf(step)).toEqual(moves);
    expect(step.changes[1]?.undo).toEqual(mv(key, `${key}.remedy-old`));
  });

  it('moves a fresh host key aside where there was none before', () => {
    const made = changeOf(
      { type: 'host-key', path: key, keyType: 'rsa', aside: null },
      { type: 'snapshot' },
      { kind: 'host-key' },
    );
    expect(actionsOf(undo([made], {}).step)).toEqual([
      mv(key, `${key}.remedy-UNDO`),
      mv(`${key}.pub`, `${key}.pub.remedy-UNDO`),
    ]);
  });

  it('takes files back first, then daemons, then rules; the last change first', () => {
    const done = (kind: Change['kind'], name: string): Change =>
      changeOf(
        { type: 'run', argv: ['do', name] },
        { type: 'run', argv: ['undo', name] },
        { kind },
      );
    const changes = [
      done('rule', 'rule 1'),
      done('unit', 'unit'),
      done('account', 'account'),
      done('ban', 'ban'),
      done('attributes', 'attributes'),
      done('label', 'label'),
    ];
    expect(
      actionsOf(undo(changes, {}).step).map((action) => action.type === 'run' && action.argv[1]),
    ).toEqual(['attributes', 'account', 'unit', 'label', 'ban', 'rule 1']);
  });
});

describe('the facts after an undo', () => {
  const change = changeOf(
    { type: 'run', argv: ['true'] },
    { type: 'run', argv: ['false'] },
    { factsAfter: [{ key: 'ports', value: [22, 2222] }], invalidates: ['rules'] },
  );
  const receipt = {
    before: [
      { key: 'ports', value: [22] },
      { key: 'rules', value: 'old' },
    ],
    after: [
      { key: 'ports', value: [22, 2222] },
      { key: 'rules', value: 'new' },
    ],
  };

  it('are those before the run, where nobody changed them since', () => {
    const facts = { ports: [22, 2222], rules: 'new' };
    const { plan, step } = undo([change], { facts }, receipt);
    expect(plan.facts.byKey('ports')).toEqual(known([22]));
    expect(plan.facts.byKey('rules')).toEqual(known('old'));
    expect(step.changes[0]).toMatchObject({ factsAfter: receipt.before, invalidates: [] });
  });

  it('are not known where somebody did, or where the receipt does not say', () => {
    const { plan, step } = undo(
      [change],
      { facts: { ports: [22, 2222, 80], rules: 'new' } },
      { ...receipt, after: receipt.after.slice(0, 1) },
    );
    expect(plan.facts.byKey('ports')).toMatchObject({ known: false });
    expect(plan.facts.byKey('rules')).toMatchObject({ known: false });
    expect(step.changes[0]?.invalidates).toEqual(['ports', 'rules']);
  });

  it('stay where there is nothing to undo', () => {
    const held = { ...change, holds: ['true'] as const };
    const { plan } = undo([held], { holds: { 1: false }, facts: { ports: [22] } }, receipt);
    expect(plan.facts.byKey('ports')).toEqual(known([22]));
  });
});

it('is refused where the host does not have the run any more', () => {
  const stage = stageOf([write('old', 'new')]);
  const gone = new FactSet(new Map([[undoRequest(stage).key, unknown('no folder')]]));
  expect(planUndo(stage, gone, 'UNDO').steps).toMatchObject([
    { action: 'blocked', reason: 'no folder', changes: [] },
  ]);
});
