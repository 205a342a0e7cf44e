import { readFileSync } from 'node:fs';
import { afterAll, beforeAll } from 'vitest';
import type { Argv } from '../../src/core/quote.ts';
import { createExecRoute, splitCommand } from '../../src/route/exec.ts';
import type { Route } from '../../src/route/route.ts';
import { createSshRoute } from '../../src/route/ssh.ts';
import { sshTimeouts, type SshTimeouts } from '../../src/route/ssh-connect.ts';
import type { SshTarget } from '../../src/route/target.ts';
import { makeMark } from '../../test/route/conformance/mark.ts';
import { describeConformance, type Stand } from '../../test/route/conformance/suite.ts';
import { makeTarget } from '../../test/route/support/server.ts';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';
import { isFull } from '../support/tier.ts';
import { forwardTo } from './forward.ts';

// The stands on real hosts. A new route is a row in the table at the end, with a function above it
// that makes its stand.

let lab: Lab;
/** The host that the routes lead to. */
let host: LabHost;
/** The jump hosts. */
let outer: LabHost;
let inner: LabHost;
/** Does not answer any more. */
let gone: LabHost;

const silentPort = 7777;

beforeAll(async () => {
  lab = await openLab();
  [host, outer, inner, gone] = (await Promise.all(
    ['host', 'outer', 'inner', 'gone'].map(async (name) => lab.up(name)),
  )) as [LabHost, LabHost, LabHost, LabHost];
  await gone.cut();
  // A port that accepts and says nothing, and a user whose shell does the same.
  await host.read(`systemd-run --quiet python3 -c '
import socket, time
listener = socket.create_server(("", ${silentPort}))
while True: time.sleep(1000)'
printf '#!/bin/sh\\nexec cat >/dev/null\\n' >/usr/local/bin/mute && chmod 755 /usr/local/bin/mute
useradd --create-home --shell /usr/local/bin/mute mute
mkdir -m 700 /home/mute/.ssh && cp /root/.ssh/authorized_keys /home/mute/.ssh/
chown -R mute: /home/mute/.ssh`);
});

afterAll(async () => {
  await lab.down();
});

const noSudo = { sudoPassword: null, askSudoPassword: async () => null };

function targetAt(to: LabHost, more: Partial<SshTarget> = {}): SshTarget {
  const address = to.ipv4 ?? '';
  return makeTarget(22, {
    host: to.name,
    name: address,
    address,
    hostKeyAlias: address,
    user: 'root',
    identities: [lab.keyFile],
    identitiesOnly: true,
    knownHostsFiles: [lab.knownHosts],
    ...more,
  });
}

function sshRoute(target: SshTarget, timeouts: Partial<SshTimeouts> = {}, replyMs = 20_000): Route {
  return createSshRoute({
    target,
    acceptNewHostKey: false,
    timeouts: { ...sshTimeouts, ...timeouts },
    replyMs,
    ...noSudo,
  });
}

/** By ssh, through jump hosts; this machine reaches the first stop by a forwarded port. */
async function sshStand(through: readonly LabHost[]): Promise<Stand> {
  const first = through[0] ?? host;
  const forward = await forwardTo(lab, first.ipv4 ?? '');
  const dialled = { address: '127.0.0.1', port: forward.port };
  const jump = through.map((hop, index) => targetAt(hop, index === 0 ? dialled : {}));
  const at = (to: LabHost, more: Partial<SshTarget> = {}): SshTarget =>
    targetAt(to, { jump, ...(jump.length === 0 ? dialled : {}), ...more });
  const silent = await forwardTo(lab, host.ipv4 ?? '', silentPort);
  const silentAt =
    jump.length === 0 ? { address: '127.0.0.1', port: silent.port } : { port: silentPort };
  return {
    route: sshRoute(at(host)),
    breakConnection: async () => forward.cut(),
    stuck: [
      // From here the first stop always answers: the forwarded port does.
      ...(jump.length === 0
        ? []
        : [
            {
              phase: 'connect',
              route: sshRoute(at(gone), { channelMs: 1000 }),
              code: 'connect-timeout' as const,
            },
          ]),
      {
        phase: 'handshake',
        route: sshRoute(at(host, silentAt), { handshakeMs: 3000 }),
        code: 'handshake-timeout',
      },
      {
        phase: 'first answer',
        route: sshRoute(at(host, { user: 'mute' }), {}, 500),
        code: 'route-timeout',
      },
    ],
    leftThere: await watchHosts([host, ...through]),
    close: async () => {
      await forward.close();
      await silent.close();
    },
  };
}

async function execStand(): Promise<Stand> {
  const mark = makeMark();
  const split = splitCommand(host.execCommand);
  const words: Argv = split.ok ? split.value : ['false'];
  const pidFile = `${mark.folder}/pid`;
  const route = (argv: Argv, replyMs?: number): Route =>
    createExecRoute({
      argv,
      environment: process.env,
      ...noSudo,
      ...(replyMs === undefined ? {} : { replyMs }),
    });
  const silent: Argv = [
    ...(words.slice(0, -1) as [string, ...string[]]),
    'sh',
    '-c',
    'cat >/dev/null',
  ];
  return {
    route: route(['sh', '-c', 'echo $$ >"$1"; shift; exec "$@"', 'sh', pidFile, ...words]),
    breakConnection: async () => {
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
    },
    stuck: [{ phase: 'first answer', route: route(silent, 500), code: 'route-timeout' }],
    leftThere: await watchHosts([host]),
    close: async () => mark.remove(),
  };
}

/** What runs and lies on hosts that was not there when the watch began. */
async function watchHosts(hosts: readonly LabHost[]): Promise<() => Promise<readonly string[]>> {
  // Sessions of systemd outlive a login by ten seconds, whoever it was.
  const look = async (): Promise<string[]> =>
    (
      await Promise.all(
        hosts.map(async (one) => {
          const seen = await one.read(
            `ps -e -o ppid=,args= | grep -v ' ps -e\\|(sd-pam)\\|systemd\\|\\[.*\\]$\\|sh -c ps\\| grep ' | sed 's/^ *[0-9]* //'; find /tmp /var/tmp /root /dev/shm -xdev ! -path '*/systemd-private*' ! -type d`,
          );
          return seen.split('\n').map((line) => `${one.name}: ${line.trim()}`);
        }),
      )
    ).flat();
  const before = new Set(await look());
  return async () => (await look()).filter((line) => !before.has(line));
}

const stands: readonly (readonly [
  name: string,
  make: () => Promise<Stand>,
  options?: Parameters<typeof describeConformance>[2],
])[] = [
  ['ssh', async () => sshStand([])],
  ['ssh through one bastion', async () => sshStand([outer])],
  ['ssh through two bastions', async () => sshStand([outer, inner])],
  ['exec', execStand, { signalIs: 'lost' }],
];

for (const [name, make, options] of stands) {
  describeConformance(`${name} to a real host`, make, {
    timeoutMs: 120_000,
    ...(!isFull && { sizes: { programBytes: 256 * 1024, outputBytes: 1024 * 1024 } }),
    ...options,
  });
}
