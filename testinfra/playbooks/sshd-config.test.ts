import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Lab, type LabHost, type Root } from '../support/lab.ts';
import { changesOf, expectRemedy, hostOf, remedy } from '../support/remedy.ts';

let lab: Lab;
let count = 0;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

async function boot(root: Root): Promise<LabHost> {
  count += 1;
  return lab.up(`sc${count}`, { root });
}

const dropIn = '/etc/ssh/sshd_config.d';

describe('fix-sshd-config', () => {
  test.each(['debian12', 'debian13'] as const)(
    '%s: every refused line of every file in one run; the good ones stay',
    async (root) => {
      const host = await boot(root);
      await host.read(`printf 'AllowUsers root admin\\r\\n# kept\\r\\n' >${dropIn}/20-users.conf`);
      await host.breakIt('sshd-config-refused');
      const run = await expectRemedy(lab, host, 'fix-sshd-config');
      expect(changesOf(run).filter(({ kind }) => kind === 'file')).toHaveLength(2);
      expect(await host.read(`cat ${dropIn}/50-limits.conf`)).toMatch(
        /^# remedy .*MaxSessions integer value invalid.*: MaxSessions many$/,
      );
      expect(await host.read(`cat ${dropIn}/20-users.conf | od -c | grep -c '\\\\r'`)).not.toBe(
        '0',
      );
      // The block of the refused Match does not count for everybody now.
      expect(await host.read('sshd -T | grep passwordauthentication')).toBe(
        'passwordauthentication yes',
      );
      await host.down();
    },
  );

  test.each([
    ['debian12', 'sshd-config-nul'],
    ['debian13', 'sshd-config-missing'],
  ] as const)("%s: %s brings the package's file back", async (root, broken) => {
    const host = await boot(root);
    await host.breakIt(broken);
    await expectRemedy(lab, host, 'fix-sshd-config');
    expect(await host.read('cmp /etc/ssh/sshd_config /usr/share/openssh/sshd_config')).toBe('');
    await host.down();
  });

  test('restore brings the package’s file back on demand, and shows the difference', async () => {
    const host = await boot('debian12');
    await host.read(`printf 'X11Forwarding no\\nMaxSessions 7\\n' >/etc/ssh/sshd_config`);
    const result = await remedy(lab, host, 'fix-sshd-config', {
      args: ['--yes', '--var', 'restore=true'],
    });
    expect(hostOf(result.document)).toMatchObject({ outcome: 'changed', failure: null });
    expect(changesOf(result.document)[0]?.diff).toContain('-MaxSessions 7');
    expect(await host.read('sshd -T | grep x11forwarding')).toBe('x11forwarding yes');
    await host.down();
  });
});

describe('allow-user', () => {
  test.each([
    ['debian12', 'allow-users', 'root'],
    ['debian13', 'allow-users', 'admin'],
    ['debian12', 'deny-users', 'admin'],
    ['debian13', 'allow-groups', 'admin'],
  ] as const)('%s: %s, for %s', async (root, broken, user) => {
    const host = await boot(root);
    await host.breakIt(broken);
    const before = await host.read('pgrep -o -x sshd');
    await expectRemedy(lab, host, 'allow-user', { user });
    expect(await host.read('pgrep -o -x sshd'), 'reloaded, not restarted').toBe(before);
    await host.down();
  });

  test('both lists are asked, a Match has lists of its own, and others stay out', async () => {
    const host = await boot('debian12');
    await host.read(
      `groupadd ssh-users; useradd guest; printf 'AllowUsers root\\nMatch address 10.77.0.0/24\\n  AllowUsers root # ops\\n  AllowGroups root ssh-users\\n' >>/etc/ssh/sshd_config; systemctl reload ssh`,
    );
    await expectRemedy(lab, host, 'allow-user', { user: 'admin' });
    const file = await host.read('tail -n 4 /etc/ssh/sshd_config');
    expect(file).toBe(
      'AllowUsers root\nMatch address 10.77.0.0/24\n  AllowUsers root admin # ops\n  AllowGroups root ssh-users',
    );
    expect(await host.read('id -nG admin')).toContain('ssh-users');
    await host.down();
  });

  test('a pattern that keeps others out too is named and left alone', async () => {
    const host = await boot('debian13');
    await host.read(`printf 'DenyUsers adm*\\n' >${dropIn}/10-deny.conf; systemctl reload ssh`);
    const result = await remedy(lab, host, 'allow-user', { user: 'admin', args: ['--yes'] });
    expect(hostOf(result.document)).toMatchObject({ outcome: 'refused' });
    expect(hostOf(result.document).failure?.why).toContain(`${dropIn}/10-deny.conf:1`);
    await host.down();
  });
});

describe('disable-password-login', () => {
  test.each(['debian12', 'debian13'] as const)('%s: for everybody', async (root) => {
    const host = await boot(root);
    await host.read(
      `printf 'PasswordAuthentication yes\\r\\n' >${dropIn}/50-cloud-init.conf; printf 'Match user admin\\n\\tPasswordAuthentication yes\\n' >>/etc/ssh/sshd_config; systemctl reload ssh`,
    );
    const run = await remedy(lab, host, 'disable-password-login', { args: ['--yes'] });
    expect(hostOf(run.document)).toMatchObject({ outcome: 'changed', failure: null });
    expect(await host.read(`od -c ${dropIn}/50-cloud-init.conf | head -n 2`)).toContain('\\r');
    for (const user of ['root', 'admin', 'daemon']) {
      const said = await host.read(`sshd -T -C user=${user},addr=10.77.0.1,host=ctl | sort`);
      expect(said).toContain('\npasswordauthentication no');
      expect(said).toContain('kbdinteractiveauthentication no');
    }
    expect((await host.login('admin', 'true')).status).toBe(0);
    const again = await remedy(lab, host, 'disable-password-login', { args: ['--yes'] });
    expect(hostOf(again.document)).toMatchObject({ outcome: 'unchanged', failure: null });
    await host.down();
  });
});
