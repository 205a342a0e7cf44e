import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sealChange } from '../../src/core/seal.ts';
import { RunFailure } from '../../src/core/failure.ts';
import { digestOf, SecretText } from '../../src/core/secret-text.ts';
import { sha256Of } from '../../src/core/digest.ts';
import { ok } from '../../src/core/result.ts';
import { Secret } from '../../src/core/secret.ts';
import { FactSet, known } from '../../src/facts/fact.ts';
import { changeDiff } from '../../src/plan/diff.ts';
import type { Receipt } from '../../src/plan/receipt.ts';
import { compileStagePlan, queueSteps } from '../../src/plan/compile.ts';
import { change, type Module } from '../../src/modules/module.ts';
import type { BoundPlaybook } from '../../src/playbook/playbook.ts';
import { compileQuestion, type Question } from '../../src/program/ask.ts';
import { createExecRoute } from '../../src/route/exec.ts';
import { createLocalRoute } from '../../src/route/local.ts';
import { createSshRoute } from '../../src/route/ssh.ts';
import { resolveTarget, type SshTarget } from '../../src/route/target.ts';
import type { StageRun } from '../../src/run/apply.ts';
import type { HostRun } from '../../src/run/host-run.ts';
import { loginProber } from '../../src/run/prove.ts';
import { ReceiptKeeper } from '../../src/run/receipt.ts';
import { playbookWork } from '../../src/run/work.ts';
import { changeOf } from '../program/support/change.ts';

const password = 'Vei9Iehu';
const oldText = 'old-Hohloh7w';
const newText = 'new-Aix4thee';
const anySecret = /Vei9|Hohloh|Aix4/;

/** Every way in which an object becomes text. */
function texts(value: unknown): string {
  return [
    inspect(value, { depth: Infinity, showHidden: true, getters: true }),
    JSON.stringify(value),
    String(value),
  ].join('\n');
}

const sensitive = changeOf(
  { type: 'write', path: '/etc/secret', beforeSha256: sha256Of(oldText), content: newText },
  { type: 'snapshot' },
  {
    sensitive: true,
    before: oldText,
    after: newText,
    factsAfter: [{ key: 'secret-file', value: { text: newText } }],
    invalidates: ['other'],
  },
);

const target = async (): Promise<SshTarget> => {
  const found = await resolveTarget(
    {
      host: '192.0.2.1',
      port: 22,
      user: 'admin',
      identities: [],
      jump: [{ host: '192.0.2.2', port: 22, user: 'admin' }],
      knownHosts: null,
      password: new Secret(password),
      askPassword: async () => new Secret(password),
      askPassphrase: async () => new Secret(password),
    },
    {
      homeDirectory: '/nowhere',
      localUser: 'me',
      localUserId: '1000',
      localHost: 'here',
      environment: {},
      sshCommand: '/nowhere/ssh',
      sshConfigFile: null,
      signal: new AbortController().signal,
    },
  );
  if (!found.ok) {
    throw new RunFailure(found.error);
  }
  return found.value.target;
};

describe('no secret is in the text of', () => {
  it('a password, a target and the options of a route', async () => {
    const to = await target();
    expect(texts(new Secret(password))).not.toMatch(anySecret);
    expect(String(new Secret(password))).toBe('[redacted]');
    expect(to.password?.reveal()).toBe(password);
    expect(texts(to)).not.toMatch(anySecret);
    expect(texts({ sudoPassword: new Secret(password), target: to })).not.toMatch(anySecret);
  });

  it('a run over a host with all that it is made of', async () => {
    const to = await target();
    const sudo = {
      sudoPassword: new Secret(password),
      askSudoPassword: async () => new Secret(password),
    };
    const environment = { PATH: '/bin' };
    const run: HostRun = {
      runId: 'RUN',
      endpoint,
      routes: [
        createSshRoute({ target: to, acceptNewHostKey: false, onNotice: () => undefined, ...sudo }),
        createExecRoute({ argv: ['sh'], environment, ...sudo }),
        createLocalRoute({ environment, ...sudo }),
      ],
      clientAddress: () => null,
      operator: () => null,
      isEndpoint: () => true,
      meant: { name: null, recordedKeys: async () => [] },
      work: () => ok(playbookWork([])),
      dryRun: false,
      guardSeconds: 120,
      acceptLoss: [],
      accessGate: true,
      approve: async () => true,
      prober: loginProber(to),
      proofWanted: 'login',
      forgetHostKeys: '',
      receipts: new ReceiptKeeper(head, null),
      emit: () => undefined,
      signal: new AbortController().signal,
    };
    expect(texts(run)).not.toMatch(anySecret);
  });

  it('a sensitive change behind the plan, its diff and its receipt', async () => {
    const facts = new FactSet(new Map([['secret-file', known<unknown>({ text: oldText })]]));
    const plan = compileStagePlan(queueSteps([playbook]), facts, {
      endpoint,
      runId: 'RUN',
      render: () => '',
    });
    expect(plan.facts.byKey('secret-file')).toEqual(known({ text: newText }));
    expect(plan.steps).toMatchObject([{ action: 'change', changes: [{ sensitive: true }] }]);
    expect(texts(plan)).not.toMatch(anySecret);
    const [made] = plan.steps.flatMap(({ changes }) => changes);
    expect(made === undefined ? '' : changeDiff(made)).toBe(
      `--- x (now)\n+++ x (planned)\n@@ -1,1 +1,1 @@\n-sha256:${sha256Of(oldText)}\n+sha256:${sha256Of(newText)}\n`,
    );

    const written: Receipt[] = [];
    const keeper = new ReceiptKeeper(head, {
      write: async (receipt) => {
        written.push(receipt);
      },
      writeToken: async () => undefined,
      clearToken: async () => undefined,
    });
    const token = new Secret(password);
    await keeper.begin({ runId: 'RUN', title: 't', token }, plan, facts);
    expect(texts(keeper)).not.toMatch(anySecret);
    await keeper.settle('RUN', 'confirmed', plan.facts);
    await keeper.finish('', {});
    expect(written).toHaveLength(3);
    expect(texts(written)).not.toMatch(anySecret);
    const stored = JSON.parse(JSON.stringify(written.at(-1))) as Receipt;
    expect(stored.stages[0]).toMatchObject({ before: [], after: [] });
    // What an undo must know.
    expect(stored.stages[0]?.changes[0]).toMatchObject({
      sensitive: true,
      action: { content: { sha256: sha256Of(newText) } },
      invalidates: ['other', 'secret-file'],
    });
  });

  it('what confirms a run', () => {
    const token = new Secret(password);
    const stage: StageRun = {
      runId: 'RUN',
      changes: [sealChange(sensitive)],
      guardSeconds: 60,
      confirmToken: token,
      about: [],
    };
    const question: Question = { verb: 'confirm', token };
    expect(texts({ stage, question })).not.toMatch(anySecret);
    expect(compileQuestion('RUN', question, 'tag')).toContain(password);
  });

  it('an error that came of one', () => {
    const cause = new Error('no', { cause: { password: new Secret(password) } });
    expect(texts(cause)).not.toMatch(anySecret);
    const { action } = sealChange(sensitive);
    expect(texts(new TypeError('no', { cause: action }))).not.toMatch(anySecret);
  });
});

describe('SecretText', () => {
  it('gives itself away only when asked', () => {
    const text = new SecretText(newText);
    expect(text.reveal()).toBe(newText);
    expect(String(text)).toBe(`sha256:${sha256Of(newText)}`);
    expect(JSON.stringify({ text })).toBe(`{"text":{"sha256":"${sha256Of(newText)}"}}`);
    expect(digestOf(text)).toBe(digestOf(newText));
  });

  it('is not made of what nobody called sensitive', () => {
    const open = { ...sensitive, sensitive: false };
    expect(sealChange(open)).toBe(open);
    const sealed = sealChange(sensitive);
    expect(sealChange(sealed)).toEqual(sealed);
  });
});

const endpoint = { host: 'web1', address: '192.0.2.1', port: 22, user: 'admin', from: null };
const head = { runId: 'RUN', version: '0', startedAt: '', host: 'web1', flags: {}, undoes: null };

const secretive: Module = {
  name: 'secretive',
  summary: '',
  schema: z.unknown(),
  facts: () => [],
  plan: () => change('it differs', [sensitive]),
};

const playbook: BoundPlaybook = {
  name: 'p',
  summary: '',
  file: 'p.yaml',
  digest: '',
  values: new Map(),
  endpoint,
  requires: null,
  steps: [
    {
      id: 's',
      playbook: 'p',
      summary: null,
      when: null,
      afterProof: false,
      module: secretive,
      args: {},
      location: { file: 'x', line: 1, column: 1, length: 1, lineText: null },
    },
  ],
  checks: [],
};
