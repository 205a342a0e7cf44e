import { RunFailure } from '../core/failure.ts';
import type { PlannedStep } from '../plan/plan.ts';
import { createPaint, wantsColor } from '../report/paint.ts';
import { plainView } from '../report/plain-view.ts';
import { runDocument } from '../report/run-document.ts';
import { failureText, resultText } from '../report/text.ts';
import { ndjsonView, silentView, type View } from '../report/view.ts';
import type { HostResult, RunResult } from '../run/result.ts';
import { runStatus } from './exit-status.ts';
import { watchInterrupts, type Interrupt } from './interrupt.ts';
import { askYesNo, canAsk } from './prompt.ts';
import { makeRunId } from './run-id.ts';
import { usageError } from './usage.ts';

/** The flags that say how a command reports. */
export interface OutputFlags {
  readonly output: string;
  readonly detailedExitcode?: boolean;
}

/** What a command that changes a host works in. */
export interface Frame {
  readonly runId: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly view: View;
  readonly interrupt: Interrupt;
}

const write = (text: string): void => {
  process.stdout.write(text);
};

/** Runs one host's work with a view and the interrupts, reports it, and returns the exit status. */
export async function runAndReport(
  flags: OutputFlags & { readonly dryRun: boolean },
  work: (frame: Frame) => Promise<HostResult>,
): Promise<number> {
  const now = new Date();
  const runId = makeRunId(now);
  const base = { runId, dryRun: flags.dryRun };
  const interrupt = watchInterrupts();
  const view = await createView(flags.output);
  let result: RunResult;
  try {
    checkOutput(flags.output, ['text', 'json', 'ndjson']);
    const frame = { runId, startedAt: now.toISOString(), view, interrupt };
    const host = await work(frame);
    result = { ...base, hosts: [interrupted(host, interrupt)], failure: null };
  } catch (error) {
    if (!(error instanceof RunFailure)) {
      throw error;
    }
    result = { ...base, hosts: [], failure: error.failure };
  } finally {
    interrupt.stop();
  }
  await view.settled();
  const status = exitStatus(result, interrupt, flags.detailedExitcode === true);
  report(result, status, flags.output);
  return status;
}

/** Refuses a format that a command does not have. */
export function checkOutput(output: string, formats: readonly string[]): void {
  if (!formats.includes(output)) {
    const [first, ...rest] = formats;
    throw usageError(
      `--output ${output} is not known`,
      `It takes ${[first, ...rest.slice(0, -1)].join(', ')}${rest.length > 0 ? ` or ${rest.at(-1)}` : ''}.`,
    );
  }
}

/** The last of what is checked before the host is contacted: a wrong name is the better answer. */
export function checkApproval(flags: { readonly dryRun: boolean; readonly yes: boolean }): void {
  if (!flags.dryRun && !flags.yes && !canAsk()) {
    throw usageError(
      'Nobody can be asked whether to apply the changes',
      'There is no terminal. Give --yes to apply without asking, or --dry-run to only look.',
    );
  }
}

/** Asks the person, unless `--yes` was given. */
export async function askToApply(
  steps: readonly PlannedStep[],
  flags: { readonly yes: boolean },
  host: string,
  view: View,
): Promise<boolean> {
  await view.settled();
  const count = steps.flatMap(({ changes }) => changes).length;
  return (
    flags.yes ||
    askYesNo(`Apply ${count === 1 ? 'this change' : `these ${count} changes`} to ${host}?`)
  );
}

async function createView(output: string): Promise<View> {
  if (output === 'json' || output === 'ndjson') {
    return output === 'ndjson' ? ndjsonView(write) : silentView;
  }
  const paint = createPaint(wantsColor(process.env, process.stdout.isTTY));
  // A serial line often does not say how wide it is; nothing can be drawn over there.
  if (process.stdout.isTTY && process.stdout.columns >= 40 && process.env['TERM'] !== 'dumb') {
    const { listrView } = await import('../report/listr-view.ts');
    return listrView(write, paint);
  }
  return plainView(write, paint);
}

function report(result: RunResult, status: number, output: string): void {
  if (output !== 'json' && output !== 'ndjson') {
    const paint = createPaint(wantsColor(process.env, process.stdout.isTTY));
    const text = [
      ...result.hosts.map((host) => resultText(host, paint)),
      ...(result.failure === null ? [] : [failureText(result.failure, paint)]),
    ];
    (result.failure === null ? process.stdout : process.stderr).write(`${text.join('\n')}\n`);
    return;
  }
  process.stdout.write(
    `${JSON.stringify(runDocument(result, status), null, output === 'json' ? 2 : 0)}\n`,
  );
}

// With 130 or 143 the host is as it was; where it is not, that is what the status must say.
function exitStatus(result: RunResult, interrupt: Interrupt, detailed: boolean): number {
  const asItWas = !result.hosts.some(({ outcome }) => touched.has(outcome));
  return interrupt.status !== null && asItWas ? interrupt.status : runStatus(result, detailed);
}

const touched: ReadonlySet<HostResult['outcome']> = new Set(['changed', 'unknown', 'stuck']);

const untouched: ReadonlySet<HostResult['outcome']> = new Set([
  'refused',
  'failed',
  'unreachable',
  'locked',
]);

// Whatever an abort looked like from within, the person pressed Ctrl-C.
function interrupted(host: HostResult, interrupt: Interrupt): HostResult {
  if (interrupt.status === null || !untouched.has(host.outcome)) {
    return host;
  }
  return {
    ...host,
    failure: {
      code: 'interrupted',
      what: 'The run was interrupted.',
      why: 'A signal came before anything was written.',
      access: 'Nothing was changed on the host.',
      todo: 'Run the same command again when you are ready.',
    },
  };
}
