import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { FactSet, known, request, unknown, type Fact } from '../../src/facts/fact.ts';
import { blocked, change, none, type Module } from '../../src/modules/module.ts';
import { compileStagePlan, queueSteps, requestsFor } from '../../src/plan/compile.ts';
import type { BoundPlaybook, BoundStep } from '../../src/playbook/playbook.ts';
import { changeOf } from '../program/support/change.ts';
import { renderTemplateFile } from '../../src/store/templates.ts';

const endpoint: Endpoint = {
  host: 'web1',
  address: '192.0.2.1',
  port: 22,
  user: 'root',
  from: null,
};
const context = { endpoint, runId: 'RUN', render: renderTemplateFile };
const location = { file: 'x', line: 1, column: 1, length: 1, lineText: null };

const counterFact: Fact<undefined, number> = {
  name: 'counter',
  summary: '',
  slow: false,
  read: () => [],
  parse: () => known(0),
};
const counter = request(counterFact, undefined);

/** A module that counts the fact up to `to`; `blind` makes it unforeseeable. */
const count: Module = {
  name: 'count',
  summary: '',
  schema: z.unknown(),
  facts: () => [counter],
  plan(args, facts) {
    const { to, blind } = args as { to: number; blind?: boolean };
    const value = facts.get(counter);
    if (!value.known) {
      return blocked(value.because);
    }
    const more =
      blind === true
        ? { invalidates: [counter.key] }
        : { factsAfter: [{ key: counter.key, value: to }] };
    return value.value >= to
      ? none(`it is ${value.value}`)
      : change(`it is ${value.value}`, [
          changeOf({ type: 'run', argv: ['count', String(to)] }, undefined, more),
        ]);
  },
};

const last: Module = { ...count, name: 'last', runsLast: true };

function step(id: string, module: Module, args: object): BoundStep {
  return {
    id,
    playbook: 'p',
    summary: null,
    when: null,
    afterProof: false,
    module,
    args,
    location,
  };
}

function proven(id: string, module: Module, args: object): BoundStep {
  return { ...step(id, module, args), afterProof: true };
}

function playbook(name: string, steps: readonly BoundStep[]): BoundPlaybook {
  return {
    name,
    summary: '',
    file: `${name}.yaml`,
    digest: '',
    values: new Map(),
    endpoint,
    requires: null,
    steps,
    checks: [],
  };
}

function plan(
  playbooks: readonly BoundPlaybook[],
  facts = new FactSet(new Map([[counter.key, known(0)]])),
): ReturnType<typeof compileStagePlan> {
  return compileStagePlan(queueSteps(playbooks), facts, context);
}

describe('queueSteps', () => {
  it('keeps the order, but puts what starts daemons behind all playbooks', () => {
    const queue = queueSteps([
      playbook('a', [step('1', last, {}), step('2', count, {})]),
      playbook('b', [step('3', count, {}), step('4', last, {})]),
    ]);
    expect(queue.map(({ playbook: { name }, step: { id } }) => `${name}/${id}`)).toEqual([
      'a/2',
      'b/3',
      'a/1',
      'b/4',
    ]);
  });

  it('puts what waits for a proof behind all that does not, and never before another', () => {
    const queue = queueSteps([
      playbook('a', [
        step('1', last, {}),
        proven('2', last, {}),
        step('3', count, {}),
        proven('4', count, {}),
      ]),
      playbook('b', [step('5', count, {}), step('6', last, {}), proven('7', count, {})]),
    ]);
    expect(
      queue.map(({ playbook: { name }, step: { id }, proofs }) => `${name}/${id} ${proofs}`),
    ).toEqual(['b/5 0', 'a/1 0', 'b/6 0', 'a/3 1', 'b/7 1', 'a/2 1', 'a/4 2']);
  });
});

describe('requestsFor', () => {
  it('asks for each fact once', () => {
    expect(
      requestsFor(
        queueSteps([playbook('a', [step('1', count, {}), step('2', count, {})])]),
        context,
      ),
    ).toHaveLength(1);
  });
});

describe('compileStagePlan', () => {
  it('plans each step on the facts as the one before leaves them', () => {
    const { steps, facts, later } = plan([
      playbook('a', [
        step('1', count, { to: 2 }),
        step('2', count, { to: 1 }),
        step('3', count, { to: 3 }),
      ]),
    ]);
    expect(steps.map(({ id, action, reason }) => `${id} ${action}: ${reason}`)).toEqual([
      '1 change: it is 0',
      '2 none: it is 2',
      '3 change: it is 2',
    ]);
    expect(facts.get(counter)).toEqual(known(3));
    expect(later).toEqual([]);
  });

  it('leaves a step for later that needs what nobody can foresee, and all behind it', () => {
    const { steps, later } = plan([
      playbook('a', [step('1', count, { to: 1, blind: true }), step('2', count, { to: 2 })]),
      playbook('b', [step('3', count, { to: 3 })]),
    ]);
    expect(steps.map(({ id }) => id)).toEqual(['1']);
    expect(
      later.map(({ playbook: { name }, step: { id }, after }) => `${name}/${id} after ${after}`),
    ).toEqual(['a/2 after 1', 'b/3 after 1']);
  });

  it('decides nothing further in a playbook with a blocked step, but goes on with the others', () => {
    const { steps } = plan(
      [
        playbook('a', [step('1', count, { to: 1 }), step('2', count, { to: 2 })]),
        playbook('b', [step('3', count, { to: 1 })]),
      ],
      new FactSet(new Map([[counter.key, unknown('the host did not say')]])),
    );
    expect(
      steps.map(({ playbook: name, id, action, reason }) => `${name}/${id} ${action}: ${reason}`),
    ).toEqual([
      'a/1 blocked: the host did not say',
      'a/2 skipped: not decided: step 1 is blocked',
      'b/3 blocked: the host did not say',
    ]);
  });

  it('ends the stage before a step that waits for a proof, and foresees what comes then', () => {
    const { steps, later, foreseen } = plan([
      playbook('a', [
        step('1', count, { to: 1 }),
        proven('2', count, { to: 2 }),
        step('3', count, { to: 2 }),
      ]),
      playbook('b', [step('4', count, { to: 1 })]),
    ]);
    expect(steps.map(({ id, action }) => `${id} ${action}`)).toEqual(['1 change', '4 none']);
    expect(later.map(({ step: { id }, after, waitsFor }) => `${id} ${after} ${waitsFor}`)).toEqual([
      '2 4 proof',
      '3 4 proof',
    ]);
    expect(foreseen.map(({ id, action, reason }) => `${id} ${action}: ${reason}`)).toEqual([
      '2 change: it is 1',
      '3 none: it is 2',
    ]);
  });

  it('has one stage where nothing is to be made, so that nothing is to be proven', () => {
    const { steps, later, foreseen } = plan(
      [playbook('a', [step('1', count, { to: 1 }), proven('2', count, { to: 2 })])],
      new FactSet(new Map([[counter.key, known(2)]])),
    );
    expect(steps.map(({ id, action }) => `${id} ${action}`)).toEqual(['1 none', '2 none']);
    expect({ later, foreseen }).toEqual({ later: [], foreseen: [] });
  });

  it('still waits for a proof where only the later stage has something to do', () => {
    const { steps, later, foreseen } = plan(
      [playbook('a', [step('1', count, { to: 1 }), proven('2', count, { to: 2 })])],
      new FactSet(new Map([[counter.key, known(1)]])),
    );
    expect(steps.map(({ id, action }) => `${id} ${action}`)).toEqual(['1 none']);
    expect(later.map(({ waitsFor }) => waitsFor)).toEqual(['proof']);
    expect(foreseen.map(({ id, action }) => `${id} ${action}`)).toEqual(['2 change']);
  });

  it('decides the later stage when its turn has come, up to the next proof', () => {
    const first = plan([
      playbook('a', [
        step('1', count, { to: 1 }),
        proven('2', count, { to: 2 }),
        proven('3', count, { to: 3 }),
      ]),
    ]);
    const second = compileStagePlan(first.later, first.facts, context);
    expect(second.steps.map(({ id, reason }) => `${id}: ${reason}`)).toEqual(['2: it is 1']);
    expect(second.later.map(({ step: { id }, waitsFor }) => `${id} ${waitsFor}`)).toEqual([
      '3 proof',
    ]);
    expect(second.foreseen.map(({ id, reason }) => `${id}: ${reason}`)).toEqual(['3: it is 2']);
  });

  it('foresees nothing that depends on what nobody can foresee', () => {
    const blind = plan([
      playbook('a', [step('1', count, { to: 1, blind: true }), proven('2', count, { to: 2 })]),
    ]);
    expect(blind.steps.map(({ id }) => id)).toEqual(['1']);
    expect(blind.later.map(({ waitsFor }) => waitsFor)).toEqual(['proof']);
    expect(blind.foreseen).toEqual([]);
    const both = plan([
      playbook('a', [
        step('1', count, { to: 1, blind: true }),
        step('2', count, { to: 2 }),
        proven('3', count, { to: 3 }),
      ]),
    ]);
    expect(both.later.map(({ step: { id }, waitsFor }) => `${id} ${waitsFor}`)).toEqual([
      '2 facts',
      '3 proof',
    ]);
    expect(both.foreseen).toEqual([]);
  });

  it('foresees nothing of a playbook with a blocked step', () => {
    const { steps } = plan(
      [playbook('a', [step('1', count, { to: 1 }), proven('2', count, { to: 2 })])],
      new FactSet(new Map([[counter.key, unknown('the host did not say')]])),
    );
    expect(steps.slice(1).map(({ action, reason }) => `${action}: ${reason}`)).toEqual([
      'skipped: not decided: step 1 is blocked',
    ]);
  });
});
