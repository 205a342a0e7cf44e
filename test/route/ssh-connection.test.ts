import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { connectSsh, sshTimeouts } from '../../src/route/ssh-connect.ts';
import { temporaryDirectory } from './support/files.ts';
import { listen } from './support/listeners.ts';
import { never, open, readyTarget, run, server, strict } from './support/ready.ts';
import { runLocally } from './support/server.ts';

describe('a link that went silent', () => {
  test('is noticed by asking, and the program is lost', async () => {
    const { port } = await server();
    const line = await silenceable(port);
    const timeouts = { ...sshTimeouts, keepaliveMs: 200 };
    const session = await open(readyTarget(line.port), { timeouts });
    const exit = await session.run('echo begun; sleep 20', {
      onOutput: () => line.silence(),
      signal: never,
      idleMs: 60_000,
    });
    expect(exit).toMatchObject({ ok: true, value: { type: 'lost', because: 'Keepalive timeout' } });
    const again = await run(session, 'true');
    expect(again.exit).toMatchObject({ code: 'connection-lost' });
  });

  test('opening a channel has a limit of its own', async () => {
    const { port } = await server();
    const line = await silenceable(port);
    const timeouts = { ...sshTimeouts, channelMs: 200 };
    const connected = await connectSsh(readyTarget(line.port), { ...strict, timeouts }, never);
    if (!connected.ok) {
      throw new Error(JSON.stringify(connected.error));
    }
    onTestFinished(async () => connected.value.close());
    line.silence();
    const limits = { ok: false, error: 'no answer: timed out' };
    expect(await connected.value.exec('true', never)).toEqual(limits);
    expect(await connected.value.forward({ address: '::1', port: 1 }, never)).toEqual(limits);
  });
});

describe('what is asked of the host', () => {
  test('one command that every login shell understands, and no use of our agent', async () => {
    const commands: string[] = [];
    const { port, connections } = await server({
      onExec: (channel, command) => {
        commands.push(command);
        runLocally(channel, command);
      },
    });
    const asked: string[] = [];
    const agentSocket = join(temporaryDirectory(), 'agent');
    const watched = vi.spyOn(ssh2.Client.prototype, 'exec');
    onTestFinished(() => watched.mockRestore());
    const session = await open(readyTarget(port, { agentSocket }));
    connections.at(-1)?.on('request', (_accept, _reject, name) => asked.push(name));
    await run(session, 'echo "$HOME" \'it is\' && exit 3');
    await run(session, 'true');
    expect(commands).toEqual(['exec sh', 'exec sh']);
    expect(asked).toEqual([]);
    for (const [, options] of watched.mock.calls) {
      expect(options).not.toMatchObject({ agentForward: true });
    }
  });
});

/** A port before another one that can stop to pass anything on, without a word to either side. */
async function silenceable(to: number): Promise<{ port: number; silence: () => void }> {
  const sockets: Socket[] = [];
  const { port, close } = await listen((near) => {
    const far = connect(to, '127.0.0.1');
    far.on('error', () => {});
    sockets.push(near, far);
    near.pipe(far).pipe(near);
  });
  onTestFinished(async () => {
    for (const socket of sockets) {
      socket.destroy();
    }
    await close();
  });
  return {
    port,
    silence: () => {
      for (const socket of sockets) {
        socket.unpipe();
      }
    },
  };
}
