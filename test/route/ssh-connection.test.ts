import { join } from 'node:path';
import ssh2 from 'ssh2';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { connectSsh, sshTimeouts } from '../../src/route/ssh-connect.ts';
import { temporaryDirectory } from './support/files.ts';
import { silenceable } from './support/listeners.ts';
import { never, open, readyTarget, run, server, strict } from './support/ready.ts';
import { runLocally } from './support/server.ts';

describe('a link that went silent', () => {
  test('is noticed by asking, and the program is lost', async () => {
    const { port } = await server();
    const line = await silenceable(port);
    onTestFinished(line.close);
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
    onTestFinished(line.close);
    const timeouts = { ...sshTimeouts, channelMs: 200 };
    const connected = await connectSsh(readyTarget(line.port), { ...strict, timeouts }, never);
    if (!connected.ok) {
      throw new Error(JSON.stringify(connected.error));
    }
    onTestFinished(async () => connected.value.close());
    line.silence();
    const { value } = connected;
    expect(await value.exec('true', never)).toEqual({ ok: false, error: 'no answer: timed out' });
    // Nothing at all was heard meanwhile, so it is not asked a second time.
    expect(value.isOpen).toBe(false);
    expect(await value.forward({ address: '::1', port: 1 }, never)).toEqual({
      ok: false,
      error: 'the other side went silent',
    });
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
