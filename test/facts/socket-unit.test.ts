import { describe, expect, it } from 'vitest';
import {
  dropInsInOrder,
  socketUnitsFact,
  type SocketUnit,
  type SocketUnits,
} from '../../src/facts/socket-unit.ts';
import { captured, capturedParts, capturedValue, part } from './support/captured.ts';

function read(name: string): SocketUnits {
  return capturedValue(socketUnitsFact, undefined, name);
}

function listens(unit: SocketUnit | undefined): readonly string[] {
  return (unit?.listen ?? []).map(({ address, kind, port }) => `${address} ${kind} ${port}`);
}

describe('the socket units of a host', () => {
  it.each(['debian12-clean', 'debian13-port-socket', 'debian13-port-socket-used'])(
    '%s: one address, no drop-in',
    (name) => {
      const { units, generator } = read(name);
      expect(Object.keys(units)).toEqual(['ssh.socket']);
      expect(listens(units['ssh.socket'])).toEqual(['[::]:22 Stream 22']);
      expect(units['ssh.socket']).toMatchObject({
        bindIpv6Only: 'default',
        service: 'ssh.service',
        dropIns: [],
        folder: false,
      });
      expect(generator).toBeNull();
    },
  );

  it('have the addresses of their drop-ins', () => {
    const unit = read('debian13-port-socket-dropin').units['ssh.socket'];
    expect(listens(unit)).toEqual([
      '0.0.0.0:22 Stream 22',
      '127.0.0.1:2200 Stream 2200',
      '/run/ssh.sock Stream null',
    ]);
    expect(unit?.folder).toBe(true);
    expect(unit?.dropIns.map(({ path }) => path)).toEqual([
      '/etc/systemd/system/ssh.socket.d/zzz.conf',
    ]);
    expect(unit?.dropIns[0]?.text).toContain('ListenStream=127.0.0.1:2200\n');
  });

  it('follow a generator on Ubuntu 24.04', () => {
    const { units, generator } = read('ubuntu2404-port-socket-generated');
    expect(generator).toBe('/usr/lib/systemd/system-generators/sshd-socket-generator');
    expect(listens(units['ssh.socket'])).toEqual(['[::]:2200 Stream 2200', '[::]:22 Stream 22']);
    expect(units['ssh.socket']?.dropIns.map(({ path }) => path)).toEqual([
      '/run/systemd/generator/ssh.socket.d/addresses.conf',
    ]);
  });

  it('are none where systemd does not run', () => {
    expect(socketUnitsFact.parse(new Map([['show', part('', { status: 3 })]]), undefined)).toEqual({
      known: true,
      value: { units: {}, generator: null },
    });
  });

  it('are unknown where systemd does not answer, or where a drop-in was cut', () => {
    const parts = new Map(capturedParts('socket-units', 'debian13-port-socket-dropin'));
    parts.set('show', part('', { status: 1, errors: 'Failed to connect to bus' }));
    expect(socketUnitsFact.parse(parts, undefined)).toMatchObject({
      known: false,
      because: expect.stringContaining('Failed to connect to bus') as string,
    });
    const cut = new Map(capturedParts('socket-units', 'debian13-port-socket-dropin'));
    cut.set('ssh.socket', part('x', { cut: true }));
    expect(socketUnitsFact.parse(cut, undefined).known).toBe(false);
    expect(captured(socketUnitsFact, undefined, 'debian13-port-socket-dropin').known).toBe(true);
  });
});

describe('dropInsInOrder', () => {
  it('goes by name, and of one name the first folder counts', () => {
    const file = (path: string): SocketUnit['dropIns'][number] => ({ path, text: '', sha256: '' });
    const unit: SocketUnit = {
      listen: [],
      bindIpv6Only: '',
      service: null,
      folder: true,
      dropIns: [
        file('/usr/lib/systemd/system/ssh.socket.d/b.conf'),
        file('/run/systemd/generator/ssh.socket.d/addresses.conf'),
        file('/etc/systemd/system/ssh.socket.d/b.conf'),
        file('/etc/systemd/system/ssh.socket.d/a.conf'),
      ],
    };
    expect(dropInsInOrder(unit).map(({ path }) => path)).toEqual([
      '/etc/systemd/system/ssh.socket.d/a.conf',
      '/run/systemd/generator/ssh.socket.d/addresses.conf',
      '/etc/systemd/system/ssh.socket.d/b.conf',
    ]);
  });
});
