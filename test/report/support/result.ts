import type { Change } from '../../../src/core/change.ts';
import type { Failure } from '../../../src/core/failure.ts';
import type { PlannedStep } from '../../../src/plan/plan.ts';
import type { HostResult } from '../../../src/run/result.ts';
import { changeOf } from '../../program/support/change.ts';

/** A failure; the rest of it is what a test does not care about. */
export function failure(more: Partial<Failure> = {}): Failure {
  return {
    code: 'blocked',
    what: 'What happened.',
    why: 'Why it did.',
    access: 'Nothing was changed on the host.',
    todo: 'Do this.',
    ...more,
  };
}

/** A host that had nothing to do. */
export function hostResult(more: Partial<HostResult> = {}): HostResult {
  return {
    host: 'web1',
    route: 'ssh',
    routeDescription: 'root@web1',
    routes: [],
    outcome: 'unchanged',
    stages: [],
    proof: null,
    links: [],
    notices: [],
    failure: null,
    ...more,
  };
}

/** A change of a rule, as a module makes it. */
export const ruleChange: Change = changeOf(
  { type: 'run', argv: ['ufw', 'allow', '22/tcp'] },
  { type: 'none', why: 'test' },
  {
    kind: 'rule',
    target: 'ufw rules',
    summary: 'ufw: allow 22/tcp from anywhere',
    before: 'deny 23/tcp from anywhere\n',
    after: 'deny 23/tcp from anywhere\nallow 22/tcp from anywhere\n',
    risk: 'access',
  },
);

/** A planned step with that change. */
export const changeStep: PlannedStep = {
  id: 'ufw',
  playbook: 'open-port',
  module: 'ufw-rule',
  action: 'change',
  reason: 'ufw stops it',
  changes: [ruleChange],
};

/** A step with nothing to do. */
export const noneStep: PlannedStep = {
  id: 'nftables',
  playbook: 'open-port',
  module: 'nft-rule',
  action: 'none',
  reason: 'no nftables chain stops it',
  changes: [],
};
