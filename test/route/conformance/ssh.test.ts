import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Route } from '../../../src/route/route.ts';
import { createSshRoute } from '../../../src/route/ssh.ts';
import { sshTimeouts, type SshTimeouts } from '../../../src/route/ssh-connect.ts';
import type { SshTarget } from '../../../src/route/target.ts';
import { listen, listenDeaf } from '../support/listeners.ts';
import {
  acceptKey,
  makeKey,
  makeTarget,
  runLocally,
  startServer,
  type TestServer,
} from '../support/server.ts';
import { makeMark, type Mark } from './mark.ts';
import { describeConformance, type Stand } from './suite.ts';

const hostKey = makeKey();
const userKey = makeKey();

function routeTo(target: SshTarget, timeouts: Partial<SshTimeouts> = {}, replyMs?: number): Route {
  return createSshRoute({
    target,
    acceptNewHostKey: false,
    timeouts: { ...sshTimeouts, ...timeouts },
    sudoPassword: null,
    askSudoPassword: async () => null,
    ...(replyMs === undefined ? {} : { replyMs }),
  });
}

interface Grounds {
  readonly mark: Mark;
  readonly server: TestServer;
  readonly targetAt: (port: number) => SshTarget;
}

async function prepare(): Promise<Grounds> {
  const mark = makeMark();
  const server = await startServer({
    hostKeys: [hostKey],
    authenticate: acceptKey(userKey),
    onExec: (channel, command) => runLocally(channel, command, mark.environment),
  });
  const identity = join(mark.folder, 'key');
  const knownHosts = join(mark.folder, 'known_hosts');
  writeFileSync(identity, userKey.private, { mode: 0o600 });
  writeFileSync(knownHosts, `127.0.0.1 ${hostKey.hostKey.type} ${hostKey.hostKey.base64}\n`);
  const targetAt = (port: number): SshTarget =>
    makeTarget(port, {
      identities: [identity],
      identitiesOnly: true,
      knownHostsFiles: [knownHosts],
    });
  return { mark, server, targetAt };
}

async function sshStand(jumps: number): Promise<Stand> {
  const { mark, server, targetAt } = await prepare();
  const bastions = await Promise.all(
    Array.from({ length: jumps }, async () =>
      startServer({ hostKeys: [hostKey], authenticate: acceptKey(userKey) }),
    ),
  );
  const jump = bastions.map(({ port }) => targetAt(port));
  const at = (port: number): SshTarget => ({ ...targetAt(port), jump });
  const deaf = await listenDeaf();
  const silent = await listen(() => {});
  const slow = await startServer({ hostKeys: [hostKey], authenticate: () => {} });
  const mute = await startServer({
    hostKeys: [hostKey],
    authenticate: acceptKey(userKey),
    onExec: () => {},
  });
  const first = bastions[0] ?? server;
  return {
    route: routeTo(at(server.port)),
    breakConnection: async () => {
      first.connections.at(-1)?.end();
    },
    stuck: [
      {
        phase: 'connect',
        // A jump host waits for its own system to give up, so the first stop is the deaf one.
        route: routeTo(targetAt(deaf.port), { connectMs: 300 }),
        code: 'connect-timeout',
      },
      {
        phase: 'handshake',
        route: routeTo(at(silent.port), { handshakeMs: 300 }),
        code: 'handshake-timeout',
      },
      {
        phase: 'login',
        route: routeTo(at(slow.port), { authenticationMs: 300 }),
        code: 'handshake-timeout',
      },
      {
        phase: 'first answer',
        route: routeTo(at(mute.port), {}, 300),
        code: 'route-timeout',
      },
    ],
    leftThere: async () => mark.left(),
    close: async () => {
      await Promise.all(
        [server, ...bastions, deaf, silent, slow, mute].map(async (one) => one.close()),
      );
      mark.remove();
    },
  };
}

describeConformance('the ssh route', async () => sshStand(0));
describeConformance('the ssh route through two jump hosts', async () => sshStand(2), {
  sizes: { programBytes: 256 * 1024, outputBytes: 2 * 1024 * 1024 },
});
