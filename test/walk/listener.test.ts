import { describe, expect, it } from 'vitest';
import { known, unknown } from '../../src/facts/fact.ts';
import type { Listener } from '../../src/facts/listeners.ts';
import { sshListeners, walkListener } from '../../src/walk/listener.ts';

function socket(address: string, processes: readonly string[] = ['sshd'], port = 22): Listener {
  return { address, port, processes };
}

describe('walkListener', () => {
  it.each<[string, readonly Listener[], string, string]>([
    ['a wildcard', [socket('0.0.0.0')], 'ok', '0.0.0.0:22 (sshd)'],
    ['both families at once', [socket('*', ['systemd'])], 'ok', '*:22 (systemd)'],
    ['the address itself', [socket('10.0.0.2')], 'ok', '10.0.0.2:22 (sshd)'],
    ['a holder that is not known', [socket('0.0.0.0', [])], 'ok', '0.0.0.0:22'],
    ['another ssh server', [socket('0.0.0.0', ['dropbear'])], 'ok', '0.0.0.0:22 (dropbear)'],
    ['nothing', [], 'broken', 'nothing listens on port 22'],
    ['another port', [socket('0.0.0.0', ['sshd'], 2222)], 'broken', 'nothing listens on port 22'],
    [
      'the loopback only',
      [socket('127.0.0.1'), socket('::1')],
      'broken',
      'port 22 is open only on 127.0.0.1, ::1',
    ],
    ['the other family only', [socket('::')], 'broken', 'port 22 is open only on ::'],
    ['another address', [socket('192.168.1.1')], 'broken', 'port 22 is open only on 192.168.1.1'],
    [
      'another program',
      [socket('0.0.0.0', ['nginx'])],
      'broken',
      'port 22 belongs to nginx, not to sshd',
    ],
  ])('judges %s', (_, sockets, state, by) => {
    expect(
      walkListener(known({ sockets }), { port: 22, family: 'ip', destination: '10.0.0.2' }),
    ).toMatchObject({ layer: 'listener', state, by });
  });

  it('takes any but the loopback where the address is not known', () => {
    const target = { port: 22, family: 'ip' as const, destination: null };
    expect(walkListener(known({ sockets: [socket('192.168.1.1')] }), target).state).toBe('ok');
    expect(walkListener(known({ sockets: [socket('127.0.0.1')] }), target).state).toBe('broken');
  });

  it('is unknown where the sockets are', () => {
    expect(walkListener(unknown('no ss'), { port: 22, family: 'ip', destination: null })).toEqual({
      layer: 'listener',
      state: 'unknown',
      by: 'no ss',
      evidence: [],
    });
  });
});

describe('sshListeners', () => {
  it('leaves out other programs and ports', () => {
    const sockets = [socket('0.0.0.0'), socket('::', ['nginx']), socket('::', ['sshd'], 2222)];
    expect(sshListeners({ sockets }, 22)).toEqual([socket('0.0.0.0')]);
  });
});
