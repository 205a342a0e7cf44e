import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { FactSet, unknown, type Observed } from '../../src/facts/fact.ts';
import { brokenLink, walk, walkRequests } from '../../src/walk/walk.ts';
import type { Link } from '../../src/walk/link.ts';
import { openLab, type Lab, type LabHost, type Root } from '../support/lab.ts';
import { observeFacts } from '../support/observe.ts';
import { runOrThrow } from '../support/process.ts';
import { rows, type Expected, type Row } from './rows.ts';

let lab: Lab;
let fingerprint: string;

function endpointOf(host: LabHost, user: string): Endpoint {
  return {
    host: host.name,
    address: host.ipv4 ?? '',
    port: 22,
    user,
    from: { address: lab.ctl.address4, assumed: false },
    credential: 'key',
    keyFingerprints: [fingerprint],
  };
}

type Observations = ReadonlyMap<string, Observed<unknown>>;

async function observeAll(host: LabHost, wanted: (name: string) => boolean): Promise<Observations> {
  const all = [
    ...walkRequests(endpointOf(host, 'root')),
    ...walkRequests(endpointOf(host, 'admin')),
  ];
  const requests = [...new Map(all.map((one) => [one.key, one])).values()].filter(({ name }) =>
    wanted(name),
  );
  const values = await observeFacts(host, requests);
  return new Map(
    requests.map(({ key }, index) => [key, values[index] ?? unknown<unknown>('no answer')]),
  );
}

function walkBoth(host: LabHost, facts: FactSet): Record<'root' | 'admin', Link[]> {
  return {
    root: walk(facts, endpointOf(host, 'root')),
    admin: walk(facts, endpointOf(host, 'admin')),
  };
}

/** What the walk says in the words of the table. */
function verdict(links: readonly Link[]): string {
  const broken = brokenLink(links);
  const unknown = links.find(({ state }) => state === 'unknown');
  return broken?.layer ?? (unknown === undefined ? 'ok' : `unknown ${unknown.layer}`);
}

function words(expected: Expected): { verdict: string; works: boolean } {
  return typeof expected === 'string'
    ? { verdict: expected, works: expected === 'ok' }
    : { verdict: `unknown ${expected.unknown}`, works: expected.works };
}

async function seen(
  host: LabHost,
  one: Row,
  before: Observations,
): Promise<Record<string, unknown>> {
  const now = await observeAll(host, (name) => one.facts?.includes(name) ?? true);
  const links = walkBoth(host, new FactSet(new Map([...before, ...now])));
  // A login that is never answered costs its whole time limit.
  const options = { family: 4, connectSeconds: 2, timeoutMs: 8000 } as const;
  const [root, admin] = await Promise.all([
    host.login('root', 'true', options),
    host.login('admin', 'true', options),
  ]);
  return {
    root: { verdict: verdict(links.root), works: root.status === 0 },
    admin: { verdict: verdict(links.admin), works: admin.status === 0 },
    why: [...links.root, ...links.admin]
      .filter(({ state }) => state !== 'ok')
      .map(({ layer, state, by }) => `${layer} ${state}: ${by}`),
  };
}

async function tryRow(host: LabHost, root: Root, one: Row, before: Observations): Promise<void> {
  const [rootLogin, adminLogin] =
    (root === 'debian13' ? one.debian13 : undefined) ?? ([one.root, one.admin] as const);
  await host.exec(one.break);
  try {
    const found = await seen(host, one, before);
    expect(found, JSON.stringify(found['why'], null, 2)).toMatchObject({
      root: words(rootLogin),
      admin: words(adminLogin),
    });
  } finally {
    await host.exec(one.undo);
  }
}

/** One host of the table, and the rows that it takes, one after the other. */
export interface TableHost {
  readonly name: string;
  readonly root: Root;
  take(index: number): boolean;
}

/** Breaks hosts row by row, and holds what the walk says against real logins. */
export function testTable(hosts: readonly TableHost[]): void {
  beforeAll(async () => {
    lab = await openLab();
    fingerprint = (await runOrThrow(['ssh-keygen', '-lf', lab.keyFile])).split(' ')[1] ?? '';
  });

  afterAll(async () => {
    await lab.down();
  });

  describe.concurrent.each(hosts.map((one) => [one.name, one] as const))(
    'the walk on %s agrees with real logins',
    (_name, table) => {
      let host: LabHost;
      let before: Observations;

      beforeAll(async () => {
        host = await lab.up(table.name, { root: table.root });
        // OpenSSH 10 shuts out clients that fail often.
        await host.exec(
          'sshd -T | grep -q persourcepenalties && { echo PerSourcePenalties no >/etc/ssh/sshd_config.d/00-lab.conf; systemctl restart ssh.service; }; :',
        );
        before = await observeAll(host, () => true);
      });

      const own = rows.filter((_, index) => table.take(index));
      test.each(own.map((one) => [one.name, one] as const))(
        '%s',
        { concurrent: false },
        async (_, one) => {
          await tryRow(host, table.root, one, before);
        },
      );
    },
  );
}
