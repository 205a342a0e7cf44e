import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';
import { changesOf, expectRemedy, hostOf, remedy } from '../support/remedy.ts';

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
  return lab.up(`pb${count}`, { root });
}

describe.concurrent('start-sshd', () => {
  test.each(['sshd-stopped', 'sshd-disabled', 'sshd-masked'])('%s', async (broken) => {
    const host = await boot('debian13');
    await host.breakIt(broken);
    await expectRemedy(lab, host, 'start-sshd');
    expect(await host.read('systemctl is-enabled ssh.service')).toBe('enabled');
    await host.down();
  });

  test('a host that serves SSH by its socket unit keeps doing so, and never both', async () => {
    const host = await boot('debian12');
    await host.read(
      'systemctl disable --now ssh.service 2>&1; systemctl enable ssh.socket 2>&1; systemctl stop ssh.socket',
    );
    await expectRemedy(lab, host, 'start-sshd');
    expect(await host.read('systemctl is-enabled ssh.socket')).toBe('enabled');
    expect((await host.exec('systemctl is-enabled ssh.service')).stdout.trim()).toBe('disabled');
    await host.down();
  });

  test('a file that forbids the start is moved aside', async () => {
    const host = await boot('debian12');
    await host.read('systemctl stop ssh.service; touch /etc/ssh/sshd_not_to_be_run');
    await expectRemedy(lab, host, 'start-sshd');
    await host.down();
  });

  test('a start limit that was hit is forgotten first', async () => {
    const host = await boot('debian12');
    await host.read(
      'systemctl stop ssh; mv /usr/sbin/sshd /usr/sbin/sshd.away; for i in 1 2 3 4 5 6 7; do systemctl start ssh 2>/dev/null; done; mv /usr/sbin/sshd.away /usr/sbin/sshd; true',
    );
    await expectRemedy(lab, host, 'start-sshd');
    await host.down();
  });

  test('a configuration that sshd refuses is named, and nothing is started', async () => {
    const host = await boot('debian12');
    await host.read('systemctl stop ssh.service; echo Nonsense yes >>/etc/ssh/sshd_config');
    const result = await remedy(lab, host, 'start-sshd', { args: ['--yes'] });
    expect(result.status).toBe(1);
    expect(hostOf(result.document)).toMatchObject({
      outcome: 'refused',
      failure: { code: 'blocked' },
    });
    expect(hostOf(result.document).failure?.why).toContain('Bad configuration option: Nonsense');
    await host.down();
  });

  test('a port that another program holds is named', async () => {
    const host = await boot('debian12');
    await host.read(
      'systemctl stop ssh.service; setsid nc -lk 22 >/dev/null 2>&1 </dev/null & while ! ss -Hltn | grep -q :22; do :; done',
    );
    const result = await remedy(lab, host, 'start-sshd', { args: ['--yes'] });
    expect(hostOf(result.document).failure?.why).toMatch(/port 22 belongs to nc/);
    await host.down();
  });
});

describe.concurrent('regenerate-host-keys', () => {
  test.each([
    ['debian12', 'host-keys-missing'],
    ['debian13', 'host-keys-empty'],
    ['debian12', 'host-keys-corrupt'],
  ] as const)('%s: %s', async (root, broken) => {
    const host = await boot(root);
    await host.breakIt(broken);
    const before = await host.read('ls /etc/ssh');
    const real = await remedy(lab, host, 'regenerate-host-keys start-sshd', { args: ['--yes'] });
    expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(hostOf(real.document).proof?.level).toBe('login');
    const again = await remedy(lab, host, 'regenerate-host-keys start-sshd', { args: ['--yes'] });
    expect(hostOf(again.document).outcome).toBe('unchanged');
    const kept = before.split('\n').filter((name) => /^ssh_host_.*_key$/.test(name));
    for (const name of kept) {
      expect(
        (await host.exec(`ls /etc/ssh/${name}.remedy-*`)).status,
        `${name} is kept aside`,
      ).toBe(0);
    }
    await host.down();
  });

  test('good keys are kept, and a good key with loose modes is no reason for a new one', async () => {
    const host = await boot('debian12');
    await host.read('rm /etc/ssh/ssh_host_rsa_key; chmod 644 /etc/ssh/ssh_host_ecdsa_key');
    const before = await host.read('sha256sum /etc/ssh/ssh_host_e*_key');
    const real = await remedy(lab, host, 'regenerate-host-keys', { args: ['--yes'] });
    expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(changesOf(real.document).map(({ summary }) => summary)).toEqual([
      '/etc/ssh/ssh_host_rsa_key: make a new rsa key',
    ]);
    expect(await host.read('sha256sum /etc/ssh/ssh_host_e*_key')).toBe(before);
    expect(
      await host.read('stat -c "%a %U" /etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_rsa_key.pub'),
    ).toBe('600 root\n644 root');
    await host.down();
  });
});

describe.concurrent('fix-authorized-keys', () => {
  test.each(['home-modes', 'ssh-dir-modes', 'authorized-keys-modes', 'authorized-keys-owner'])(
    '%s',
    async (broken) => {
      const host = await boot('debian12');
      await host.breakIt(broken);
      const document = await expectRemedy(lab, host, 'fix-authorized-keys', { user: 'admin' });
      expect(changesOf(document)).toHaveLength(1);
      await host.down();
    },
  );

  test.each([
    ['of another account', 'useradd -d /home/admin svc', 'belongs to the account admin'],
    ['of everyone', 'useradd -d /tmp svc', 'is a folder of the system'],
  ])('a home %s is not taken away', async (_whose, script, why) => {
    const host = await boot('debian12');
    await host.read(`${script}; chmod 777 /home/admin`);
    const state = 'stat -c "%n %a %U" /tmp /home/admin /home/admin/.ssh';
    const before = await host.read(state);
    const args = ['--yes', '--var', 'user=svc'];
    const result = await remedy(lab, host, 'fix-authorized-keys', { args });
    expect(hostOf(result.document)).toMatchObject({ outcome: 'refused' });
    expect(hostOf(result.document).failure?.why).toContain(why);
    expect(await host.read(state)).toBe(before);
    await host.down();
  });

  test('special mode bits of .ssh are cleared too', async () => {
    const host = await boot('debian12');
    await host.read('chmod 2777 /home/admin/.ssh');
    await expectRemedy(lab, host, 'fix-authorized-keys', { user: 'admin' });
    expect(await host.read('stat -c %a /home/admin/.ssh')).toBe('700');
    await host.down();
  });

  test('what was done before a change that failed is taken back', async () => {
    const host = await boot('debian12');
    await host.breakIt('home-modes', 'authorized-keys-owner');
    const state =
      'stat -c "%n %a %U" /home/admin /home/admin/.ssh /home/admin/.ssh/authorized_keys';
    const before = await host.read(state);
    // The second change cannot be made: the file is mounted read-only onto itself.
    const keys = '/home/admin/.ssh/authorized_keys';
    await host.read(`mount --bind ${keys} ${keys} && mount -o remount,ro,bind ${keys}`);
    const real = await remedy(lab, host, 'fix-authorized-keys', { user: 'admin', args: ['--yes'] });
    expect(hostOf(real.document)).toMatchObject({
      outcome: 'reverted',
      failure: { code: 'apply-failed' },
    });
    expect(hostOf(real.document).failure?.why).toContain('Read-only file system');
    expect(real.status).toBe(1);
    expect(await host.read(state)).toBe(before);
    await host.down();
  });
});

describe.concurrent('unban-address', () => {
  test.each(['debian12', 'debian13'] as const)(
    '%s: two jails let go of the client',
    async (root) => {
      const host = await boot(root);
      await host.breakIt('fail2ban-two-jails');
      const document = await expectRemedy(lab, host, 'unban-address');
      expect(changesOf(document)).toHaveLength(2);
      await host.down();
    },
  );

  test('a ban that is left in the kernel only', async () => {
    const host = await boot('debian12');
    await host.breakIt('fail2ban-two-jails');
    await host.read(
      'kill -9 $(cat /run/fail2ban/fail2ban.pid); systemctl stop fail2ban; systemctl reset-failed fail2ban; true',
    );
    await expectRemedy(lab, host, 'unban-address');
    await host.down();
  });

  test('ignore keeps the client from being banned again, also after a restart', async ({
    expect,
  }) => {
    const host = await boot('debian12');
    await host.breakIt('fail2ban-two-jails');
    await expectRemedy(lab, host, 'unban-address', { args: ['--var', 'ignore=true'] });
    await host.read('systemctl restart fail2ban');
    // The daemon answers before it has read its jails.
    const ignored = async (): Promise<string> =>
      (await host.exec('fail2ban-client get sshd ignoreip')).stdout;
    await expect.poll(ignored, { timeout: 30_000 }).toContain('10.77.0.1');
    await host.down();
  });
});

describe.concurrent('the lock', () => {
  test('of a run at work refuses a second one; that of a dead run is no obstacle', async () => {
    const host = await boot('debian12');
    await host.breakIt('home-modes');
    const owner = (pid: string): string =>
      `mkdir -p -m 700 /var/lib/remedy; s=$(cat /proc/${pid}/stat); s=\${s##*) }; set -- $s; echo "$(cat /proc/sys/kernel/random/boot_id) ${pid} \${20} other" >/var/lib/remedy/lock`;
    await host.read(owner('1'));
    const second = await remedy(lab, host, 'fix-authorized-keys', {
      user: 'admin',
      args: ['--yes'],
    });
    expect(second.status).toBe(75);
    expect(hostOf(second.document)).toMatchObject({
      outcome: 'locked',
      failure: { code: 'locked', access: 'Nothing was changed on the host.' },
    });
    await host.read('echo "0-0-0 1 1 dead" >/var/lib/remedy/lock');
    const third = await remedy(lab, host, 'fix-authorized-keys', {
      user: 'admin',
      args: ['--yes'],
    });
    expect({ status: third.status, failure: hostOf(third.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    await host.down();
  });
});

describe.concurrent('several playbooks', () => {
  test('are one plan: one observation, one apply, whatever the number of steps', async () => {
    const host = await boot('debian12');
    await host.breakIt('ufw-enable', 'host-keys-missing', 'home-modes', 'sshd-disabled');
    const playbooks = 'open-port start-sshd regenerate-host-keys fix-authorized-keys';
    const real = await remedy(lab, host, playbooks, { args: ['--yes'] });
    expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(hostOf(real.document).stages).toHaveLength(1);
    expect(hostOf(real.document).proof?.level).toBe('login');
    // One folder for each stage that was applied.
    expect((await host.read('ls /var/lib/remedy')).split('\n')).toHaveLength(1);
    const again = await remedy(lab, host, playbooks, { args: ['--yes'] });
    expect(hostOf(again.document).outcome).toBe('unchanged');
    await host.down();
  });
});
