import { resolve } from 'node:path';
import { printDiagnostics } from '../../core/diagnostic-text.ts';
import type { Endpoint } from '../../core/endpoint.ts';
import { RunFailure, type Failure } from '../../core/failure.ts';
import { checkUserName } from '../../core/host-name.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import { ReceiptKeeper } from '../../run/receipt.ts';
import type { HostResult } from '../../run/result.ts';
import { runHost } from '../../run/run-host.ts';
import { playbookWork, type Work } from '../../run/work.ts';
import { openReceipts } from '../../store/receipts.ts';
import { invalidPlaybook, loadPlaybooks, type LoadedPlaybooks } from '../load-playbooks.ts';
import { resolveRoutes } from '../resolve-routes.ts';
import type { RouteFlags } from '../route-flags.ts';
import {
  askToApply,
  checkApproval,
  runAndReport,
  type Frame,
  type OutputFlags,
} from '../run-frame.ts';
import { usageError } from '../usage.ts';
import { version } from '../version.ts';

/** The flags of everything that changes a host under a guard. */
export interface GuardFlags extends RouteFlags, OutputFlags {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly guardSeconds?: string;
  readonly acceptLoss: readonly string[];
}

/** The flags of `remedy run` as commander gives them. */
export interface RunFlags extends GuardFlags {
  readonly var: readonly string[];
  readonly playbooks: readonly string[];
}

/** `remedy run PLAYBOOK…`; returns the exit status. */
export async function runCommand(names: readonly string[], flags: RunFlags): Promise<number> {
  return runAndReport(flags, async (frame) => {
    const guard = checkGuardFlags(flags);
    const playbooks = await loadPlaybooks(names, flags.playbooks, flags.var);
    return runGuarded(frame, flags, guard, {
      undoes: null,
      early: (endpoint) => workFor(playbooks, endpoint),
      work: (endpoint) => workFor(playbooks, endpoint),
    });
  });
}

/** What a run is to do, and whether it can be known before the host is contacted. */
export interface GuardedWork {
  readonly undoes: string | null;
  /** Values may name the endpoint: what is wrong with them is refused before the host is contacted. */
  readonly early: (endpoint: Endpoint) => Result<unknown, Failure>;
  readonly work: (endpoint: Endpoint) => Result<Work, Failure>;
}

/** Runs work on the host that the flags name, with a guard and a receipt. */
export async function runGuarded(
  frame: Frame,
  flags: GuardFlags,
  { guardSeconds, acceptLoss }: ReturnType<typeof checkGuardFlags>,
  { undoes, early, work }: GuardedWork,
): Promise<HostResult> {
  const { runId, view, interrupt, startedAt } = frame;
  const way = await resolveRoutes(flags, interrupt.signal, (text) =>
    view.emit({ type: 'notice', text }),
  );
  const first = early(way.endpoint);
  if (!first.ok) {
    throw new RunFailure(first.error);
  }
  checkApproval(flags);
  const head = { runId, version: version(), startedAt, host: way.endpoint.host, undoes };
  const receipts = new ReceiptKeeper(
    { ...head, flags: storedFlags(flags) },
    flags.dryRun ? null : openReceipts(process.env),
  );
  const result = await runHost({
    runId,
    ...way,
    work,
    dryRun: flags.dryRun,
    guardSeconds,
    acceptLoss,
    accessGate: process.env['REMEDY_TEST_ACCESS_GATE'] !== 'off',
    approve: (steps) => askToApply(steps, flags, way.endpoint.host, view),
    receipts,
    emit: (event) => {
      interrupt.watch(event);
      view.emit(event);
    },
    signal: interrupt.signal,
  });
  const { outcome, proof, failure } = result;
  await receipts.finish(new Date().toISOString(), { outcome, proof, failure });
  return result;
}

function checkSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 5 || seconds > 86_400) {
    throw usageError(
      `--guard-seconds ${JSON.stringify(text)} cannot be used`,
      'It is a whole number from 5 to 86400: the seconds in which the changes must be proven and confirmed.',
    );
  }
  return seconds;
}

/** Checks the flags of the guard. */
export function checkGuardFlags(flags: GuardFlags): {
  readonly guardSeconds: number | null;
  readonly acceptLoss: readonly string[];
} {
  const seconds = flags.guardSeconds === undefined ? null : checkSeconds(flags.guardSeconds);
  for (const user of flags.acceptLoss) {
    const name = checkUserName(user);
    if (!name.ok) {
      throw usageError(`--accept-loss ${JSON.stringify(user)} cannot be used`, name.error);
    }
  }
  return { guardSeconds: seconds, acceptLoss: flags.acceptLoss };
}

function workFor(playbooks: LoadedPlaybooks, endpoint: Endpoint): Result<Work, Failure> {
  const bound = playbooks.bind(endpoint);
  return bound.ok
    ? ok(playbookWork(bound.value))
    : fail(invalidPlaybook(printDiagnostics(bound.error)));
}

// What `remedy confirm RUN` needs to find the host again, from whatever folder it is called in.
function storedFlags(flags: RouteFlags): RouteFlags {
  const paths = (files: readonly string[]): string[] => files.map(absolute);
  return {
    ...(flags.host !== undefined && { host: flags.host }),
    ...(flags.port !== undefined && { port: flags.port }),
    ...(flags.user !== undefined && { user: flags.user }),
    ...(flags.jump !== undefined && { jump: flags.jump }),
    ...(flags.from !== undefined && { from: flags.from }),
    ...(flags.knownHosts !== undefined && { knownHosts: absolute(flags.knownHosts) }),
    identity: paths(flags.identity),
    viaIdentity: paths(flags.viaIdentity),
    acceptNewHostKey: false,
    via: flags.via,
    exec: flags.exec,
    console: flags.console,
    ...(flags.hostIs !== undefined && { hostIs: flags.hostIs }),
    local: flags.local,
    verbose: false,
    ...(flags.openssh === true && { openssh: true }),
    ...(flags.routeOrder !== undefined && { routeOrder: flags.routeOrder }),
  };
}

function absolute(file: string): string {
  return file.startsWith('~') ? file : resolve(file);
}
