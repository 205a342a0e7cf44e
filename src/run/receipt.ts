import type { FactAfter } from '../core/change.ts';
import { sealChange } from '../core/seal.ts';
import type { Secret } from '../core/secret.ts';
import type { FactSet } from '../facts/fact.ts';
import type { StagePlan } from '../plan/compile.ts';
import { openKeys, type Receipt, type ReceiptStore, type StageReceipt } from '../plan/receipt.ts';
import { changesOf } from './work.ts';

/** What a receipt says from its first word on. */
export type ReceiptHead = Pick<
  Receipt,
  'runId' | 'version' | 'startedAt' | 'host' | 'flags' | 'undoes'
>;

/** Keeps the receipt of one run up to date on the disk, so that a killed run leaves a true one. */
export class ReceiptKeeper {
  readonly #store: ReceiptStore | null;
  #receipt: Receipt;

  /** Without a store nothing is kept; the guard still takes back what nobody confirms. */
  constructor(head: ReceiptHead, store: ReceiptStore | null) {
    this.#store = store;
    this.#receipt = {
      schema: 'remedy.receipt/1',
      ...head,
      title: '',
      endedAt: null,
      stages: [],
      result: null,
    };
  }

  /** A stage is about to go to the host: from here on the run may need to be settled by hand. */
  async begin(
    stage: { readonly runId: string; readonly title: string; readonly token: Secret },
    plan: StagePlan,
    observed: FactSet,
  ): Promise<void> {
    const keys = openKeys(changesOf(plan));
    const entry: StageReceipt = {
      runId: stage.runId,
      state: 'open',
      changes: changesOf(plan).map(sealChange),
      before: values(observed, keys),
      after: values(plan.facts, keys),
    };
    this.#receipt = {
      ...this.#receipt,
      title: stage.title,
      stages: [...this.#receipt.stages, entry],
    };
    await this.#store?.writeToken(stage.runId, stage.token);
    await this.#store?.write(this.#receipt);
  }

  /**
   * A stage ended. Its token is of no use any more, unless it is still open.
   *
   * @param observed the host as it was seen after the stage, which is truer than what was foreseen.
   */
  async settle(
    stageId: string,
    state: StageReceipt['state'],
    observed: FactSet | null = null,
  ): Promise<void> {
    const ended = (stage: StageReceipt): StageReceipt => ({
      ...stage,
      state,
      ...(observed !== null && { after: values(observed, openKeys(stage.changes)) }),
    });
    this.#receipt = {
      ...this.#receipt,
      stages: this.#receipt.stages.map((stage) => (stage.runId === stageId ? ended(stage) : stage)),
    };
    if (state !== 'open' && state !== 'armed') {
      await this.#store?.clearToken(stageId);
    }
    await this.#store?.write(this.#receipt);
  }

  /** The run is over. A run that began no stage leaves no receipt. */
  async finish(endedAt: string, result: unknown): Promise<void> {
    if (this.#receipt.stages.length > 0) {
      this.#receipt = { ...this.#receipt, endedAt, result };
      await this.#store?.write(this.#receipt);
    }
  }
}

function values(facts: FactSet, keys: readonly string[]): FactAfter[] {
  return keys.flatMap((key) => {
    const value = facts.byKey(key);
    return value?.known === true ? [{ key, value: value.value }] : [];
  });
}
