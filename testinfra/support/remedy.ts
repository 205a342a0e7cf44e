import { expect } from 'vitest';
import type { Controller, Lab, LabHost, RemedyOptions, RemedyResult } from './lab.ts';

/** The parts of `remedy.run/1` that tests look at. */
export interface RunDocument {
  readonly schema: string;
  readonly exitCode: number;
  readonly failure: RunFailure | null;
  readonly hosts: readonly HostDocument[];
}

export interface HostDocument {
  readonly outcome: string;
  readonly route: string | null;
  readonly routes: readonly {
    readonly route: string;
    readonly description: string;
    readonly opened: boolean;
    readonly failure: RunFailure | null;
  }[];
  readonly stages: readonly { readonly steps: readonly StepDocument[] }[];
  readonly proof: { readonly level: string; readonly before: string | null } | null;
  readonly links: readonly {
    readonly layer: string;
    readonly state: string;
    readonly by: string;
  }[];
  readonly failure: RunFailure | null;
}

export interface StepDocument {
  readonly id: string;
  readonly action: string;
  readonly reason: string;
  readonly changes: readonly {
    readonly kind: string;
    readonly summary: string;
    readonly diff: string;
  }[];
}

export interface RunFailure {
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly access: string;
  readonly todo: string;
}

/** How a test calls remedy on one host. */
export interface Call {
  readonly args?: readonly string[];
  readonly user?: string;
  readonly port?: number;
  readonly family?: 4 | 6;
  /** False leaves out `--exec`: the endpoint itself is the route. */
  readonly exec?: boolean;
  readonly options?: RemedyOptions;
}

/** The flags that name a lab host as an endpoint with the lab's key and known hosts. */
export function endpointFlags(lab: Lab, host: LabHost, call: Call = {}): string[] {
  const controller: Controller = call.options?.controller ?? lab.ctl;
  const address = call.family === 6 ? host.ipv6 : (host.ipv4 ?? host.ipv6);
  return [
    ...['--host', address ?? ''],
    ...['--port', String(call.port ?? 22)],
    ...['--user', call.user ?? 'root'],
    ...['--identity', controller.keyFile],
    ...['--known-hosts', lab.knownHosts],
    ...(call.exec === false ? [] : ['--exec', host.execCommand]),
  ];
}

/** How a run ended, and its JSON document. */
export interface Ran extends RemedyResult {
  readonly document: RunDocument;
}

/** Calls `remedy run` with these words; an error of the program itself fails the test. */
export async function runWith(
  lab: Lab,
  words: readonly string[],
  options: RemedyOptions = {},
): Promise<Ran> {
  const result = await lab.remedy(['run', ...words, '--output', 'json'], {
    timeoutMs: 120_000,
    ...options,
  });
  expect(result.stderr).not.toMatch(/^\s+at /m);
  return { ...result, document: result.json<RunDocument>() };
}

/** Runs playbooks on a host. */
export async function remedy(
  lab: Lab,
  host: LabHost,
  playbooks: string,
  call: Call = {},
): Promise<Ran> {
  const words = [...playbooks.split(' '), ...endpointFlags(lab, host, call), ...(call.args ?? [])];
  return runWith(lab, words, call.options);
}

/** Why a run did not do what it should, or null. */
export function failureOf({ document }: Pick<Ran, 'document'>): RunFailure | null {
  return document.hosts[0]?.failure ?? document.failure;
}

/** The one host of a document. */
export function hostOf(document: RunDocument): HostDocument {
  const [host] = document.hosts;
  if (host === undefined) {
    throw new Error(`no host in the document: ${JSON.stringify(document)}`);
  }
  return host;
}

/** Every change of a document, in order. */
export function changesOf(document: RunDocument): StepDocument['changes'] {
  return hostOf(document).stages.flatMap(({ steps }) => steps.flatMap(({ changes }) => changes));
}

/** Breaks a host, remedies it, logs in, and runs again: the whole promise of a playbook. */
export async function expectRemedy(
  lab: Lab,
  host: LabHost,
  playbooks: string,
  call: Call = {},
): Promise<RunDocument> {
  const family = call.family ?? (host.ipv4 === undefined ? 6 : 4);
  const login = async (): Promise<number | null> =>
    (
      await host.login(call.user ?? 'root', 'true', {
        connectSeconds: 2,
        port: call.port ?? 22,
        family,
      })
    ).status;
  expect(await login(), 'the break locks out').not.toBe(0);
  const dry = await remedy(lab, host, playbooks, {
    ...call,
    args: [...(call.args ?? []), '--dry-run', '--detailed-exitcode'],
  });
  expect({ status: dry.status, failure: dry.document.hosts[0]?.failure }).toEqual({
    status: 2,
    failure: null,
  });
  expect(hostOf(dry.document).outcome).toBe('would-change');
  const real = await remedy(lab, host, playbooks, {
    ...call,
    args: [...(call.args ?? []), '--yes'],
  });
  expect({ status: real.status, failure: real.document.hosts[0]?.failure }).toEqual({
    status: 0,
    failure: null,
  });
  expect(hostOf(real.document)).toMatchObject({
    outcome: 'changed',
    proof: { level: 'login', before: expect.stringMatching(/none|banner|listener/) },
  });
  expect(changesOf(real.document).map(({ summary }) => summary)).toEqual(
    changesOf(dry.document).map(({ summary }) => summary),
  );
  expect(await login(), 'a fresh login works').toBe(0);
  const again = await remedy(lab, host, playbooks, {
    ...call,
    args: [...(call.args ?? []), '--yes'],
  });
  expect(hostOf(again.document)).toMatchObject({ outcome: 'unchanged', failure: null });
  expect(changesOf(again.document)).toEqual([]);
  for (const step of hostOf(again.document).stages.flatMap(({ steps }) => steps)) {
    expect(step.reason, `${step.id} says why there is nothing to do`).not.toBe('');
  }
  return real.document;
}
