import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLab, type Lab, type LabHost } from '../support/lab.ts';
import { endpointFlags, hostOf, runWith } from '../support/remedy.ts';

// A virtual machine whose only way in is its serial line: a real kernel, a real UART, a real getty.

let lab: Lab;
const password = 'Ohb4ooL1 x';
const minute = 60_000;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

const watcher = join(import.meta.dirname, '../support/watch-processes.pl');

/** Watches every process of the guest for the password, from now on, without anybody logged in. */
async function watchInside(host: LabHost): Promise<void> {
  const program = await readFile(watcher, 'utf8');
  const files = { words: `password\t${password}\n`, 'watch.pl': program };
  for (const [name, content] of Object.entries(files)) {
    await host.exec(['sh', '-c', `umask 077; cat >/run/${name}`], { stdin: content });
  }
  await host.read(
    `systemd-run --quiet --unit watch -p StandardInput=file:/run/words -p StandardOutput=file:/run/seen perl /run/watch.pl
for i in $(seq 100); do grep -q ready /run/seen && break; sleep 0.1; done; rm /run/words
word=$(printf 'Ohb4ooL1'; echo ' x'); /bin/true "shown on purpose: $word"`,
  );
}

/** What the watch has seen, without what was shown to it on purpose. */
async function seenInside(host: LabHost): Promise<{ sights: string[]; onPurpose: number }> {
  const said = await host.read('systemctl stop watch; cat /run/seen');
  const sights = said.split('\n').filter((line) => /^(argv|environ)\t/.test(line));
  const purpose = (line: string): boolean => line.includes('shown on purpose');
  return {
    sights: sights.filter((line) => !purpose(line)),
    onPurpose: sights.filter(purpose).length,
  };
}

/** Files of the guest that hold the password. */
const search = `cat >/run/words
{ grep -raslFf /run/words /root /home /run /tmp /var/tmp /var/log /var/lib/remedy /etc /dev/shm --exclude=words --exclude=seen
  journalctl --output=export --no-pager | grep -aFf /run/words; }
rm /run/words`;

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

describe('a machine that only its serial line reaches', () => {
  test(
    'is repaired over it, proven from outside, and left at its login',
    { timeout: 10 * minute },
    async () => {
      const host = await lab.up('far', { vm: true });
      await host.exec(['chpasswd'], { stdin: `root:${password}\n` });
      await watchInside(host);
      await host.exec('systemctl mask --now ssh');
      expect((await host.login()).status).toBe(255);

      const log = join(lab.ctl.home, 'far.log');
      const endpoint = endpointFlags(lab, host, { exec: false });
      const ways = ['--console', host.consoleCommand, '--console-log', log];
      const options = { env: { REMEDY_CONSOLE_PASSWORD: password }, timeoutMs: 8 * minute };
      const result = await runWith(lab, ['start-sshd', '--yes', ...endpoint, ...ways], options);
      const told = hostOf(result.document);
      expect(result.status, JSON.stringify(told.failure)).toBe(0);
      expect(told).toMatchObject({
        outcome: 'changed',
        route: 'console',
        proof: { level: 'login', before: 'none' },
      });

      // Logged out: the line asks for a login, and there is no shell on it, and no agent.
      expect((await host.login()).status).toBe(0);
      expect(await host.read('ps -t ttyS0 -o comm=')).toMatch(/^(agetty|login)$/);
      expect(await host.read('ls -d /run/remedy-console-* 2>/dev/null || :')).toBe('');
      const transcript = await readFile(log, 'utf8');
      expect(transcript).toMatch(/login: "\n$/);

      // The password went over the line and nowhere else.
      expect(transcript).toContain('[redacted]');
      const receipts = await filesBelow(join(lab.ctl.home, '.local/state/remedy'));
      expect(receipts).not.toEqual([]);
      for (const file of [log, ...receipts]) {
        expect(await readFile(file, 'latin1'), file).not.toContain(password);
      }
      expect(result.stdout + result.stderr).not.toContain(password);
      expect(await seenInside(host)).toEqual({ sights: [], onPurpose: 1 });
      const found = await host.exec(['sh', '-c', search], { stdin: `${password}\n` });
      expect(found.stdout).toBe('');
      // No command of ours is in a shell's history either.
      expect(await host.read('cat /root/.bash_history /root/.*sh_history 2>/dev/null || :')).toBe(
        '',
      );
    },
  );
});
