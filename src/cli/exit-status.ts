import type { FailureCode } from '../core/failure.ts';
import type { HostResult, RunResult } from '../run/result.ts';

/** The exit status of a failure; one number for each code. */
export function failureStatus(code: FailureCode): number {
  switch (code) {
    case 'usage':
    case 'unknown-run':
    case 'invalid-playbook':
    case 'invalid-host':
      return 64;
    case 'resolve':
    case 'connection-refused':
    case 'connect-timeout':
    case 'no-route':
    case 'net-unreachable':
    case 'handshake-closed':
    case 'handshake-timeout':
    case 'negotiation':
    case 'exec-failed':
    case 'console-failed':
    case 'console-busy':
    case 'not-booted':
    case 'shell-missing':
    case 'route-timeout':
    case 'connection-lost':
    case 'garbled':
      return 4;
    case 'host-key-unknown':
    case 'host-key-changed':
    case 'host-key-revoked':
    case 'auth-failed':
    case 'key-unusable':
    case 'no-sudo':
    case 'wrong-token':
    case 'wrong-host':
    case 'sudo-password':
      return 77;
    case 'blocked':
    case 'drifted':
    case 'apply-failed':
    case 'declined':
    case 'access-gate':
    case 'requirement':
    case 'guard-unavailable':
    case 'guard-fired':
    case 'proof-failed':
    case 'internal':
      return 1;
    case 'check-failed':
    case 'contact-lost':
    case 'stuck':
    case 'endpoint-shut':
      return 3;
    case 'locked':
      return 75;
    case 'interrupted':
      return 130;
  }
}

/** The exit status of one host. */
export function hostStatus(host: HostResult, detailed: boolean): number {
  if (host.outcome === 'unknown' || host.outcome === 'stuck') {
    return 3;
  }
  // Whatever the reason was: the host is as it was.
  if (host.outcome === 'reverted' && host.failure?.code !== 'interrupted') {
    return 1;
  }
  if (host.failure !== null) {
    return failureStatus(host.failure.code);
  }
  return host.outcome === 'would-change' && detailed ? 2 : 0;
}

// Of several hosts, the first of these that occurs.
const order = [3, 1, 77, 4, 75, 64, 2];

/** The exit status of a run. */
export function runStatus(run: RunResult, detailed: boolean): number {
  if (run.failure !== null) {
    return failureStatus(run.failure.code);
  }
  const statuses = run.hosts.map((host) => hostStatus(host, detailed));
  return (
    statuses.find((status) => status === 130 || status === 143) ??
    order.find((status) => statuses.includes(status)) ??
    0
  );
}
