import { describe, expect, it } from 'vitest';
import { changeDiff } from '../../src/plan/diff.ts';
import { createPaint, wantsColor } from '../../src/report/paint.ts';
import { runDocument } from '../../src/report/run-document.ts';
import { failureText, planText, resultText } from '../../src/report/text.ts';
import { changeOf } from '../program/support/change.ts';
import { changeStep, failure, hostResult, noneStep, ruleChange } from './support/result.ts';

const plain = createPaint(false);

const diff = `--- ufw rules (now)
+++ ufw rules (planned)
@@ -1,1 +1,2 @@
 deny 23/tcp from anywhere
+allow 22/tcp from anywhere
`;

const guard = {
  runId: 'RUN',
  by: 'systemd-run',
  boot: 'unit',
  seconds: 120,
  state: 'confirmed',
} as const;

describe('runDocument', () => {
  it('has every field of the contract', () => {
    const host = hostResult({
      outcome: 'changed',
      routes: [
        {
          kind: 'exec',
          description: "exec 'docker exec web1 sh'",
          failure: failure({ code: 'exec-failed', why: 'It said: \u001b[31mred' }),
        },
        { kind: 'ssh', description: 'root@web1', failure: null },
      ],
      stages: [
        {
          steps: [changeStep, noneStep],
          guard,
          checks: [
            { name: 'open-port/ufw holds', state: 'ok', detail: 'ufw already lets it through' },
          ],
        },
      ],
      proof: { level: 'login', before: 'none', by: 'a login as root' },
      links: [
        { layer: 'firewall', state: 'ok', by: 'every chain lets it through', evidence: ['tcp'] },
      ],
      notices: ['A notice.'],
    });
    expect(runDocument({ runId: 'RUN', dryRun: false, hosts: [host], failure: null }, 0)).toEqual({
      schema: 'remedy.run/1',
      runId: 'RUN',
      dryRun: false,
      hosts: [
        {
          host: 'web1',
          route: 'ssh',
          routeDescription: 'root@web1',
          routes: [
            {
              route: 'exec',
              description: "exec 'docker exec web1 sh'",
              opened: false,
              failure: { ...failure({ code: 'exec-failed' }), why: 'It said: red' },
            },
            { route: 'ssh', description: 'root@web1', opened: true, failure: null },
          ],
          outcome: 'changed',
          stages: [
            {
              steps: [
                {
                  id: 'ufw',
                  playbook: 'open-port',
                  module: 'ufw-rule',
                  action: 'change',
                  reason: 'ufw stops it',
                  changes: [
                    {
                      kind: 'rule',
                      target: 'ufw rules',
                      summary: 'ufw: allow 22/tcp from anywhere',
                      risk: 'access',
                      diff,
                    },
                  ],
                },
                {
                  id: 'nftables',
                  playbook: 'open-port',
                  module: 'nft-rule',
                  action: 'none',
                  reason: 'no nftables chain stops it',
                  changes: [],
                },
              ],
              guard,
              checks: [
                { name: 'open-port/ufw holds', state: 'ok', detail: 'ufw already lets it through' },
              ],
            },
          ],
          proof: { level: 'login', before: 'none', by: 'a login as root' },
          links: [{ layer: 'firewall', state: 'ok', by: 'every chain lets it through' }],
          notices: ['A notice.'],
          failure: null,
        },
      ],
      failure: null,
      exitCode: 0,
    });
  });

  it('carries a failure of a host, cleaned of what could harm a screen', () => {
    const host = hostResult({
      outcome: 'refused',
      failure: failure({ why: '\u001b[2Jgone\u0007', code: 'blocked' }),
    });
    expect(
      runDocument({ runId: 'RUN', dryRun: true, hosts: [host], failure: null }, 1),
    ).toMatchObject({
      dryRun: true,
      hosts: [
        {
          outcome: 'refused',
          stages: [],
          proof: null,
          failure: {
            code: 'blocked',
            what: 'What happened.',
            why: 'gone',
            access: 'Nothing was changed on the host.',
            todo: 'Do this.',
          },
        },
      ],
      exitCode: 1,
    });
  });

  it('carries the failure of a run that contacted nothing', () => {
    expect(
      runDocument({ runId: '', dryRun: false, hosts: [], failure: failure({ code: 'usage' }) }, 64),
    ).toMatchObject({ hosts: [], failure: { code: 'usage' }, exitCode: 64 });
  });
});

describe('planText', () => {
  it('shows each step with its reason, then each change with its diff', () => {
    expect(
      planText(
        {
          steps: [changeStep, noneStep],
          later: [{ id: 'unit', playbook: 'start-sshd', after: 'ufw', waitsFor: 'proof' }],
          foreseen: [],
        },
        plain,
      ),
    ).toBe(`  open-port/ufw       change     ufw stops it
  open-port/nftables  unchanged  no nftables chain stops it
  start-sshd/unit     later      after a fresh login has proven step ufw

1. ufw: allow 22/tcp from anywhere (touches access) (not undone: test)
   --- ufw rules (now)
   +++ ufw rules (planned)
   @@ -1,1 +1,2 @@
    deny 23/tcp from anywhere
   +allow 22/tcp from anywhere`);
  });

  it('lets no host value draw on the screen', () => {
    expect(
      planText(
        { steps: [{ ...noneStep, reason: 'x\u001b[31m\ny\u202e' }], later: [], foreseen: [] },
        plain,
      ),
    ).toBe('  open-port/nftables  unchanged  x y');
  });

  it('colours where that is wanted', () => {
    expect(planText({ steps: [changeStep], later: [], foreseen: [] }, createPaint(true))).toContain(
      '\u001b[32m+allow 22/tcp from anywhere\u001b[39m',
    );
  });
});

describe('resultText', () => {
  it.each([
    ['unchanged', hostResult(), '✔ web1: unchanged: nothing to do'],
    [
      'a dry run',
      hostResult({ outcome: 'would-change' }),
      '✔ web1: would change; this was a dry run, nothing was changed on the host',
    ],
    [
      'a proof',
      hostResult({ outcome: 'changed', proof: { level: 'login', before: 'none', by: 'x' } }),
      '✔ web1: changed, proof: login (before: none)',
    ],
    [
      'a proof of something new',
      hostResult({ outcome: 'changed', proof: { level: 'banner', before: null, by: 'x' } }),
      '✔ web1: changed, proof: banner',
    ],
    [
      'which way in was taken, and why not an earlier one',
      hostResult({
        routes: [
          { kind: 'ssh', description: 'ssh root@web1', failure: failure({ what: 'It is shut.' }) },
          { kind: 'exec', description: "exec 'sh'", failure: null },
        ],
      }),
      `  came in by exec 'sh'
  not by ssh root@web1: It is shut. Why it did.
✔ web1: unchanged: nothing to do`,
    ],
    [
      'what is still in the way',
      hostResult({
        links: [
          { layer: 'firewall', state: 'ok', by: '', evidence: [] },
          { layer: 'listener', state: 'broken', by: 'nothing listens on port 22', evidence: [] },
        ],
      }),
      '  listener is broken: nothing listens on port 22\n! web1: unchanged: nothing to do',
    ],
    [
      'a notice of two lines',
      hostResult({ notices: ['Run:\n    ssh-keygen -R web1'] }),
      '  Run:\n      ssh-keygen -R web1\n✔ web1: unchanged: nothing to do',
    ],
    [
      'a failure',
      hostResult({ outcome: 'refused', failure: failure({ todo: 'Run:\n    remedy list' }) }),
      `✖ What happened. [blocked]
  why:     Why it did.
  access:  Nothing was changed on the host.
  to do:   Run:
               remedy list
✖ web1: refused: nothing was changed on the host`,
    ],
  ])('says %s', (_, result, text) => {
    expect(resultText(result, plain)).toBe(text);
  });
});

describe('failureText', () => {
  it('leaves out what there is nothing to say about', () => {
    expect(failureText(failure({ why: '', todo: ' ' }), plain)).toBe(
      '✖ What happened. [blocked]\n  access:  Nothing was changed on the host.',
    );
  });
});

describe('changeDiff', () => {
  it('is a unified diff without dates', () => {
    expect(changeDiff(ruleChange)).toBe(diff);
  });

  it('shows digests only of what is sensitive', () => {
    const text = changeDiff({
      ...ruleChange,
      before: 'old secret\n',
      after: 'new secret\n',
      sensitive: true,
    });
    expect(text).not.toContain('secret');
    expect(text).toMatch(/^-sha256:[0-9a-f]{64}$/m);
    expect(text).toMatch(/^\+sha256:[0-9a-f]{64}$/m);
  });

  it('shows the bytes of a file as UTF-8', () => {
    const bytes = (text: string): string => Buffer.from(text).toString('latin1');
    const file = changeOf(
      { type: 'write', path: '/etc/x', beforeSha256: null, content: bytes('grün\n') },
      undefined,
      { target: '/etc/x', before: '', after: bytes('grün\n') },
    );
    expect(changeDiff(file)).toBe(
      '--- /etc/x (now)\n+++ /etc/x (planned)\n@@ -0,0 +1,1 @@\n+grün\n',
    );
  });
});

describe('wantsColor', () => {
  it.each([
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
    [{ FORCE_COLOR: '1' }, false, true],
    [{ FORCE_COLOR: '0' }, true, false],
    [{ TERM: 'dumb' }, true, false],
    [{ NO_COLOR: '' }, true, true],
  ])('%j on a terminal (%s) is %s', (environment, terminal, expected) => {
    expect(wantsColor(environment, terminal)).toBe(expected);
  });
});
