import { describe, expect, it } from 'vitest';
import { failureStatus, hostStatus, runStatus } from '../../src/cli/exit-status.ts';
import type { FailureCode } from '../../src/core/failure.ts';
import type { HostResult, Outcome } from '../../src/run/result.ts';
import { failure, hostResult } from '../report/support/result.ts';

const statuses: Readonly<Record<FailureCode, number>> = {
  usage: 64,
  'unknown-run': 64,
  'invalid-playbook': 64,
  'invalid-host': 64,
  resolve: 4,
  'connection-refused': 4,
  'connect-timeout': 4,
  'no-route': 4,
  'net-unreachable': 4,
  'handshake-closed': 4,
  'handshake-timeout': 4,
  negotiation: 4,
  'exec-failed': 4,
  'console-failed': 4,
  'console-busy': 4,
  'not-booted': 4,
  'shell-missing': 4,
  'route-timeout': 4,
  'connection-lost': 4,
  garbled: 4,
  'host-key-unknown': 77,
  'host-key-changed': 77,
  'host-key-revoked': 77,
  'auth-failed': 77,
  'key-unusable': 77,
  'no-sudo': 77,
  'wrong-token': 77,
  'wrong-host': 77,
  'sudo-password': 77,
  blocked: 1,
  drifted: 1,
  'apply-failed': 1,
  declined: 1,
  'access-gate': 1,
  requirement: 1,
  'guard-unavailable': 1,
  'guard-fired': 1,
  'proof-failed': 1,
  internal: 1,
  'check-failed': 3,
  'contact-lost': 3,
  stuck: 3,
  'endpoint-shut': 3,
  locked: 75,
  interrupted: 130,
};

describe('the exit status', () => {
  it.each(Object.entries(statuses))('of %s is %d', (code, status) => {
    expect(failureStatus(code as FailureCode)).toBe(status);
  });

  it.each<[Outcome, FailureCode | null, boolean, number]>([
    ['unchanged', null, true, 0],
    ['changed', null, true, 0],
    ['would-change', null, false, 0],
    ['would-change', null, true, 2],
    ['changed', 'endpoint-shut', false, 3],
    ['refused', 'blocked', false, 1],
    ['reverted', 'apply-failed', false, 1],
    ['reverted', 'check-failed', false, 1],
    ['reverted', 'proof-failed', false, 1],
    ['reverted', 'interrupted', false, 130],
    ['unreachable', 'connect-timeout', false, 4],
    ['unreachable', 'auth-failed', false, 77],
    ['locked', 'locked', false, 75],
    ['unknown', 'connection-lost', false, 3],
    ['stuck', 'check-failed', false, 3],
  ])('of a host that is %s with %s (detailed: %s) is %d', (outcome, code, detailed, status) => {
    expect(
      hostStatus(
        hostResult({ outcome, failure: code === null ? null : failure({ code }) }),
        detailed,
      ),
    ).toBe(status);
  });

  const host = (status: number): HostResult => {
    const codes: Readonly<Record<number, FailureCode>> = {
      1: 'blocked',
      3: 'stuck',
      4: 'resolve',
      64: 'invalid-host',
      75: 'locked',
      77: 'auth-failed',
      130: 'interrupted',
    };
    const code = codes[status];
    return hostResult({
      outcome: status === 2 ? 'would-change' : status === 0 ? 'unchanged' : 'failed',
      failure: code === undefined ? null : failure({ code }),
    });
  };

  it.each([
    [[0, 0], 0],
    [[0, 2], 2],
    [[2, 64], 64],
    [[64, 75], 75],
    [[75, 4], 4],
    [[4, 77], 77],
    [[77, 1], 1],
    [[1, 3], 3],
    [[3, 130], 130],
    [[], 0],
  ])('of several hosts, %j, is %d', (each, status) => {
    for (const hosts of [each.map(host), each.map(host).toReversed()]) {
      expect(runStatus({ runId: 'r', dryRun: false, hosts, failure: null }, true)).toBe(status);
    }
  });

  it('of a run that contacted nothing is that of its failure', () => {
    expect(
      runStatus(
        { runId: 'r', dryRun: false, hosts: [], failure: failure({ code: 'usage' }) },
        false,
      ),
    ).toBe(64);
  });
});
