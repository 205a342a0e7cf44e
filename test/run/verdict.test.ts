import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import type { LoginProof } from '../../src/probe/login.ts';
import type { ProofLevel } from '../../src/run/result.ts';
import { judge, type Evidence } from '../../src/run/verdict.ts';
import type { Link } from '../../src/walk/link.ts';
import { failure } from '../report/support/result.ts';

const endpoint: Endpoint = {
  host: 'web1',
  address: '192.0.2.1',
  port: 22,
  user: 'root',
  from: null,
};

function proof(level: ProofLevel): LoginProof {
  const shut = level === 'login' ? null : failure({ code: 'connect-timeout' });
  return { level, by: '', byKey: level === 'login', failure: shut };
}

function link(layer: Link['layer'], state: Link['state']): Link {
  return { layer, state, by: `${layer} rule`, evidence: [] };
}

const clear = [link('firewall', 'ok'), link('listener', 'ok')];
const shut = [link('firewall', 'ok'), link('listener', 'broken')];
const unsure = [link('firewall', 'ok'), link('listener', 'unknown')];
const good = { name: 'x holds', state: 'ok', detail: '' } as const;
const bad = { name: 'x holds', state: 'failed', detail: 'it does not' } as const;

function verdict(evidence: Partial<Evidence>): string {
  const judged = judge({
    endpoint,
    checks: [good],
    before: 'none',
    after: proof('login'),
    links: clear,
    loginDemanded: false,
    wanted: 'login',
    lossAccepted: false,
    ...evidence,
  });
  return `${judged.keep ? 'keep' : 'revert'} ${judged.failure?.code ?? '-'}`;
}

describe('keep or revert', () => {
  it.each<[string, Partial<Evidence>, string]>([
    ['a login works', {}, 'keep -'],
    [
      'a step does not hold, whatever the login says',
      { checks: [good, bad] },
      'revert check-failed',
    ],
    [
      'a login worked before and does not now',
      { before: 'login', after: proof('banner'), links: shut },
      'revert proof-failed',
    ],
    [
      'a login comes less far than before',
      { before: 'banner', after: proof('none'), links: shut },
      'revert proof-failed',
    ],
    [
      'no login, and nothing on the host is in its way',
      { after: proof('none') },
      'revert proof-failed',
    ],
    [
      'no login, and something on the host is in its way',
      { after: proof('none'), links: shut },
      'keep endpoint-shut',
    ],
    [
      'no login, and nobody can tell why',
      { after: proof('none'), links: unsure },
      'keep endpoint-shut',
    ],
    ['no login, and nothing was walked', { after: proof('none'), links: [] }, 'keep endpoint-shut'],
    [
      'a login comes further than before, but not in',
      { before: 'none', after: proof('banner'), links: shut },
      'keep endpoint-shut',
    ],
    [
      'a playbook asks for a login',
      { after: proof('none'), links: shut, loginDemanded: true },
      'revert proof-failed',
    ],
    [
      'a playbook asks for a login that nobody can make',
      { after: null, loginDemanded: true },
      'revert proof-failed',
    ],
    ['nobody can look from outside', { after: null, before: null }, 'keep -'],
    [
      'the endpoint is this machine, and SSH answers',
      { after: proof('banner'), wanted: 'banner', links: shut },
      'keep -',
    ],
    [
      'the loss was accepted',
      { before: 'login', after: proof('none'), lossAccepted: true },
      'keep -',
    ],
    [
      'the loss was accepted, but a step does not hold',
      { checks: [bad], lossAccepted: true },
      'revert check-failed',
    ],
  ])('%s', (_, evidence, expected) => {
    expect(verdict(evidence)).toBe(expected);
  });

  it('names what is still in the way, and the command that comes next', () => {
    const judged = judge({
      endpoint,
      checks: [],
      before: 'none',
      after: proof('none'),
      links: [{ ...link('listener', 'broken'), by: 'nothing listens on port 22' }],
      loginDemanded: false,
      wanted: 'login',
      lossAccepted: false,
    });
    expect(judged.failure?.why).toContain('listener: nothing listens on port 22');
    expect(judged.failure?.todo).toContain('remedy run start-sshd --host web1');
  });
});
