import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Change } from '../../src/core/change.ts';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { FactSet, request, type FactRequest, type Observed } from '../../src/facts/fact.ts';
import { listenersFact, type Listeners } from '../../src/facts/listeners.ts';
import { socketUnitsFact } from '../../src/facts/socket-unit.ts';
import { sshdConfigRequest, withConfigFile, type SshdConfig } from '../../src/facts/sshd-config.ts';
import { unitsFact, type Units } from '../../src/facts/units.ts';
import type { ModulePlan } from '../../src/modules/module.ts';
import { sshdPort } from '../../src/modules/sshd-port.ts';
import { renderTemplateFile } from '../../src/store/templates.ts';
import { walkListener } from '../../src/walk/listener.ts';
import { capturedParts, unitNames } from '../facts/support/captured.ts';

const listenersRequest = request(listenersFact, undefined);
const unitsRequest = request(unitsFact, unitNames);
const wanted: readonly FactRequest[] = [
  sshdConfigRequest,
  request(socketUnitsFact, undefined),
  unitsRequest,
  listenersRequest,
];

const endpoint: Endpoint = {
  host: 'web1',
  address: '192.0.2.99',
  port: 22,
  user: 'admin',
  from: { address: '10.77.0.1', assumed: false },
};

/** The facts of a captured host; what was not captured of it is that of the clean host. */
function host(name: string): FactSet {
  const [distro = ''] = name.split('-');
  return new FactSet(
    new Map(
      wanted.map((one): [string, Observed<unknown>] => {
        const file = new URL(`../fixtures/${one.name}/${name}.txt`, import.meta.url);
        return [
          one.key,
          one.parse(capturedParts(one.name, existsSync(file) ? name : `${distro}-clean`)),
        ];
      }),
    ),
  );
}

/** A host on which sshd opens its ports itself, with the text of a drop-in. */
function configured(text: string, main?: (before: string) => string): FactSet {
  const facts = host('debian12-clean');
  let config = value<SshdConfig>(facts, sshdConfigRequest.key);
  if (main !== undefined) {
    const path = '/etc/ssh/sshd_config';
    const before = config.files.find((file) => file.path === path)?.text ?? '';
    config = withConfigFile(config, path, main(before));
  }
  config = withConfigFile(config, '/etc/ssh/sshd_config.d/10-x.conf', text);
  return facts.with([{ key: sshdConfigRequest.key, value: config }]);
}

function value<V>(facts: FactSet, key: string): V {
  const observed = facts.byKey(key);
  if (observed?.known !== true) {
    throw new Error(`${key} is not known`);
  }
  return observed.value as V;
}

function listening(facts: FactSet, sockets: Listeners['sockets']): FactSet {
  const now = value<Listeners>(facts, listenersRequest.key);
  return facts.with([
    { key: listenersRequest.key, value: { sockets: [...now.sockets, ...sockets] } },
  ]);
}

function plan(
  facts: FactSet,
  args: { port: number; keep?: boolean },
  more: Partial<Endpoint> = {},
): ModulePlan {
  return sshdPort.plan({ keep: true, ...args }, facts, {
    endpoint: { ...endpoint, ...more },
    runId: 'RUN',
    render: renderTemplateFile,
  });
}

function changesOf(planned: ModulePlan): readonly Change[] {
  return planned.action === 'change' ? planned.changes : [];
}

function doing({ action }: Change): string {
  switch (action.type) {
    case 'write':
      return `write ${action.path}${action.gate === undefined ? '' : ` (${action.gate.join(' ')})`}`;
    case 'sshd-reload':
      return `reload ${action.unit} ${action.ports.join(' ')}`;
    case 'socket-restart':
      return `restart ${action.socket} (${action.service}) ${action.ports.join(' ')}`;
    case 'run':
      return action.argv.join(' ');
    default:
      return action.type;
  }
}

function fold(facts: FactSet, changes: readonly Change[]): FactSet {
  return changes.reduce((now, change) => now.with(change.factsAfter), facts);
}

/** The lines that a written file loses and gains. */
function lines(change: Change | undefined): readonly string[] {
  const [before = [], after = []] = [change?.before, change?.after].map((text) =>
    text?.toString().split('\n'),
  );
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
}

function ports(facts: FactSet): readonly string[] {
  return value<Listeners>(facts, listenersRequest.key).sockets.map(
    ({ address, port, processes }) => `${address}:${port} ${processes.join(' ')}`,
  );
}

const main = '/etc/ssh/sshd_config';
const socketFile = '/etc/systemd/system/ssh.socket.d/remedy-port.conf';

interface Move {
  readonly host: string;
  readonly opens: readonly string[];
  readonly closes: readonly string[];
}

const moves: readonly Move[] = [
  {
    host: 'debian12-clean',
    opens: [`write ${main} (sshd_gate ${main})`, 'reload ssh.service 22 2222'],
    closes: [`write ${main} (sshd_gate ${main})`, 'reload ssh.service 2222'],
  },
  {
    host: 'debian13-clean',
    opens: [`write ${main} (sshd_gate ${main})`, 'reload ssh.service 22 2222'],
    closes: [`write ${main} (sshd_gate ${main})`, 'reload ssh.service 2222'],
  },
  {
    host: 'debian12-port-dropin',
    opens: [
      'write /etc/ssh/sshd_config.d/10-ports.conf (sshd_gate /etc/ssh/sshd_config.d/10-ports.conf)',
      'reload ssh.service 22 2200 2222',
    ],
    closes: [
      'write /etc/ssh/sshd_config.d/10-ports.conf (sshd_gate /etc/ssh/sshd_config.d/10-ports.conf)',
      'reload ssh.service 2222',
    ],
  },
  {
    host: 'debian13-port-socket',
    opens: [
      'mkdir -m 755 -- /etc/systemd/system/ssh.socket.d',
      `write ${socketFile}`,
      'restart ssh.socket (ssh.service) 22 2222',
    ],
    closes: [`write ${socketFile}`, 'restart ssh.socket (ssh.service) 2222'],
  },
  {
    host: 'debian12-port-socket',
    opens: [
      'mkdir -m 755 -- /etc/systemd/system/ssh.socket.d',
      `write ${socketFile}`,
      'restart ssh.socket (ssh.service) 22 2222',
    ],
    closes: [`write ${socketFile}`, 'restart ssh.socket (ssh.service) 2222'],
  },
  {
    host: 'debian13-port-socket-used',
    opens: [
      'mkdir -m 755 -- /etc/systemd/system/ssh.socket.d',
      `write ${socketFile}`,
      'restart ssh.socket (ssh.service) 22 2222',
    ],
    closes: [`write ${socketFile}`, 'restart ssh.socket (ssh.service) 2222'],
  },
  {
    host: 'ubuntu2404-port-socket',
    opens: [`write ${main} (sshd_gate ${main})`, 'restart ssh.socket (ssh.service) 22 2222'],
    closes: [`write ${main} (sshd_gate ${main})`, 'restart ssh.socket (ssh.service) 2222'],
  },
  {
    host: 'ubuntu2404-port-socket-override',
    opens: [`write ${socketFile}`, 'restart ssh.socket (ssh.service) 22 2200 2222'],
    closes: [`write ${socketFile}`, 'restart ssh.socket (ssh.service) 2222'],
  },
];

describe('moving SSH to port 2222', () => {
  it.each(moves)('$host: opens beside, then closes', (move) => {
    const before = host(move.host);
    const opening = plan(before, { port: 2222 });
    expect(changesOf(opening).map(doing)).toEqual(move.opens);
    const open = fold(before, changesOf(opening));
    expect(plan(open, { port: 2222 }).action).toBe('none');
    const closing = plan(open, { port: 2222, keep: false });
    expect(changesOf(closing).map(doing)).toEqual(move.closes);
    const closed = fold(open, changesOf(closing));
    expect(plan(closed, { port: 2222 })).toEqual({
      action: 'none',
      reason: 'SSH listens on port 2222',
    });
    expect(plan(closed, { port: 2222, keep: false })).toEqual({
      action: 'none',
      reason: 'SSH listens on port 2222 and no other',
    });
  });

  it.each(moves)('$host: the walk after each stage knows what listens', (move) => {
    const before = host(move.host);
    const open = fold(before, changesOf(plan(before, { port: 2222 })));
    const closed = fold(open, changesOf(plan(open, { port: 2222, keep: false })));
    const states = (facts: FactSet): readonly string[] =>
      [22, 2222].map(
        (port) =>
          walkListener(facts.get(listenersRequest), { port, family: 'ip', destination: null })
            .state,
      );
    expect(states(before)).toEqual(['ok', 'broken']);
    expect(states(open)).toEqual(['ok', 'ok']);
    expect(states(closed)).toEqual(['broken', 'ok']);
  });

  it.each(moves)('$host: everything is undone by the old files and the old ports', (move) => {
    for (const change of changesOf(plan(host(move.host), { port: 2222 }))) {
      const { action, undo } = change;
      if (action.type === 'write') {
        expect(undo).toEqual({ type: 'snapshot' });
      } else if (action.type === 'sshd-reload' || action.type === 'socket-restart') {
        expect(undo).toEqual({ ...action, ports: action.ports.filter((port) => port !== 2222) });
      } else {
        expect(undo).toMatchObject({
          argv: ['rmdir', '--ignore-fail-on-non-empty', '--', change.target],
        });
      }
    }
  });
});

describe('the text of sshd_config', () => {
  it('gets the default port written down beside the new one, where the package names it', () => {
    const [file] = changesOf(plan(host('debian12-clean'), { port: 2222 }));
    expect(lines(file)).toEqual(['+ Port 22', '+ Port 2222']);
    expect(file?.after).toContain('#Port 22\nPort 22\nPort 2222\n#AddressFamily any\n');
  });

  it('keeps every other line', () => {
    const facts = configured('# ports\nPort 22\nX11Forwarding no\nPort 2200\n# end');
    const open = plan(facts, { port: 2222 });
    expect(changesOf(open)[0]?.after).toBe(
      '# ports\nPort 22\nX11Forwarding no\nPort 2200\nPort 2222\n# end',
    );
    const closed = plan(fold(facts, changesOf(open)), { port: 2222, keep: false });
    expect(changesOf(closed)[0]?.after).toBe('# ports\nX11Forwarding no\nPort 2222\n# end');
  });

  it('goes to the port directly where nothing is to be kept', () => {
    const [file] = changesOf(plan(configured('Port 22\nPort 2200\n'), { port: 2222, keep: false }));
    expect(file?.after).toBe('Port 2222\n');
  });

  it.each([
    ['before a Match', 'Match User x\n  X11Forwarding no\n', 'Port 22\nPort 2222\nMatch User x\n'],
    ['in an empty file', '', 'Port 22\nPort 2222\n'],
    ['with Windows line ends', 'UsePAM yes\r\n', 'Port 22\r\nPort 2222\r\nUsePAM yes\r\n'],
    [
      'not behind a comment inside a Match',
      'UsePAM yes\nMatch User x\n#Port 22\n',
      'Port 22\nPort 2222\nUsePAM yes\nMatch User x\n',
    ],
  ])('is put %s', (_, text, begins) => {
    const [file] = changesOf(
      plan(
        configured('', () => text),
        { port: 2222 },
      ),
    );
    expect(file?.target).toBe(main);
    expect(file?.after.toString().startsWith(begins)).toBe(true);
  });

  it.each<[string, string, readonly string[], readonly string[]]>([
    [
      'addresses with ports',
      'ListenAddress 0.0.0.0:22\nListenAddress [::]:22\n',
      ['+ ListenAddress 0.0.0.0:2222', '+ ListenAddress [::]:2222'],
      ['- ListenAddress 0.0.0.0:22', '- ListenAddress [::]:22'],
    ],
    [
      'addresses without ports',
      'Port 22\nListenAddress 0.0.0.0\nListenAddress ::\n',
      ['+ Port 2222'],
      ['- Port 22'],
    ],
    [
      'both kinds of address',
      'Port 22\nListenAddress 10.0.0.1\nListenAddress 10.0.0.2:2200\n',
      ['+ Port 2222', '+ ListenAddress 10.0.0.2:2222'],
      ['- Port 22', '- ListenAddress 10.0.0.2:2200'],
    ],
    [
      'an address that stands twice',
      'ListenAddress 10.0.0.1:22\nListenAddress 10.0.0.1:2200\n',
      ['+ ListenAddress 10.0.0.1:2222'],
      ['- ListenAddress 10.0.0.1:22', '- ListenAddress 10.0.0.1:2200'],
    ],
    [
      'a routing domain',
      'ListenAddress 10.0.0.1:22 rdomain blue\n',
      ['+ ListenAddress 10.0.0.1:2222 rdomain blue'],
      ['- ListenAddress 10.0.0.1:22 rdomain blue'],
    ],
    ['a port by name', 'port = ssh\n', ['+ Port 2222'], ['- port = ssh']],
  ])('follows %s', (_, text, opens, closes) => {
    const facts = configured(text);
    const open = plan(facts, { port: 2222 });
    expect(lines(changesOf(open)[0])).toEqual(opens);
    const after = fold(facts, changesOf(open));
    const closing = plan(after, { port: 2222, keep: false });
    expect(lines(changesOf(closing)[0])).toEqual(closes);
    expect(plan(fold(after, changesOf(closing)), { port: 2222, keep: false }).action).toBe('none');
  });

  it('has all that it needs on the addresses of a real host', () => {
    const facts = host('debian13-port-addresses');
    const [file] = changesOf(plan(facts, { port: 2222 }));
    expect(lines(file)).toEqual([
      '+ Port 2222',
      '+ ListenAddress 0.0.0.0:2222',
      '+ ListenAddress [::]:2222',
    ]);
    const open = fold(facts, changesOf(plan(facts, { port: 2222 })));
    const [closed] = changesOf(plan(open, { port: 2222, keep: false }));
    expect(lines(closed)).toEqual([
      '- Port 22',
      '- ListenAddress 0.0.0.0:22',
      '- ListenAddress [::]:22',
    ]);
  });
});

describe('the listeners that are foreseen', () => {
  it('are on the same addresses, and leave those of others', () => {
    const before = listening(host('debian12-clean'), [
      { address: '127.0.0.1', port: 25, processes: ['master'] },
      { address: '127.0.0.1', port: 6010, processes: ['sshd'] },
    ]);
    const open = fold(before, changesOf(plan(before, { port: 2222 })));
    const closed = fold(open, changesOf(plan(open, { port: 2222, keep: false })));
    expect(ports(closed)).toEqual([
      '127.0.0.1:25 master',
      '127.0.0.1:6010 sshd',
      '0.0.0.0:2222 sshd',
      ':::2222 sshd',
    ]);
  });
});

describe('a socket unit', () => {
  it('is emptied before its addresses are named', () => {
    const [, file] = changesOf(plan(host('debian13-port-socket'), { port: 2222 }));
    expect(file?.after).toBe(
      '# Written by remedy: where ssh.socket listens. The empty line clears what stands before it.\n[Socket]\nListenStream=\nListenStream=22\nListenStream=2222\n',
    );
  });

  it('with addresses of its own keeps them, and a drop-in that sorts behind ours is outdone', () => {
    const facts = host('debian13-port-socket-dropin');
    const opening = changesOf(plan(facts, { port: 2222 }));
    expect(opening.map(doing)).toEqual([
      'write /etc/systemd/system/ssh.socket.d/zzz.conf.remedy-port.conf',
      'restart ssh.socket (ssh.service) 22 2200 2222',
    ]);
    expect(opening[0]?.after.toString().split('\n').slice(2)).toEqual([
      'ListenStream=',
      'ListenStream=0.0.0.0:22',
      'ListenStream=127.0.0.1:2200',
      'ListenStream=/run/ssh.sock',
      'ListenStream=0.0.0.0:2222',
      'ListenStream=127.0.0.1:2222',
      '',
    ]);
    const open = fold(facts, opening);
    const [closing] = changesOf(plan(open, { port: 2222, keep: false }));
    expect(closing?.after.toString().split('\n').slice(2)).toEqual([
      'ListenStream=',
      'ListenStream=0.0.0.0:2222',
      'ListenStream=127.0.0.1:2222',
      'ListenStream=/run/ssh.sock',
      '',
    ]);
  });

  it('of both families apart keeps them apart', () => {
    const facts = host('debian13-port-socket');
    const key = request(socketUnitsFact, undefined).key;
    const units = value<{ units: object }>(facts, key);
    const listen = ['0.0.0.0:22', '[::]:22'].map((address) => ({
      address,
      port: 22,
      kind: 'Stream',
    }));
    const unit = {
      listen,
      bindIpv6Only: 'default',
      service: 'ssh.service',
      dropIns: [],
      folder: true,
    };
    const apart = facts.with([{ key, value: { ...units, units: { 'ssh.socket': unit } } }]);
    expect(changesOf(plan(apart, { port: 2222 }))[0]?.after).toContain(
      'ListenStream=0.0.0.0:22\nListenStream=[::]:22\nListenStream=0.0.0.0:2222\nListenStream=[::]:2222\n',
    );
  });

  it('that a generator feeds gets its ports from sshd_config', () => {
    const facts = host('ubuntu2404-port-socket-generated');
    const [file] = changesOf(plan(facts, { port: 2222 }));
    expect(file?.after).toBe('Port 22\nPort 2200\nPort 2222\n');
    const open = fold(facts, changesOf(plan(facts, { port: 2222 })));
    const [closed] = changesOf(plan(open, { port: 2222, keep: false }));
    expect(closed?.after).toBe('Port 2222\n');
  });

  it('that waits while its service holds the port is started in its place', () => {
    const facts = host('debian13-port-socket-used');
    const units = value<Units>(facts, unitsRequest.key);
    const socket = units['ssh.socket'];
    const failed = { ...units, 'ssh.socket': { ...socket, active: 'inactive' } } as Units;
    const stuck = facts.with([{ key: unitsRequest.key, value: failed }]);
    expect(
      changesOf(plan(stuck, { port: 2222 }))
        .map(doing)
        .at(-1),
    ).toBe('restart ssh.socket (ssh.service) 22 2222');
  });

  it('that is stopped is only prepared', () => {
    const facts = host('debian13-port-socket');
    const units = value<Units>(facts, unitsRequest.key);
    const socket = { ...units['ssh.socket'], active: 'inactive' };
    const stopped = facts.with([
      { key: unitsRequest.key, value: { ...units, 'ssh.socket': socket } },
      { key: listenersRequest.key, value: { sockets: [] } },
    ]);
    expect(
      changesOf(plan(stopped, { port: 2222 }))
        .map(doing)
        .at(-1),
    ).toBe('systemctl daemon-reload');
  });
});

describe('what is refused', () => {
  const nc = [{ address: '0.0.0.0', port: 2222, processes: ['nc'] }];

  it.each(['debian13-port-busy'])('%s: a port of another program, by name', (name) => {
    expect(plan(host(name), { port: 2222 })).toMatchObject({
      action: 'blocked',
      reason: 'port 2222 belongs to nc, so sshd could not take it',
    });
  });

  it('also where a socket unit would take it', () => {
    expect(plan(listening(host('debian13-port-socket'), nc), { port: 2222 })).toMatchObject({
      action: 'blocked',
      reason: 'port 2222 belongs to nc, so ssh.socket could not take it',
    });
  });

  it.each([
    ['debian12-clean', ['systemd'], 'another unit of systemd, so sshd'],
    ['debian13-port-socket', ['systemd'], 'another unit of systemd, so ssh.socket'],
    ['debian12-clean', [], 'a program that the host does not name'],
  ])('%s: a port of %j', (name, processes, reason) => {
    const facts = listening(host(name), [{ address: '*', port: 2222, processes }]);
    const planned = plan(facts, { port: 2222 });
    expect(planned.action).toBe('blocked');
    expect(planned.reason).toContain(reason);
  });

  it('a port on the command line, which no file outdoes', () => {
    expect(plan(host('debian12-port-options'), { port: 2222 })).toMatchObject({
      action: 'blocked',
      reason: 'sshd is started with -p 22, which decides about its ports whatever its files say',
      todo: expect.stringContaining('/etc/default/ssh') as string,
    });
    expect(plan(host('debian12-port-options'), { port: 22, keep: false })).toMatchObject({
      action: 'none',
    });
  });

  it('a line that is not understood', () => {
    expect(plan(configured('ListenAddress a:b:c]\nPort x\n'), { port: 2222 })).toMatchObject({
      action: 'blocked',
      reason: expect.stringContaining('/etc/ssh/sshd_config.d/10-x.conf:') as string,
    });
  });

  it('a socket unit with more than TCP', () => {
    const facts = host('debian13-port-socket');
    const key = request(socketUnitsFact, undefined).key;
    const units = value<{ units: Record<string, { listen: object[] }> }>(facts, key);
    const unit = units.units['ssh.socket'];
    const listen = [...(unit?.listen ?? []), { address: '/run/x', port: null, kind: 'FIFO' }];
    const odd = facts.with([
      { key, value: { ...units, units: { 'ssh.socket': { ...unit, listen } } } },
    ]);
    expect(plan(odd, { port: 2222 })).toMatchObject({
      action: 'blocked',
      reason: expect.stringContaining('/run/x (FIFO)') as string,
    });
  });

  it('an sshd that its unit did not start', () => {
    const facts = host('debian12-clean');
    const units = value<Units>(facts, unitsRequest.key);
    const off = Object.fromEntries(
      Object.entries(units).map(([name, unit]) => [name, { ...unit, active: 'inactive' }]),
    );
    expect(plan(facts.with([{ key: unitsRequest.key, value: off }]), { port: 2222 })).toMatchObject(
      {
        action: 'blocked',
        reason: 'an sshd listens that ssh.service did not start, so nobody can tell it to reload',
      },
    );
  });

  it.each(wanted.map(({ key, name }) => [name, key]))('anything while %s is unknown', (_, key) => {
    const facts = host('debian12-clean').without([key], 'nobody said');
    expect(plan(facts, { port: 2222 })).toEqual({ action: 'blocked', reason: 'nobody said' });
  });
});

describe('a configuration that was edited and not reloaded', () => {
  it('is reloaded where it names the port already, and keeps the port that people use', () => {
    const facts = configured('Port 2222\n');
    const open = plan(facts, { port: 2222 });
    expect(changesOf(open).map(doing)).toEqual([
      'write /etc/ssh/sshd_config.d/10-x.conf (sshd_gate /etc/ssh/sshd_config.d/10-x.conf)',
      'reload ssh.service 2222 22',
    ]);
    expect(changesOf(open)[0]?.after).toBe('Port 2222\nPort 22\n');
  });

  it('is only reloaded where nobody uses the old port', () => {
    const facts = configured('Port 22\nPort 2222\n');
    expect(changesOf(plan(facts, { port: 2222 })).map(doing)).toEqual([
      'reload ssh.service 22 2222',
    ]);
  });

  it('is reloaded to close what people used', () => {
    const facts = listening(configured('Port 2222\n'), [
      { address: '0.0.0.0', port: 2222, processes: ['sshd'] },
    ]);
    const closing = plan(facts, { port: 2222, keep: false });
    expect(changesOf(closing).map(doing)).toEqual(['reload ssh.service 2222']);
    expect(plan(fold(facts, changesOf(closing)), { port: 2222, keep: false }).action).toBe('none');
  });

  it('is left to the next start where the unit does not run', () => {
    const facts = host('debian12-clean');
    const units = value<Units>(facts, unitsRequest.key);
    const off = Object.fromEntries(
      Object.entries(units).map(([name, unit]) => [name, { ...unit, active: 'inactive' }]),
    );
    const stopped = facts.with([
      { key: unitsRequest.key, value: off },
      { key: listenersRequest.key, value: { sockets: [] } },
    ]);
    expect(changesOf(plan(stopped, { port: 2222 })).map(doing)).toEqual([
      `write ${main} (sshd_gate ${main})`,
    ]);
  });
});
