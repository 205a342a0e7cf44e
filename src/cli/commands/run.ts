import { randomBytes } from 'node:crypto';
import { printDiagnostics } from '../../core/diagnostic-text.ts';
import type { Endpoint } from '../../core/endpoint.ts';
import { RunFailure, type Failure } from '../../core/failure.ts';
import type { Result } from '../../core/result.ts';
import { invalidPlaybook, loadPlaybooks, type LoadedPlaybooks } from '../load-playbooks.ts';
import { askYesNo, canAsk } from '../prompt.ts';
import { resolveRoutes, type RouteFlags } from '../resolve-routes.ts';
import { wantsColor, createPaint } from '../../report/paint.ts';
import { runDocument } from '../../report/run-document.ts';
import { failureText, resultText } from '../../report/text.ts';
import { plainView } from '../../report/plain-view.ts';
import { ndjsonView, silentView, type View } from '../../report/view.ts';
import type { BoundPlaybook } from '../../playbook/playbook.ts';
import type { HostResult, RunResult } from '../../run/result.ts';
import { runHost } from '../../run/run-host.ts';
import { runStatus } from '../exit-status.ts';
import { usageError } from '../usage.ts';

/** The flags of `remedy run` as commander gives them. */
export interface RunFlags extends RouteFlags {
  readonly dryRun: boolean;
  readonly var: readonly string[];
  readonly playbooks: readonly string[];
  readonly yes: boolean;
  readonly detailedExitcode: boolean;
  readonly output: string;
}

const write = (text: string): void => {
  process.stdout.write(text);
};

/** `remedy run PLAYBOOK…`; returns the exit status. */
export async function runCommand(names: readonly string[], flags: RunFlags): Promise<number> {
  const runId = makeRunId(new Date());
  const base = { runId, dryRun: flags.dryRun };
  const interrupt = watchInterrupts();
  const view = await createView(flags);
  let result: RunResult;
  try {
    const host = await runOne(runId, names, flags, view, interrupt.signal);
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
  const status = interrupt.exitStatus(result) ?? runStatus(result, flags.detailedExitcode);
  report(result, status, flags.output);
  return status;
}

async function runOne(
  runId: string,
  names: readonly string[],
  flags: RunFlags,
  view: View,
  signal: AbortSignal,
): Promise<HostResult> {
  checkOutput(flags);
  const playbooks = await loadPlaybooks(names, flags.playbooks, flags.var);
  const way = await resolveRoutes(flags, signal, (text) => view.emit({ type: 'notice', text }));
  unwrapBind(playbooks, way.endpoint);
  checkApproval(flags);
  return runHost({
    runId,
    ...way,
    bind: (endpoint) => bindFor(playbooks, endpoint),
    dryRun: flags.dryRun,
    approve: async (steps) => {
      await view.settled();
      const count = steps.flatMap(({ changes }) => changes).length;
      return (
        flags.yes ||
        askYesNo(
          `Apply ${count === 1 ? 'this change' : `these ${count} changes`} to ${way.endpoint.host}?`,
        )
      );
    },
    emit: view.emit,
    signal,
  });
}

function checkOutput(flags: RunFlags): void {
  if (!['text', 'json', 'ndjson'].includes(flags.output)) {
    throw usageError(`--output ${flags.output} is not known`, 'It takes text, json or ndjson.');
  }
}

// The last of what is checked before the host is contacted: a wrong name is the better answer.
function checkApproval(flags: RunFlags): void {
  if (!flags.dryRun && !flags.yes && !canAsk()) {
    throw usageError(
      'Nobody can be asked whether to apply the changes',
      'There is no terminal. Give --yes to apply without asking, or --dry-run to only look.',
    );
  }
}

// Values may name the endpoint, so a playbook is bound twice: before the host is contacted, to refuse
// what is wrong, and again when the address that logins come from is known.
function unwrapBind(playbooks: LoadedPlaybooks, endpoint: Endpoint): void {
  const bound = bindFor(playbooks, endpoint);
  if (!bound.ok) {
    throw new RunFailure(bound.error);
  }
}

function bindFor(
  playbooks: LoadedPlaybooks,
  endpoint: Endpoint,
): Result<readonly BoundPlaybook[], Failure> {
  const bound = playbooks.bind(endpoint);
  return bound.ok ? bound : { ok: false, error: invalidPlaybook(printDiagnostics(bound.error)) };
}

async function createView(flags: RunFlags): Promise<View> {
  if (flags.output === 'json' || flags.output === 'ndjson') {
    return flags.output === 'ndjson' ? ndjsonView(write) : silentView;
  }
  const paint = createPaint(wantsColor(process.env, process.stdout.isTTY));
  // A serial line often does not say how wide it is; nothing can be drawn over there.
  if (process.stdout.isTTY && process.stdout.columns >= 40 && process.env['TERM'] !== 'dumb') {
    const { listrView } = await import('../../report/listr-view.ts');
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

function makeRunId(now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${stamp}-${randomBytes(3).toString('hex')}`;
}

interface Interrupt {
  readonly signal: AbortSignal;
  /** 130 or 143 where the run was interrupted with nothing written, else null. */
  exitStatus(result: RunResult): number | null;
  stop(): void;
}

// The first signal stops at the next safe point; a second one leaves at once.
function watchInterrupts(): Interrupt {
  const controller = new AbortController();
  let status: number | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = name === 'SIGINT' ? 130 : 143;
    if (status !== null) {
      process.exit(code);
    }
    status = code;
    process.stderr.write('\nStopping; once more leaves at once.\n');
    controller.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    exitStatus: (result) =>
      status !== null && !result.hosts.some(({ outcome }) => touched.has(outcome)) ? status : null,
    stop: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}

const touched: ReadonlySet<HostResult['outcome']> = new Set(['changed', 'unknown', 'stuck']);

// Whatever an abort looked like from within, the person pressed Ctrl-C.
function interrupted(host: HostResult, interrupt: Interrupt): HostResult {
  if (
    !interrupt.signal.aborted ||
    touched.has(host.outcome) ||
    host.outcome === 'unchanged' ||
    host.outcome === 'would-change'
  ) {
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
