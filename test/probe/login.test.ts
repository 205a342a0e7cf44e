import { createServer, type AddressInfo } from 'node:net';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { proveLogin } from '../../src/probe/login.ts';
import { sourceAddress } from '../../src/route/source-address.ts';
import type { SshTarget } from '../../src/route/target.ts';
import { temporaryDirectory } from '../route/support/files.ts';
import {
  acceptKey,
  makeKey,
  makeTarget,
  runLocally,
  startServer,
  type ServerOptions,
  type TestServer,
} from '../route/support/server.ts';

const hostKey = makeKey();
const userKey = makeKey();
const never = new AbortController().signal;

async function server(more: Partial<ServerOptions> = {}): Promise<TestServer> {
  const started = await startServer({
    hostKeys: [hostKey],
    authenticate: acceptKey(userKey),
    ...more,
  });
  onTestFinished(async () => started.close());
  return started;
}

function target(port: number, more: Partial<SshTarget> = {}): SshTarget {
  const file = join(temporaryDirectory(), 'key');
  writeFileSync(file, userKey.private, { mode: 0o600 });
  return makeTarget(port, { identities: [file], identitiesOnly: true, ...more });
}

test('a login that runs nothing but true proves access', async () => {
  const commands: string[] = [];
  const { port, connections } = await server({
    onExec: (channel, command) => {
      commands.push(command);
      runLocally(channel, command);
    },
  });
  const proof = await proveLogin(target(port), never, { trustedKeys: [hostKey.hostKey] });
  expect(proof).toMatchObject({ level: 'login', failure: null });
  expect(proof.by).toContain('tester with key SHA256:');
  expect(commands).toEqual(['true']);
  expect(connections).toHaveLength(1);
});

test('a trusted key is stored nowhere, and an unknown one is not accepted', async () => {
  const { port } = await server();
  const file = join(temporaryDirectory(), 'known_hosts');
  const known = target(port, { knownHostsFiles: [file], newKeysFile: file });
  expect(await proveLogin(known, never, { trustedKeys: [hostKey.hostKey] })).toMatchObject({
    level: 'login',
  });
  expect(existsSync(file)).toBe(false);
  const proof = await proveLogin(known, never);
  expect(proof).toMatchObject({ level: 'banner', failure: { code: 'host-key-unknown' } });
});

test('a refused login still shows that the service answers', async () => {
  const { port } = await server();
  const proof = await proveLogin(target(port, { identities: [] }), never, {
    trustedKeys: [hostKey.hostKey],
  });
  expect(proof).toMatchObject({ level: 'banner', failure: { code: 'auth-failed' } });
});

test('a login without a shell is no login', async () => {
  const { port } = await server({
    onExec: (channel) => runLocally(channel, 'echo "not available"; exit 1'),
  });
  const proof = await proveLogin(target(port), never, { trustedKeys: [hostKey.hostKey] });
  expect(proof).toMatchObject({ level: 'banner', failure: { code: 'shell-missing' } });
  expect(proof.failure?.why).toContain('not available');
});

test('a port that says nothing of itself is a listener', async () => {
  const plain = createServer((socket) => socket.resume().end());
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const { port } = plain.address() as AddressInfo;
  expect(await proveLogin(target(port), never)).toMatchObject({
    level: 'listener',
    failure: { code: 'handshake-closed' },
  });
  await new Promise<void>((resolve) => plain.close(() => resolve()));
  expect(await proveLogin(target(port), never)).toMatchObject({
    level: 'none',
    by: '',
    failure: { code: 'connection-refused' },
  });
});

test('our own address on the way to a host is told', async () => {
  expect(await sourceAddress('127.0.0.1')).toBe('127.0.0.1');
  expect(await sourceAddress('no-such-host.invalid')).toBeNull();
});
