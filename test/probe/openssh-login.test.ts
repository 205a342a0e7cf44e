import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { proveOpensshLogin } from '../../src/probe/openssh-login.ts';
import type { OpensshOptions } from '../../src/route/openssh-client.ts';
import { acceptPassword, makeKey, secret } from '../route/support/server.ts';
import { knownHostsLine, makeStand, whyNoClient, type Stand } from '../route/support/openssh.ts';
import { never } from '../route/support/ready.ts';

const missing = whyNoClient();
if (missing !== null) {
  console.warn(`skipped: the proof by the OpenSSH client: ${missing}`);
}

async function prove(
  stand: Stand,
  more: Partial<OpensshOptions> = {},
): ReturnType<typeof proveOpensshLogin> {
  const options = { ...stand.options, ...more, remembered: new Map() };
  return proveOpensshLogin(stand.way, never, options);
}

describe.skipIf(missing !== null)('the proof by the OpenSSH client', () => {
  test('a login by a key', async () => {
    const stand = await makeStand();
    const proof = await prove(stand);
    expect(proof).toMatchObject({ level: 'login', byKey: true, failure: null });
    expect(proof.by).toMatch(/^tester with key SHA256:\S+ \(.*key\)$/);
    expect(stand.server.connections).toHaveLength(1);
  });

  test('a login by a password is none by key', async () => {
    const stand = await makeStand({
      authenticate: acceptPassword('pass'),
      target: { password: secret('pass') },
    });
    expect(await prove(stand)).toMatchObject({
      level: 'login',
      by: 'tester with password',
      byKey: false,
    });
  });

  test('a login that is refused shows the banner', async () => {
    const stand = await makeStand({ authenticate: (context) => context.reject(['publickey']) });
    const proof = await prove(stand);
    expect(proof).toMatchObject({ level: 'banner', failure: { code: 'auth-failed' } });
    expect(proof.by).toMatch(/^SSH-2\.0-ssh2js/);
  });

  test('a login whose command fails is none', async () => {
    const stand = await makeStand({
      onExec: (channel) => {
        channel.exit(1);
        channel.end();
      },
    });
    expect(await prove(stand)).toMatchObject({
      level: 'banner',
      failure: { code: 'shell-missing' },
    });
  });

  test('a service that says nothing is a listener', async () => {
    const server = createServer((socket) => socket.on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
    });
    const stand = await makeStand();
    const { port } = server.address() as AddressInfo;
    const way = { ...stand.way, target: { ...stand.way.target, port } };
    const timeouts = {
      connectMs: 1000,
      handshakeMs: 1000,
      authenticationMs: 1000,
      keepaliveMs: 1000,
      channelMs: 10_000,
    };
    expect(await prove({ ...stand, way }, { timeouts })).toMatchObject({
      level: 'listener',
      by: `port ${port} accepted the connection`,
      failure: { code: 'handshake-timeout' },
    });
  });

  test('where nothing listens there is nothing', async () => {
    const stand = await makeStand();
    await stand.server.close();
    expect(await prove(stand)).toMatchObject({
      level: 'none',
      by: '',
      failure: { code: 'connection-refused' },
    });
  });

  test('a new key is trusted where the host showed it on a verified way; no file is written', async () => {
    const stand = await makeStand();
    const file = stand.way.flags.knownHosts ?? '';
    writeFileSync(file, knownHostsLine(stand.server.port, makeKey()));
    const before = readFileSync(file, 'utf8');
    expect(await prove(stand)).toMatchObject({
      level: 'banner',
      failure: { code: 'host-key-changed' },
    });
    expect(await prove(stand, { trustedKeys: [stand.hostKey.hostKey] })).toMatchObject({
      level: 'login',
    });
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  test('an unknown key is never stored by a proof', async () => {
    const stand = await makeStand();
    writeFileSync(stand.way.flags.knownHosts ?? '', '');
    expect(await prove(stand, { acceptNewHostKey: true })).toMatchObject({
      level: 'banner',
      failure: { code: 'host-key-unknown' },
    });
  });
});
