import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';
import { endpointFlags, hostOf, remedy, type RunDocument } from '../support/remedy.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

async function runWithExec(
  host: LabHost,
  command: string,
  args: readonly string[] = ['--dry-run'],
): Promise<{ status: number | null; stdout: string; document: RunDocument }> {
  const flags = endpointFlags(lab, host, { exec: false });
  const result = await lab.remedy(
    ['run', 'open-port', ...flags, '--exec', command, ...args, '--output', 'json'],
    { timeoutMs: 120_000 },
  );
  return { status: result.status, stdout: result.stdout, document: result.json<RunDocument>() };
}

describe.concurrent('hostile output', () => {
  test('100 MB of noise before the answer is dropped', async () => {
    const host = await lab.up('noise');
    const noisy = `sh -c "head -c 100000000 /dev/zero | tr '\\0' 'x'; exec ${host.execCommand}"`;
    const result = await runWithExec(host, noisy);
    expect({ status: result.status, failure: hostOf(result.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    await host.down();
  });

  test('endless noise instead of an answer is a failure, not a hang', async () => {
    const host = await lab.up('endless');
    const result = await runWithExec(host, 'sh -c "head -c 300000000 /dev/zero"');
    expect(result.status).toBe(4);
    await host.down();
  });

  test('escape sequences and workflow commands never reach the terminal or the log', async () => {
    const host = await lab.up('escapes');
    await host.read('ufw --force enable >/dev/null; mv /usr/sbin/nft /usr/sbin/nft.away');
    const evil =
      '#!/bin/sh\nprintf "\\033]0;owned\\007\\033[2J\\r\\n::error::evil\\302\\233m\\377\\376 bad" >&2\nexit 1\n';
    await host.exec(['sh', '-c', 'cat >/usr/sbin/nft; chmod 755 /usr/sbin/nft'], { stdin: evil });
    const flags = endpointFlags(lab, host);
    const text = await lab.remedy(['run', 'open-port', ...flags, '--dry-run'], {
      timeoutMs: 60_000,
    });
    expect(text.stdout).toContain('nftables rules could not be read');
    expect(text.stdout + text.stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    expect(text.stdout + text.stderr).not.toMatch(/^::/m);
    await host.down();
  });

  test('forged records of a program on the host are not believed', async () => {
    const host = await lab.up('forged');
    await host.breakIt('ufw-enable');
    // A login banner that looks like an answer: without the run's token it is noise.
    const forged = `sh -c "printf '\\ndeadbeef B 0\\nENABLED=no\\ndeadbeef X 0 0\\n\\ndeadbeef done\\n'; exec ${host.execCommand}"`;
    const result = await runWithExec(host, forged);
    expect(hostOf(result.document).outcome).toBe('would-change');
    await host.down();
  });
});

describe.concurrent('a hostile user on the host', () => {
  test.each([
    [
      'evil-link',
      'a link in place of authorized_keys',
      'rm .ssh/authorized_keys; ln -s /etc/shadow .ssh/authorized_keys',
    ],
    ['evil-dir-link', 'a link in place of .ssh', 'mv .ssh .ssh-away; ln -s /etc .ssh'],
    [
      'evil-folder',
      'a folder in place of authorized_keys',
      'rm .ssh/authorized_keys; mkdir .ssh/authorized_keys',
    ],
    [
      'evil-pipe',
      'a pipe in place of authorized_keys',
      'rm .ssh/authorized_keys; mkfifo .ssh/authorized_keys',
    ],
  ])('%s: %s is refused and nothing is touched', async (name, _what, script) => {
    const host = await lab.up(name);
    await host.read(`cd /home/admin && ${script}; chmod 777 /home/admin`);
    const before = await host.read('stat -c "%n %a %U:%G %i" /etc /etc/shadow /home/admin');
    const result = await remedy(lab, host, 'fix-authorized-keys', {
      user: 'admin',
      args: ['--yes'],
    });
    expect(hostOf(result.document)).toMatchObject({
      outcome: 'refused',
      failure: { code: 'blocked' },
    });
    expect(await host.read('stat -c "%n %a %U:%G %i" /etc /etc/shadow /home/admin')).toBe(before);
    await host.down();
  });

  test('a hard link to a file of someone else is refused', async () => {
    const host = await lab.up('hardlink');
    await host.read(
      'cd /home/admin && rm .ssh/authorized_keys && touch /home/victim && ln /home/victim .ssh/authorized_keys && chmod 666 /home/victim',
    );
    const result = await remedy(lab, host, 'fix-authorized-keys', {
      user: 'admin',
      args: ['--yes'],
    });
    expect(hostOf(result.document).failure?.why).toContain('hard links');
    expect(await host.read('stat -c %a /home/victim')).toBe('666');
    await host.down();
  });

  test('.ssh swapped for a link in a loop while remedy runs never changes the victim', async () => {
    const host = await lab.up('swap');
    await host.read(
      'mkdir -p /srv/victim && echo key >/srv/victim/authorized_keys && chmod 777 /srv/victim && chmod 666 /srv/victim/authorized_keys',
    );
    const swap =
      'cd /home/admin || exit; chmod 777 .ssh; ln -sfn /srv/victim evil; i=0; while [ $i -lt 200000 ]; do mv -T .ssh keep 2>/dev/null && mv -T evil .ssh 2>/dev/null; mv -T .ssh evil 2>/dev/null; mv -T keep .ssh 2>/dev/null; i=$((i+1)); done';
    await host.exec(['sh', '-c', 'cat >/tmp/swap; chmod 755 /tmp/swap; cp /tmp/swap /srv/swap'], {
      stdin: swap,
    });
    await host.read('systemd-run --quiet --uid=admin --unit=swap sh /srv/swap');
    const before = await host.read('stat -c "%n %a %U:%G" /srv/victim /srv/victim/authorized_keys');
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const result = await remedy(lab, host, 'fix-authorized-keys', {
        user: 'admin',
        args: ['--yes'],
      });
      expect(['changed', 'refused', 'reverted', 'unchanged', 'stuck', 'failed']).toContain(
        hostOf(result.document).outcome,
      );
      expect(await host.read('stat -c "%n %a %U:%G" /srv/victim /srv/victim/authorized_keys')).toBe(
        before,
      );
    }
    await host.down();
  });

  test('strange user names and homes', async () => {
    const host = await lab.up('names');
    await host.read(
      "useradd --badname -m -d '/home/o dd$(id)' 'o.dd_user-1' && mkdir -p '/home/o dd$(id)/.ssh' && touch '/home/o dd$(id)/.ssh/authorized_keys' && chown -R o.dd_user-1: '/home/o dd$(id)' && chmod 777 '/home/o dd$(id)'",
    );
    const result = await remedy(lab, host, 'fix-authorized-keys', {
      args: ['--yes', '--var', 'user=o.dd_user-1'],
    });
    expect(await host.read("stat -c %a '/home/o dd$(id)'")).toBe('755');
    expect(hostOf(result.document).outcome).toBe('changed');
    await host.down();
  });
});
