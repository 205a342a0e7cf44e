import { notContacted, RunFailure, type Failure } from '../../core/failure.ts';
import type { Receipt } from '../../plan/receipt.ts';
import type { Question } from '../../program/ask.ts';
import { createPaint, wantsColor } from '../../report/paint.ts';
import { settleDocument, settleText, statusText } from '../../report/settle.ts';
import { failureText } from '../../report/text.ts';
import { listHostRuns, settleRun, type Settled } from '../../run/settle-run.ts';
import { isRunId, openReceipts, runOfStage, type Receipts } from '../../store/receipts.ts';
import { failureStatus } from '../exit-status.ts';
import { resolveRoutes } from '../resolve-routes.ts';
import type { RouteFlags } from '../route-flags.ts';
import { checkOutput } from '../run-frame.ts';
import { takeSecret } from '../prompt.ts';
import { watchInterrupts } from '../interrupt.ts';

/** The flags of `confirm`, `revert` and `status`. */
export interface SettleFlags extends RouteFlags {
  readonly output: string;
}

type Verb = Question['verb'];

/** `remedy confirm|revert|status RUN`; returns the exit status. */
export async function settleCommand(verb: Verb, name: string, flags: SettleFlags): Promise<number> {
  return reporting(flags, async (paint) => {
    const receipts = openReceipts(process.env);
    const { receipt, stageId } = await findRun(name, receipts);
    const question = await toQuestion(verb, stageId, receipts);
    const way = await openWay(flags, receipt);
    const settled = await settleRun(stageId, question, way);
    way.stop();
    await remember(receipts, receipt, stageId, settled);
    const status = settled.failure === null ? 0 : failureStatus(settled.failure.code);
    process.stdout.write(
      flags.output === 'json'
        ? `${JSON.stringify(settleDocument(verb, stageId, way.host, settled, status), null, 2)}\n`
        : `${settleText(stageId, way.host, settled, paint)}\n`,
    );
    return status;
  });
}

/** `remedy status` without a run: what the host says, or without a host what the receipts say. */
export async function statusCommand(flags: SettleFlags): Promise<number> {
  return reporting(flags, async () => {
    if (flags.host === undefined && !flags.local) {
      const open = (await openReceipts(process.env).list()).flatMap((receipt) =>
        receipt.stages
          .filter(({ state }) => state === 'open' || state === 'armed')
          .map(({ runId, state }) => ({ runId, host: receipt.host, state })),
      );
      process.stdout.write(statusText(open, flags.output));
      return 0;
    }
    const way = await openWay(flags, null);
    const runs = await listHostRuns(way);
    way.stop();
    if (!runs.ok) {
      throw new RunFailure(runs.error);
    }
    const rows = runs.value.map(({ runId, state, seconds }) => ({
      runId,
      host: way.host,
      state,
      ...(state === 'armed' && { seconds }),
    }));
    process.stdout.write(statusText(rows, flags.output));
    return 0;
  });
}

async function reporting(
  flags: SettleFlags,
  work: (paint: ReturnType<typeof createPaint>) => Promise<number>,
): Promise<number> {
  const paint = createPaint(wantsColor(process.env, process.stdout.isTTY));
  try {
    checkOutput(flags.output, ['text', 'json']);
    return await work(paint);
  } catch (error) {
    if (!(error instanceof RunFailure)) {
      throw error;
    }
    const status = failureStatus(error.failure.code);
    if (flags.output === 'json') {
      const document = { schema: 'remedy.settle/1', failure: error.failure, exitCode: status };
      process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    } else {
      process.stderr.write(`${failureText(error.failure, paint)}\n`);
    }
    return status;
  }
}

/** Finds a run by its id or the id of one of its stages: the stage that is still open, else the last. */
export async function findRun(
  name: string,
  receipts: Receipts,
): Promise<{ readonly receipt: Receipt | null; readonly stageId: string }> {
  if (!isRunId(name)) {
    throw new RunFailure(unknownRun(name, 'It does not have the form of a run’s id.'));
  }
  const receipt = await receipts.read(name);
  const stages = receipt?.stages ?? [];
  const named = runOfStage(name) === name ? undefined : stages.find(({ runId }) => runId === name);
  const open = stages.find(({ state }) => state === 'open' || state === 'armed');
  return { receipt, stageId: (named ?? open ?? stages.at(-1))?.runId ?? name };
}

/** No receipt of that name is here. */
export function unknownRun(name: string, why: string): Failure {
  return {
    code: 'unknown-run',
    what: `Run ${JSON.stringify(name)} is not known here.`,
    why,
    access: notContacted,
    todo: 'To see the runs of this machine:\n    remedy runs',
  };
}

async function toQuestion(verb: Verb, stageId: string, receipts: Receipts): Promise<Question> {
  if (verb !== 'confirm') {
    return { verb };
  }
  const token = takeSecret('REMEDY_CONFIRM_TOKEN') ?? (await receipts.readToken(stageId));
  if (token === null) {
    throw new RunFailure({
      code: 'wrong-token',
      what: `The token of run ${stageId} is not on this machine.`,
      why: `no open run of that name was begun here (${receipts.folder})`,
      access: 'If the run is armed, its guard takes everything back by itself.',
      todo: `Confirm it where it was begun, or on the host, as root:\n    sh /var/lib/remedy/${stageId}/program keep`,
    });
  }
  return { verb, token };
}

async function openWay(
  flags: SettleFlags,
  receipt: Receipt | null,
): Promise<Parameters<typeof settleRun>[2] & { host: string; stop: () => void }> {
  const interrupt = watchInterrupts();
  const notice = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  const named = flags.host !== undefined || flags.local;
  const used = named || receipt === null ? flags : { ...flags, ...storedWay(receipt) };
  const way = await resolveRoutes(used, interrupt.signal, notice);
  return {
    routes: way.routes,
    emit: () => undefined,
    signal: interrupt.signal,
    host: way.endpoint.host,
    stop: () => interrupt.stop(),
  };
}

/** The host and the ways in that a receipt names. */
export function storedWay(receipt: Receipt): RouteFlags {
  return receipt.flags as RouteFlags;
}

async function remember(
  receipts: Receipts,
  receipt: Receipt | null,
  stageId: string,
  settled: Settled,
): Promise<void> {
  const { state } = settled;
  if (receipt === null || (state !== 'confirmed' && state !== 'reverted' && state !== 'stuck')) {
    return;
  }
  const stages = receipt.stages.map((stage) =>
    stage.runId === stageId ? { ...stage, state } : stage,
  );
  await receipts.write({ ...receipt, stages });
  await receipts.clearToken(stageId);
}
