import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { FactSet } from '../../src/facts/fact.ts';
import { brokenLink, walk, walkRequests } from '../../src/walk/walk.ts';
import type { Link } from '../../src/walk/link.ts';
import { openLab, type Lab, type LabHost, type Root } from '../support/lab.ts';
import { observeFacts } from '../support/observe.ts';
import { runOrThrow } from '../support/process.ts';
import { rows, type Expected, type Row } from './rows.ts';

let lab: Lab;
let fingerprint: string;

beforeAll(async () => {
  lab = await openLab();
  fingerprint = (await runOrThrow(['ssh-keygen', '-lf', lab.keyFile])).split(' ')[1] ?? '';
});

afterAll(async () => {
  await lab.down();
});

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

async function walkBoth(host: LabHost): Promise<Record<'root' | 'admin', Link[]>> {
  const endpoints = { root: endpointOf(host, 'root'), admin: endpointOf(host, 'admin') };
  const requests = [
    ...new Map(
      [...walkRequests(endpoints.root), ...walkRequests(endpoints.admin)].map((one) => [
        one.key,
        one,
      ]),
    ).values(),
  ];
  const values = await observeFacts(host, requests);
  const facts = new FactSet(
    new Map(
      requests.map(({ key }, index) => [
        key,
        values[index] ?? { known: false, because: 'no answer' },
      ]),
    ),
  );
  return { root: walk(facts, endpoints.root), admin: walk(facts, endpoints.admin) };
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

async function seen(host: LabHost): Promise<Record<string, unknown>> {
  const links = await walkBoth(host);
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

async function tryRow(host: LabHost, root: Root, one: Row): Promise<void> {
  const [rootLogin, adminLogin] =
    (root === 'debian13' ? one.debian13 : undefined) ?? ([one.root, one.admin] as const);
  await host.exec(one.break);
  try {
    const found = await seen(host);
    expect(found, JSON.stringify(found['why'], null, 2)).toMatchObject({
      root: words(rootLogin),
      admin: words(adminLogin),
    });
  } finally {
    await host.exec(one.undo);
  }
}

// Each host takes a share of the rows, one after the other; the hosts work beside each other.
const hosts: readonly (readonly [name: string, root: Root, take: (index: number) => boolean])[] = [
  ['w12a', 'debian12', (index) => index % 2 === 0],
  ['w12b', 'debian12', (index) => index % 2 === 1],
  ['w13', 'debian13', (index) => index % 5 === 0],
];

describe.concurrent.each(hosts)('the walk on %s agrees with real logins', (name, root, take) => {
  let host: LabHost;

  beforeAll(async () => {
    host = await lab.up(name, { root });
    // OpenSSH 10 shuts out clients that fail often.
    await host.exec(
      'sshd -T | grep -q persourcepenalties && { echo PerSourcePenalties no >/etc/ssh/sshd_config.d/00-lab.conf; systemctl restart ssh.service; }; :',
    );
  });

  const own = rows.filter((_, index) => take(index));
  test.each(own.map((one) => [one.name, one] as const))(
    '%s',
    { concurrent: false },
    async (_, one) => {
      await tryRow(host, root, one);
    },
  );
});
