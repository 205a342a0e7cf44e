import { describe, expect, onTestFinished, test } from 'vitest';
import type { SshConnection } from '../../src/route/ssh-connection.ts';
import { connectSsh, sshTimeouts, type SshOptions } from '../../src/route/ssh-connect.ts';
import { JumpHosts } from '../../src/route/ssh-jump.ts';
import type { SshTarget } from '../../src/route/target.ts';
import { hostKey, never, readyTarget, server, strict } from './support/ready.ts';
import { silenceable } from './support/listeners.ts';
import type { TestServer } from './support/server.ts';

interface Way {
  readonly outer: TestServer;
  readonly inner: TestServer;
  readonly host: TestServer;
  readonly target: SshTarget;
}

async function twoJumps(): Promise<Way> {
  const [outer, inner, host] = [await server(), await server(), await server()];
  const jump = [outer, inner].map(({ port }) => readyTarget(port));
  return { outer, inner, host, target: readyTarget(host.port, { jump }) };
}

async function log(target: SshTarget, options: Partial<SshOptions>): Promise<SshConnection> {
  const connected = await connectSsh(target, { ...strict, ...options }, never);
  if (!connected.ok) {
    throw new Error(JSON.stringify(connected.error));
  }
  onTestFinished(async () => connected.value.close());
  return connected.value;
}

function logins({ outer, inner, host }: Way): number[] {
  return [outer, inner, host].map(({ connections }) => connections.length);
}

describe('jump hosts', () => {
  test('are logged in to once, by all who pass them; the host anew each time', async () => {
    const way = await twoJumps();
    const options = { jumpHosts: new JumpHosts() };
    const [first, second] = await Promise.all([log(way.target, options), log(way.target, options)]);
    expect(logins(way)).toEqual([1, 1, 2]);
    await first.close();
    await first.close();
    expect(second.isOpen).toBe(true);
    expect((await second.exec('true', never)).ok).toBe(true);
    await second.close();
    await log(way.target, options);
    expect(logins(way)).toEqual([2, 2, 3]);
  });

  test('are logged in to anew by another user, or by whoever shares nothing', async () => {
    const way = await twoJumps();
    const options = { jumpHosts: new JumpHosts() };
    await log(way.target, options);
    const jump = way.target.jump.map((hop) => ({ ...hop, user: 'other' }));
    await log({ ...way.target, jump }, options);
    await log(way.target, {});
    expect(logins(way)).toEqual([3, 3, 3]);
  });

  test('a login that failed is not shared, nor is the way to it kept', async () => {
    const way = await twoJumps();
    const options = { jumpHosts: new JumpHosts() };
    const [first, second] = way.target.jump as [SshTarget, SshTarget];
    const stranger = { ...way.target, jump: [first, { ...second, knownHostsFiles: [] }] };
    const refused = await connectSsh(stranger, { ...strict, ...options }, never);
    expect(refused).toMatchObject({ ok: false, error: { failure: { code: 'host-key-unknown' } } });
    await log(way.target, options);
    expect(logins(way)).toEqual([2, 2, 1]);
  });

  test('are not trusted for a key that the host showed', async () => {
    const way = await twoJumps();
    const jump = way.target.jump.map((hop) => ({ ...hop, knownHostsFiles: [] }));
    const options = { ...strict, trustedKeys: [hostKey.hostKey] };
    const refused = await connectSsh({ ...way.target, jump }, options, never);
    expect(refused).toMatchObject({ ok: false, error: { failure: { code: 'host-key-unknown' } } });
    expect(way.outer.tries).toEqual([]);
  });

  test('that died while they were shared are logged in to again', async () => {
    const way = await twoJumps();
    const options = { jumpHosts: new JumpHosts() };
    const first = await log(way.target, options);
    way.outer.connections[0]?.end();
    await first.lost;
    await log(way.target, options);
    expect(logins(way)).toEqual([2, 2, 2]);
  });

  test('that went silent while they were shared are logged in to again', async () => {
    const [bastion, host] = [await server(), await server()];
    const line = await silenceable(bastion.port);
    onTestFinished(line.close);
    const target = readyTarget(host.port, { jump: [readyTarget(line.port)] });
    const options = {
      jumpHosts: new JumpHosts(),
      timeouts: { ...sshTimeouts, channelMs: 1000 },
    };
    await log(target, options);
    line.silence();
    await log(target, options);
    expect(bastion.connections).toHaveLength(2);
  });

  test('that answer while the host does not are left as they are', async () => {
    const bastion = await server({ onForward: () => {} });
    const target = readyTarget(1, { jump: [readyTarget(bastion.port)] });
    const options = {
      jumpHosts: new JumpHosts(),
      timeouts: { ...sshTimeouts, channelMs: 1000, keepaliveMs: 200 },
    };
    const lost = await Promise.all([
      connectSsh(target, { ...strict, ...options }, never),
      connectSsh(target, { ...strict, ...options }, never),
    ]);
    expect(lost.map((one) => (one.ok ? '' : one.error.failure.code))).toEqual([
      'connect-timeout',
      'connect-timeout',
    ]);
    expect(bastion.connections).toHaveLength(1);
  });
});
