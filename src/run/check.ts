import { quoteArgv, type Argv } from '../core/quote.ts';
import {
  known,
  request,
  unknown,
  type Fact,
  type FactRequest,
  type FactSet,
} from '../facts/fact.ts';
import { facts as namedFacts } from '../facts/index.ts';
import type { Listeners } from '../facts/listeners.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { Check } from '../playbook/playbook.ts';
import { sshListeners } from '../walk/listener.ts';
import type { CheckResult } from './result.ts';

interface CommandRun {
  readonly status: number;
  readonly said: string;
}

// A command check is read like a fact, so that it costs no round trip of its own.
const commandFact: Fact<Argv, CommandRun> = {
  name: 'command',
  summary: 'a command of a check',
  slow: false,
  read: (argv) => [{ part: 'run', sh: `limit 60 ${quoteArgv(argv)}` }],
  parse: (parts) => {
    const part = parts.get('run');
    return part === undefined
      ? unknown('it did not run')
      : known({ status: part.status, said: part.errors || part.text });
  },
};

/** What must be observed for the commands among the checks. */
export function commandRequests(checks: readonly Check[]): FactRequest[] {
  return checks.flatMap((check) =>
    check.kind === 'command' ? [request(commandFact, check.argv)] : [],
  );
}

/**
 * Judges a stage on facts observed after it: every step must now have nothing to do, and the
 * playbooks' checks must hold. `login` and `banner` are judged by the proof.
 */
export function checkStage(
  again: readonly PlannedStep[],
  checks: readonly Check[],
  facts: FactSet,
): CheckResult[] {
  const steps = again
    .filter(({ action }) => action !== 'skipped')
    .map((step): CheckResult => ({
      name: `${step.playbook}/${step.id} holds`,
      state: step.action === 'none' ? 'ok' : 'failed',
      detail:
        step.action === 'change'
          ? `still to do: ${step.changes.map(({ summary }) => summary).join('; ')}`
          : step.reason,
    }));
  return [...steps, ...checks.flatMap((check) => checkOne(check, facts))];
}

function checkOne(check: Check, facts: FactSet): CheckResult[] {
  if (check.kind === 'command') {
    const run = facts.get(request(commandFact, check.argv));
    const good = run.known && run.value.status === 0;
    const detail = run.known
      ? `exit status ${run.value.status} ${run.value.said}`.trim()
      : run.because;
    return [{ name: `command ${check.argv.join(' ')}`, state: good ? 'ok' : 'failed', detail }];
  }
  if (check.kind !== 'listener') {
    return [];
  }
  const listeners = facts.byKey(namedFacts.get('listeners')?.key ?? '');
  const found =
    listeners?.known === true ? sshListeners(listeners.value as Listeners, check.port) : [];
  const detail =
    listeners?.known === false
      ? listeners.because
      : `nothing of sshd's listens on port ${check.port}`;
  return [
    {
      name: `listener on port ${check.port}`,
      state: found.length > 0 ? 'ok' : 'failed',
      detail: found.length > 0 ? found.map(({ address }) => address).join(', ') : detail,
    },
  ];
}
