import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';
import { hostOf, type RunDocument } from '../support/remedy.ts';

let lab: Lab;
let host: LabHost;

beforeAll(async () => {
  lab = await openLab();
  host = await lab.up('host', { ports: [22, 2222] });
  await host.read('ufw allow 2222/tcp >/dev/null && ufw --force enable >/dev/null');
});

afterAll(async () => {
  await lab.down();
});

function words(...routes: readonly string[]): string[] {
  return [
    ...['run', 'open-port', '--dry-run', '--host', host.ipv4 ?? '', '--user', 'root'],
    ...['--identity', lab.keyFile, '--known-hosts', lab.knownHosts],
    ...routes,
  ];
}

/** What sshd wrote since the last call. */
async function logged(): Promise<string[]> {
  const lines = await host.read(
    'journalctl --sync; journalctl -t sshd -o cat --cursor-file=/run/test-cursor',
  );
  return lines.split('\n');
}

describe('several routes', () => {
  test('are tried in the order given; the one taken and why the others failed are told', async () => {
    const routes = [
      ...['--exec', 'sh -c "echo no such container >&2; exit 1"'],
      ...['--via', `root@${host.ipv4}:2`],
      ...['--via', `nobody@${host.ipv4}:2222`],
      ...['--via', `root@${host.ipv4}:2222`],
      ...['--exec', host.execCommand],
    ];
    await logged();
    const json = await lab.remedy([...words(...routes), '--output', 'json'], { timeoutMs: 60_000 });
    const run = hostOf(json.json<RunDocument>());
    expect({ status: json.status, failure: run.failure }).toEqual({ status: 0, failure: null });
    expect(run.routes.map(({ route, opened }) => ({ route, opened }))).toEqual([
      { route: 'exec', opened: false },
      { route: 'ssh', opened: false },
      { route: 'ssh', opened: false },
      { route: 'ssh', opened: true },
    ]);
    expect(run.routes.map(({ failure }) => failure?.code)).toEqual([
      'exec-failed',
      expect.stringMatching(/^connect/),
      'auth-failed',
      undefined,
    ]);
    expect(run.routes[0]?.failure?.why).toContain('no such container');
    expect(run).toMatchObject({ route: 'ssh', routeDescription: `ssh root@${host.ipv4}:2222` });
    // One real login for each route: nobody connects and hangs up to see who is there.
    const log = await logged();
    expect(log.filter((line) => line.startsWith('Accepted '))).toHaveLength(1);
    expect(
      log.filter((line) => /Failed|Connection (closed|reset).*preauth/.test(line)),
    ).toHaveLength(1);
    expect(log.join('\n')).not.toMatch(/Did not receive identification|banner exchange/);

    const text = await lab.remedy(words(...routes), { timeoutMs: 60_000 });
    expect(text.stdout).toContain(`came in by ssh root@${host.ipv4}:2222`);
    expect(text.stdout).toMatch(/not by exec 'sh -c .* It printed: no such container/);
    expect(text.stdout).toMatch(/not by ssh nobody@\S+:2222: The login as nobody .* was refused\./);
  });

  test('where none opens, each is told, and what needs a person decides the status', async () => {
    const routes = ['--via', `root@${host.ipv4}:2`, '--via', `nobody@${host.ipv4}:2222`];
    const json = await lab.remedy([...words(...routes), '--output', 'json'], { timeoutMs: 60_000 });
    const run = hostOf(json.json<RunDocument>());
    expect({ status: json.status, route: run.route }).toEqual({ status: 77, route: null });
    expect(run.routes.map(({ opened }) => opened)).toEqual([false, false]);
    expect(run.failure?.what).toBe('None of the 2 routes opened.');
    expect(run.failure?.why).toMatch(/:2: .*\n.*nobody@/);
  });
});
