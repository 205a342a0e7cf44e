import { randomBytes } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Change } from '../../src/core/change.ts';
import { sha256Of } from '../../src/core/digest.ts';
import { Secret } from '../../src/core/secret.ts';
import { compileQuestion } from '../../src/program/ask.ts';
import { compileStage } from '../../src/program/stage.ts';
import { openLab, type Lab, type LabHost, type Result, type StartOptions } from '../support/lab.ts';
import { watchProcesses, type Sight } from '../support/process-watch.ts';
import { hostOf, type HostDocument, type RunDocument } from '../support/remedy.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

const random = (): string => `s3cret${randomBytes(9).toString('hex')}`;

/** Four passwords, no two alike, so that each is seen to have been used where it belongs. */
const passwords = { ssh: random(), via: random(), sudo: random(), passphrase: random() };

const environment = {
  REMEDY_SSH_PASSWORD: passwords.ssh,
  REMEDY_VIA_PASSWORD: passwords.via,
  REMEDY_SUDO_PASSWORD: passwords.sudo,
  REMEDY_KEY_PASSPHRASE: passwords.passphrase,
};

const rescuePort = 2200;

// The endpoint's user has a password alone. The one who comes in by the other port has another, or a
// key with a passphrase, and sudo asks for root's. Only that port is open.
const prepare = `
useradd -m -s /bin/bash oper
chpasswd
install -d -m 700 -o oper -g oper /home/oper/.ssh
rm -f /home/admin/.ssh/authorized_keys
echo 'oper ALL=(ALL:ALL) ALL' >/etc/sudoers.d/oper
echo 'Defaults:oper rootpw' >>/etc/sudoers.d/oper
systemctl --quiet enable ufw
ufw allow ${rescuePort}/tcp
ufw --force enable
: >/run/began
`;

/** Files of a host that are newer than its preparation and hold one of the words; core files too. */
async function traces(host: LabHost, words: Readonly<Record<string, string>>): Promise<string[]> {
  const script = `
sync; journalctl --sync --quiet
cat >/run/words
{ find / -xdev -newer /run/began -type f ! -path /run/words -exec grep -laFf /run/words {} +
  find / -xdev \\( -name core -o -name 'core.*' \\) -newer /run/began -type f
  for place in /run /tmp /dev/shm /home /root /var/lib/remedy; do grep -raslFf /run/words "$place" --exclude=words; done
  journalctl --output=export --no-pager | grep -aFf /run/words
} | sort -u
rm /run/words`;
  const stdin = Object.values(words)
    .map((word) => `${word}\n`)
    .join('');
  const result = await host.exec(['sh', '-c', script], { stdin });
  expect(result.stderr).toBe('');
  return result.stdout.split('\n').filter((line) => line !== '');
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

/** Files in the controller's home, where receipts are, that hold one of the words. */
async function tracesHere(words: Readonly<Record<string, string>>): Promise<string[]> {
  const files = await filesBelow(lab.ctl.home);
  const found = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(file, 'latin1');
      return Object.values(words).some((word) => text.includes(word)) || /core/.test(file);
    }),
  );
  return files.filter((_, index) => found[index]);
}

const receiptsFolder = (): string => join(lab.ctl.home, '.local/state/remedy/runs');

// Who starts remedy gives it the passwords in its environment; nobody else may have them.
const leaks = (sights: readonly Sight[]): readonly Sight[] =>
  sights.filter(({ kind, side }) => kind === 'argv' || side !== 'rig');

function mentions(text: string, words: Readonly<Record<string, string>>): string[] {
  return Object.entries(words).flatMap(([name, word]) => (text.includes(word) ? [name] : []));
}

const lastLine = (result: Result): HostDocument =>
  hostOf(JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as RunDocument);

/** A command that passes a word on argv, on purpose, some times, on both sides. */
async function giveAway(host: LabHost, word: string): Promise<void> {
  const script = 'read -r word; for i in 1 2 3 4 5; do /bin/true "$word-$i"; done';
  await host.exec(['sh', '-c', script], { stdin: `${word}\n` });
  await lab.ctl.run(['sh', '-c', script], { stdin: `${word}\n` });
}

const shownOnPurpose = (sights: readonly Sight[], side: Sight['side']): number =>
  sights.filter((one) => one.word === 'control' && one.side === side && one.kind === 'argv').length;

describe('a run with every kind of password', () => {
  test('leaves none of them anywhere, kept, undone, taken back and confirmed later', async () => {
    const host = await lab.up('secrets', { ports: [22, rescuePort] });
    await host.exec(['sh', '-euc', prepare], {
      stdin: `admin:${passwords.ssh}\noper:${passwords.via}\nroot:${passwords.sudo}\n`,
    });
    const key = join(lab.ctl.home, 'locked_key');
    await lab.ctl.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', passwords.passphrase, '-f', key]);
    const publicKey = await readFile(`${key}.pub`, 'utf8');
    await host.exec(['sh', '-c', 'cat >/home/oper/.ssh/authorized_keys'], { stdin: publicKey });
    const playbook = await lab.ctl.writeFile('fails.yaml', failingPlaybook);
    const address = host.ipv4 ?? '';
    const endpoint = [
      ...['--host', address, '--user', 'admin', '--known-hosts', lab.knownHosts],
      ...['--via', `oper@${address}:${rescuePort}`],
    ];
    const byKey = ['--via-identity', key];
    const inherited = random();
    const env = { ...environment, NO_SECRET: inherited };
    const options: StartOptions = { env, timeoutMs: 120_000 };
    const remedy = (...words: string[]): Promise<Result> => lab.remedy(words, options);

    const control = random();
    const watch = await watchProcesses({ ...passwords, control, inherited });
    await giveAway(host, control);

    const kept = await remedy('run', 'open-port', ...endpoint, '--yes');
    expect(kept.status, kept.stdout + kept.stderr).toBe(0);
    expect(kept.stdout).toContain('kept');
    const [runId = ''] = await readdir(receiptsFolder());

    const accepted = ['--accept-loss', 'admin', '--yes', '--output', 'json'];
    const undone = await remedy('undo', runId, ...endpoint, ...accepted);
    expect(undone.stdout).toContain('"outcome": "changed"');

    const failed = await remedy(
      ...['run', 'open-port', playbook, ...endpoint, ...byKey, '--yes', '--output', 'ndjson'],
    );
    expect(failed.status, failed.stdout + failed.stderr).toBe(1);
    expect(lastLine(failed)).toMatchObject({ outcome: 'reverted' });

    // Killed while armed; the token is on this machine alone.
    const words = ['run', 'open-port', ...endpoint, ...byKey, '--yes', '--output', 'ndjson'];
    const killed = lab.startRemedy(words, {
      ...options,
      onLine: (line) => {
        if (line.includes('"phase-done","phase":"apply"')) killed.kill('SIGKILL');
      },
    });
    const { stdout: armed } = await killed.done;
    const armedId = /"type":"armed","runId":"([^"]+)"/.exec(armed)?.[1] ?? '';
    const tokenFile = join(receiptsFolder(), armedId, `token-${armedId}`);
    const token = { token: (await readFile(tokenFile, 'utf8')).trim() };
    const tokenWatch = await watchProcesses(token);
    expect(await traces(host, token)).toEqual([]);
    expect(await tracesHere(token)).toEqual([tokenFile]);
    const status = await remedy('status', armedId, ...endpoint, '--output', 'json');
    const confirmed = await remedy('confirm', armedId, ...endpoint, '--output', 'json');
    expect(confirmed.status, confirmed.stdout + confirmed.stderr).toBe(0);

    const { sights, seen, missed } = await watch.end();
    const shown = await tokenWatch.end();
    expect(shownOnPurpose(sights, 'host')).toBe(5);
    expect(shownOnPurpose(sights, 'rig')).toBe(5);
    expect(seen).toBeGreaterThan(200);
    expect(missed).toBeLessThan(seen / 100);
    expect(leaks(sights.filter(({ word }) => word in passwords))).toEqual([]);
    // It does see the environment of remedy's children: what else is in it they have.
    expect(leaks(sights).map(({ word, kind, side }) => `${word} ${kind} ${side}`)).toContain(
      'inherited environ child',
    );
    expect(shown.sights).toEqual([]);

    const all = { ...passwords, ...token };
    for (const { stdout, stderr } of [kept, undone, failed, status, confirmed]) {
      expect(mentions(stdout + stderr, all)).toEqual([]);
    }
    expect(mentions(armed, all)).toEqual([]);
    expect(await traces(host, all)).toEqual([]);
    expect(await tracesHere(all)).toEqual([]);

    // All of them were needed.
    const log = await host.read('cat /var/log/auth.log');
    for (const words of [
      'Accepted password for oper',
      'Accepted publickey for oper',
      'Accepted password for admin',
      'sudo:     oper : ',
    ]) {
      expect(log).toContain(words);
    }
    await host.down();
  });
});

const failingPlaybook = `
schema: remedy.playbook/1
name: fails
summary: A check that never holds
steps:
  - id: nothing
    uses: ufw-rule
    with: { rule: allow, port: 8022, proto: tcp }
checks:
  - command: ['false']
`;

describe('a sensitive change', () => {
  test('leaves its content in no process, no log, and no file but its own', async () => {
    const host = await lab.up('sensitive');
    await host.read(': >/run/began');
    const secrets = { old: random(), fresh: random() };
    const path = '/etc/remedy-test.conf';
    await host.exec(['sh', '-c', `umask 077; cat >${path}`], { stdin: secrets.old });
    const confirmToken = random();
    const tag = 'f'.repeat(32);
    const begin = (runId: string): Promise<Result> =>
      host.exec(['sh'], {
        stdin: compileStage({
          runId,
          token: '0'.repeat(32),
          confirmSha256: sha256Of(`${confirmToken}\n`),
          guardSeconds: 60,
          about: ['a test'],
          changes: [sensitiveWrite(path, secrets.old, secrets.fresh)],
        }),
      });
    const end = (...question: Parameters<typeof compileQuestion>): Promise<Result> =>
      host.exec(['sh'], { stdin: compileQuestion(...question) });

    const words = { ...secrets, confirmToken };
    const watch = await watchProcesses(words);
    expect((await begin('back')).stdout).toContain('end applied');
    expect((await end('back', { verb: 'revert' }, tag)).stdout).toContain('state reverted');
    expect(await traces(host, { fresh: secrets.fresh, confirmToken })).toEqual([]);
    expect(await traces(host, { old: secrets.old })).toEqual([path]);
    expect((await begin('kept')).stdout).toContain('end applied');
    const confirmed = await end('kept', { verb: 'confirm', token: new Secret(confirmToken) }, tag);
    expect(confirmed.stdout).toContain('state confirmed');
    const { sights, seen, missed } = await watch.end();
    expect(sights).toEqual([]);
    expect(seen).toBeGreaterThan(100);
    expect(missed).toBeLessThan(seen / 100);
    expect(await traces(host, { fresh: secrets.fresh, confirmToken })).toEqual([path]);
    expect(await traces(host, { old: secrets.old })).toEqual(['/var/lib/remedy/kept/files/1']);
    expect(await host.read('stat -c %a /var/lib/remedy /var/lib/remedy/kept')).toBe('700\n700');
    await host.down();
  });
});

function sensitiveWrite(path: string, before: string, after: string): Change {
  return {
    kind: 'file',
    target: path,
    summary: `write ${path}`,
    before,
    after,
    action: { type: 'write', path, beforeSha256: sha256Of(before), content: after },
    holds: null,
    undo: { type: 'snapshot' },
    risk: 'none',
    sensitive: true,
    factsAfter: [],
    invalidates: [],
  };
}
