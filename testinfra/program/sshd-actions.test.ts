import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commonFunctions, environment } from '../../src/program/runtime.ts';
import { sshdActionFunctions } from '../../src/program/sshd-actions.ts';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

const dropIn = '/etc/ssh/sshd_config.d/a.conf';

/** Runs shell text after the functions of the program, in a shell of the host. */
async function act(host: LabHost, text: string): Promise<{ status: number | null; said: string }> {
  const functions = `${environment}${commonFunctions}${sshdActionFunctions}`;
  const result = await host.exec(`${functions}\nR=/run/remedy-test; mkdir -p $R\n${text}`);
  return { status: result.status, said: result.stdout + result.stderr };
}

const ports = 'ss -Hltnp | grep -c sshd';

describe.each(['debian12', 'debian13'] as const)('%s', (root) => {
  test('a reload is believed only when sshd listens; one that died of it is started again', async () => {
    const host = await lab.up(`reload-${root}`, { root });
    const pid = await host.read('systemctl show -p MainPID --value ssh.service');
    await host.read(`printf 'Port 22\\nPort 2222\\n' >${dropIn}`);
    expect((await act(host, 'sshd_reload ssh.service 22 2222')).status).toBe(0);
    expect(await host.read(ports)).toBe('4');
    expect(await host.read('systemctl show -p MainPID --value ssh.service')).toBe(pid);

    await host.read(`rm ${dropIn}`);
    expect((await act(host, 'sshd_reload_back ssh.service 22')).status).toBe(0);
    expect(await host.read(ports)).toBe('2');

    await host.read(`echo Nonsense yes >${dropIn}`);
    const refused = await act(host, 'sshd_reload ssh.service 22');
    expect(refused.said).toContain('Bad configuration option: Nonsense');
    expect(refused.status).not.toBe(0);
    expect(await host.read(ports)).toBe('2');

    // systemctl reload ends well on Debian 12 although the daemon dies.
    await host.read(`echo 'ListenAddress 192.0.2.1' >${dropIn}`);
    const died = await act(host, 'sshd_reload ssh.service 22');
    expect(died.said).toContain('Cannot assign requested address');
    expect(died.status).not.toBe(0);
    await host.read(`rm ${dropIn}`);
    expect((await act(host, 'sshd_reload_back ssh.service 22')).status).toBe(0);
    expect((await host.login()).status).toBe(0);
    await host.down();
  });

  test('a port that another program has is found before the reload', async () => {
    const host = await lab.up(`busy-${root}`, { root });
    await host.read(
      `setsid nc -lk 2222 >/dev/null 2>&1 </dev/null & while ! ss -Hltn | grep -q :2222; do :; done; printf 'Port 22\\nPort 2222\\n' >${dropIn}`,
    );
    const result = await act(host, 'sshd_reload ssh.service 22 2222');
    expect(result).toMatchObject({ status: 1, said: expect.stringContaining('port 2222') });
    expect(await host.read(ports)).toBe('2');
    await host.down();
  });

  test('a unit that does not run is left alone', async () => {
    const host = await lab.up(`down-${root}`, { root });
    await host.read('systemctl stop ssh.service');
    expect((await act(host, 'sshd_reload ssh.service 22')).status).toBe(0);
    expect((await act(host, 'sshd_reload_back ssh.service 22')).status).toBe(0);
    expect((await host.exec('systemctl is-active ssh.service')).stdout.trim()).toBe('inactive');
    await host.down();
  });

  test('under a socket unit the daemon is replaced by the next login, and the socket moves', async () => {
    const host = await lab.up(`socket-${root}`, { root });
    await host.read(
      'systemctl disable --now ssh.service 2>&1; systemctl enable --now ssh.socket 2>&1',
    );
    expect((await host.login()).status).toBe(0);
    // A reload would make it bind the port that systemd holds, and die.
    expect((await act(host, 'sshd_reload ssh.service 22')).status).toBe(0);
    expect((await host.login()).status).toBe(0);
    const folder = '/etc/systemd/system/ssh.socket.d';
    const listen = (...words: readonly string[]): string =>
      `mkdir -p ${folder}; printf '[Socket]\\nListenStream=\\n${words.map((word) => `ListenStream=${word}\\n`).join('')}' >${folder}/p.conf`;
    await host.read(listen('22', '2222'));
    expect((await act(host, 'socket_restart ssh.socket ssh.service 22 2222')).status).toBe(0);
    expect((await host.login('root', 'true', { port: 2222 })).status).toBe(0);
    await host.read(listen('192.0.2.1:22'));
    expect((await act(host, 'socket_restart ssh.socket ssh.service 22')).status).not.toBe(0);
    await host.read(`rm ${folder}/p.conf`);
    expect((await act(host, 'socket_restart ssh.socket ssh.service 22')).status).toBe(0);
    expect((await host.login()).status).toBe(0);
    await host.down();
  });
});
