import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences, openLab, snapshot, type Lab, type LabHost } from '../support/lab.ts';
import { changesOf, hostOf, remedy, type Call, type RunDocument } from '../support/remedy.ts';

let lab: Lab;
let count = 0;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

async function boot(root: 'debian12' | 'debian13'): Promise<LabHost> {
  count += 1;
  return lab.up(`sp${count}`, { root });
}

const port = 2222;

async function login(host: LabHost, on: number): Promise<number | null> {
  return (await host.login('root', 'true', { connectSeconds: 2, port: on, family: 4 })).status;
}

async function setPort(host: LabHost, call: Call = {}): ReturnType<typeof remedy> {
  const args = call.args ?? ['--yes'];
  return remedy(lab, host, 'set-port', { ...call, args: [...args, '--var', `port=${port}`] });
}

function listening(host: LabHost): Promise<string> {
  return host.read(
    'ss -Hltnp | sed -n \'s/^LISTEN .* \\(\\S*:[0-9]*\\) .*users:(("\\(sshd\\|systemd\\)".*/\\1/p\' | sort -u',
  );
}

function kinds(document: RunDocument): readonly string[][] {
  return hostOf(document).stages.map(({ steps }) =>
    steps.flatMap(({ id, changes }) => changes.map(({ kind }) => `${id} ${kind}`)),
  );
}

/** Moves the port, and asks for everything that a move promises. */
async function expectMove(host: LabHost, call: Call = {}): Promise<RunDocument> {
  expect(await login(host, 22), 'the old port works').toBe(0);
  expect(await login(host, port), 'the new port does not').not.toBe(0);
  const before = await snapshot(host);
  const dry = await setPort(host, { ...call, args: ['--dry-run', '--detailed-exitcode'] });
  expect({ status: dry.status, failure: hostOf(dry.document).failure }).toEqual({
    status: 2,
    failure: null,
  });
  expect(differences(before, await snapshot(host))).toEqual([]);
  const real = await setPort(host, call);
  expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
    status: 0,
    failure: null,
  });
  expect(hostOf(real.document)).toMatchObject({ outcome: 'changed', proof: { level: 'login' } });
  // The dry run has shown the closing of the old port too.
  expect(changesOf(real.document).map(({ summary }) => summary)).toEqual(
    changesOf(dry.document).map(({ summary }) => summary),
  );
  expect(await login(host, port), 'the new port works').toBe(0);
  expect(await login(host, 22), 'the old port is closed').not.toBe(0);
  for (const again of [call, { ...call, port, exec: true }]) {
    // By the old port nobody comes in any more.
    const result = await setPort(host, { ...again, exec: true });
    expect({ outcome: hostOf(result.document).outcome, status: result.status }).toEqual({
      outcome: 'unchanged',
      status: 0,
    });
    expect(changesOf(result.document)).toEqual([]);
  }
  return real.document;
}

describe.concurrent('set-port', () => {
  test('debian12: ssh.service behind ufw that lets in 22 only', async () => {
    const host = await boot('debian12');
    await host.read('ufw allow 22/tcp && ufw --force enable');
    const document = await expectMove(host);
    expect(kinds(document)).toEqual([
      ['ufw rule', 'open file', 'open unit'],
      ['close file', 'close unit'],
    ]);
    expect(await host.read('grep -h ^Port /etc/ssh/sshd_config')).toBe('Port 2222');
    // Rules for the old port are left to those who made them.
    expect(await host.read('ufw status')).toMatch(/^22\/tcp/m);
    await host.reboot();
    expect(await login(host, port), 'also after a reboot').toBe(0);
    await host.down();
  });

  test('debian12: over the endpoint itself, whose session outlives its port', async () => {
    const host = await boot('debian12');
    await expectMove(host, { exec: false });
    await host.down();
  });

  test.each(['debian12', 'debian13'] as const)('%s: ssh.socket', async (root) => {
    const host = await boot(root);
    await host.read(
      'systemctl disable --now ssh.service 2>&1; systemctl enable --now ssh.socket 2>&1',
    );
    const document = await expectMove(host);
    expect(kinds(document)).toEqual([
      ['open file', 'open file', 'open unit'],
      ['close file', 'close unit'],
    ]);
    expect(await listening(host)).toBe('*:2222');
    expect(await host.read('systemctl is-active ssh.socket')).toBe('active');
    await host.reboot();
    expect(await login(host, port), 'also after a reboot').toBe(0);
    expect(await listening(host)).toBe('*:2222');
    await host.down();
  });

  test('debian13: ports in a drop-in move in that drop-in', async () => {
    const host = await boot('debian13');
    await host.read(
      'printf "Port 22\\nPort 2200\\n" >/etc/ssh/sshd_config.d/10-ports.conf; systemctl reload ssh',
    );
    await expectMove(host);
    expect(await host.read('cat /etc/ssh/sshd_config.d/10-ports.conf')).toBe('Port 2222');
    expect(await listening(host)).toBe('0.0.0.0:2222\n[::]:2222');
    await host.down();
  });

  test('debian13: addresses with and without ports', async () => {
    const host = await boot('debian13');
    await host.read(
      `printf 'Port 22\\nListenAddress ${host.ipv4}\\nListenAddress 127.0.0.1:2200\\n' >/etc/ssh/sshd_config.d/10-ports.conf; systemctl reload ssh`,
    );
    await expectMove(host);
    expect(await listening(host)).toBe(`${host.ipv4}:2222\n127.0.0.1:2222`);
    await host.down();
  });

  test('a port that another program has is named, and nothing is touched', async () => {
    const host = await boot('debian12');
    await host.read(
      'setsid nc -lk 2222 >/dev/null 2>&1 </dev/null & while ! ss -Hltn | grep -q :2222; do :; done',
    );
    const before = await snapshot(host);
    const result = await setPort(host);
    expect(result.status).toBe(1);
    expect(hostOf(result.document)).toMatchObject({
      outcome: 'refused',
      failure: { code: 'blocked' },
    });
    expect(hostOf(result.document).failure?.why).toContain('port 2222 belongs to nc');
    expect(differences(before, await snapshot(host))).toEqual([]);
    await host.down();
  });

  test.each([
    ['debian12: ssh.service', 'debian12', 'true'],
    [
      'debian13: ssh.socket',
      'debian13',
      'systemctl disable --now ssh.service 2>&1; systemctl enable --now ssh.socket 2>&1',
    ],
    [
      'debian12: both ports are open already',
      'debian12',
      'printf "Port 22\\nPort 2222\\n" >/etc/ssh/sshd_config.d/10-ports.conf; systemctl reload ssh',
    ],
  ] as const)(
    '%s, and nobody reaches the new port from outside: all is as it was',
    async (_, root, prepare) => {
      const host = await boot(root);
      await host.read(prepare);
      const controller = await lab.controller();
      await controller.run([
        'nft',
        'add table inet far; add chain inet far out { type filter hook output priority 0; }; add rule inet far out tcp dport 2222 drop',
      ]);
      const files =
        'cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*; ls -A /etc/systemd/system/ssh.socket.d 2>&1; true';
      const before = await host.read(files);
      const ports = await listening(host);
      const result = await setPort(host, { options: { controller } });
      expect(result.status).toBe(1);
      expect(hostOf(result.document).outcome).toMatch(/^(?:reverted|refused)$/);
      expect(await host.read(files)).toBe(before);
      expect(await listening(host)).toBe(ports);
      expect(await login(host, 22), 'the old port stays open').toBe(0);
      await host.down();
    },
  );
});
