import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, vi } from 'vitest';
import type { Argv } from '../../src/core/quote.ts';
import { Secret } from '../../src/core/secret.ts';
import type { ConsoleTimes } from '../../src/route/console/dialogue.ts';
import { createConsoleRoute } from '../../src/route/console/route.ts';
import { createExecRoute } from '../../src/route/exec.ts';
import { createOpensshRoute } from '../../src/route/openssh.ts';
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
import { commandOf, watchHosts } from './stand-parts.ts';

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

/** By the system's client, through one jump host or none; it finds its way by a configuration. */
async function opensshStand(jump: LabHost | null): Promise<Stand> {
  const mark = makeMark();
  const first = jump ?? host;
  const forward = await forwardTo(lab, first.ipv4 ?? '');
  const silent = await forwardTo(lab, host.ipv4 ?? '', silentPort);
  const configFile = join(mark.folder, 'config');
  const block = (one: LabHost): string =>
    [
      `Host ${one.name}`,
      `  HostName ${one === first ? '127.0.0.1' : one.ipv4}`,
      // The command line says the port of the last stop.
      `  Port ${forward.port}`,
      `  HostKeyAlias ${one.ipv4}`,
      '  User root\n',
    ].join('\n');
  writeFileSync(configFile, [host, gone, ...(jump === null ? [] : [jump])].map(block).join(''));
  // There the folder of a client is made, and must be gone when the client is.
  vi.stubEnv('TMPDIR', mark.environment['TMPDIR']);
  const port = jump === null ? forward.port : 22;
  const route = (
    to: LabHost,
    more: Partial<SshTarget> = {},
    timeouts: Partial<SshTimeouts> = {},
  ): Route =>
    createOpensshRoute({
      way: {
        target: targetAt(to, { port, ...(jump && { jump: [targetAt(jump)] }), ...more }),
        flags: {
          identities: [lab.keyFile],
          jump: jump && [{ host: jump.name, user: null, port: null }],
          knownHosts: lab.knownHosts,
        },
      },
      configFile,
      environment: mark.environment,
      timeouts: { ...sshTimeouts, ...timeouts },
      acceptNewHostKey: false,
      interactive: false,
      passphraseKnown: false,
      ...noSudo,
    });
  const hurried = { connectMs: 1000, handshakeMs: 1000, authenticationMs: 1000 };
  const left = await watchHosts(jump === null ? [host] : [host, jump]);
  return {
    route: route(host),
    breakConnection: async () => forward.cut(),
    stuck: [
      ...(jump === null
        ? []
        : [
            {
              phase: 'connect',
              route: route(gone, {}, hurried),
              code: 'connect-timeout' as const,
            },
          ]),
      {
        phase: 'handshake',
        route: route(host, { port: jump === null ? silent.port : silentPort }, hurried),
        // Behind a jump host the client is not told whether a host is gone or says nothing.
        code: jump === null ? 'handshake-timeout' : 'connect-timeout',
      },
      {
        phase: 'first answer',
        route: route(host, { user: 'mute' }, hurried),
        code: 'route-timeout',
      },
    ],
    leftThere: async () => [...(await left()), ...mark.left()],
    close: async () => {
      vi.unstubAllEnvs();
      await forward.close();
      await silent.close();
      mark.remove();
    },
  };
}

async function execStand(): Promise<Stand> {
  const { argv, mute, mark, kill } = commandOf(host, host.execCommand);
  const route = (words: Argv, replyMs?: number): Route =>
    createExecRoute({
      argv: words,
      environment: process.env,
      ...noSudo,
      ...(replyMs === undefined ? {} : { replyMs }),
    });
  return {
    route: route(argv),
    breakConnection: kill,
    stuck: [{ phase: 'first answer', route: route(mute, 500), code: 'route-timeout' }],
    leftThere: await watchHosts([host]),
    close: async () => mark.remove(),
  };
}

/** A machine of its own behind a true serial line. */
async function serialStand(): Promise<Stand> {
  const machine = await lab.up('machine', { vm: true });
  const socket = machine.consoleCommand.replace(/^unix:/, '');
  const stand = await consoleStand(machine, `socat - UNIX-CONNECT:${socket}`, {});
  return {
    ...stand,
    close: async () => {
      await stand.close();
      await machine.down();
    },
  };
}

// No noisy line, no slow host: nothing needs the long waiting of the usual times.
const brisk = { quiet: 500, settle: 100 };

/** By a host's own console, which asks for a login. */
async function consoleStand(
  to: LabHost,
  command: string,
  pace: Partial<ConsoleTimes>,
): Promise<Stand> {
  const password = 'Ohb4ooL1 x';
  await to.exec(['chpasswd'], { stdin: `root:${password}\n` });
  const { argv, mute, mark, kill } = commandOf(host, command);
  const route = (words: Argv, times: Partial<ConsoleTimes> = {}): Route =>
    createConsoleRoute({
      text: 'a host of the lab',
      address: { type: 'command', argv: words, pty: false },
      hint: null,
      user: 'root',
      password: new Secret(password),
      askPassword: async () => null,
      sudoPassword: null,
      environment: process.env,
      recorder: null,
      onNotice: () => {},
      times,
    });
  const hurried = { ...brisk, answer: 500 };
  return {
    route: route(argv, pace),
    breakConnection: kill,
    stuck: [{ phase: 'first answer', route: route(mute, hurried), code: 'route-timeout' }],
    leftThere: await watchHosts([to]),
    close: async () => mark.remove(),
  };
}

const consoleRow = [
  'console',
  async () => consoleStand(host, host.consoleCommand, brisk),
  { resumes: true, silenceMs: 1000, timeoutMs: 600_000 },
] as const;

const serialRow = [
  'console on the serial line of a virtual machine',
  serialStand,
  {
    resumes: true,
    silenceMs: 5000,
    // At 115200 baud, on an emulated processor.
    sizes: { programBytes: 64 * 1024, outputBytes: 256 * 1024 },
    timeoutMs: 900_000,
  },
] as const;

const stands: readonly (readonly [
  name: string,
  make: () => Promise<Stand>,
  options?: Parameters<typeof describeConformance>[2],
])[] = [
  ['ssh', async () => sshStand([])],
  ['ssh through one bastion', async () => sshStand([outer])],
  ['ssh through two bastions', async () => sshStand([outer, inner])],
  ['openssh', async () => opensshStand(null)],
  ['openssh through a bastion', async () => opensshStand(outer)],
  ['exec', execStand, { signalIs: 'lost' }],
  // In the short tier the unit tests run the same on a terminal of this machine.
  ...(isFull ? [consoleRow, serialRow] : []),
];

for (const [name, make, options] of stands) {
  describeConformance(`${name} to a real host`, make, {
    timeoutMs: 120_000,
    ...(!isFull && { sizes: { programBytes: 256 * 1024, outputBytes: 1024 * 1024 } }),
    ...options,
  });
}
