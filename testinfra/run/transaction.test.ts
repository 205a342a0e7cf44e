import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { compileQuestion } from '../../src/program/ask.ts';
import { compileStage } from '../../src/program/stage.ts';
import { changesSince, look, noGuard } from '../support/as-before.ts';
import {
  differences,
  openLab,
  snapshot,
  type Controller,
  type Lab,
  type LabHost,
  type Result,
  type Running,
  type Snapshot,
} from '../support/lab.ts';
import {
  changesOf,
  endpointFlags,
  hostOf,
  remedy,
  type Call,
  type HostDocument,
  type RunDocument,
} from '../support/remedy.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

async function changes(host: LabHost, before: Snapshot): Promise<string[]> {
  await noGuard(host);
  return changesSince(host, before);
}

/** A run that goes on, and the events that it has told. */
interface Attempt extends Running {
  /** Resolves when a line of its output matches, or throws at its end. */
  seen(pattern: RegExp): Promise<string>;
}

function begin(host: LabHost, playbooks: string, call: Call = {}): Attempt {
  const lines: string[] = [];
  const waiting: { pattern: RegExp; found: (line: string) => void }[] = [];
  const onLine = (line: string): void => {
    lines.push(line);
    for (const one of waiting) if (one.pattern.test(line)) one.found(line);
  };
  const running = lab.startRemedy(
    [
      ...['run', ...playbooks.split(' ')],
      ...endpointFlags(lab, host, call),
      ...(call.args ?? []),
      ...['--yes', '--output', 'ndjson'],
    ],
    { onLine, timeoutMs: 240_000 },
  );
  return {
    ...running,
    seen(pattern) {
      const had = lines.find((line) => pattern.test(line));
      if (had !== undefined) return Promise.resolve(had);
      const comes = new Promise<string>((found) => waiting.push({ pattern, found }));
      const ends = running.done.then(({ stdout, stderr }): never => {
        throw new Error(`it ended without ${String(pattern)}:\n${stdout}\n${stderr}`);
      });
      return Promise.race([comes, ends]);
    },
  };
}

const armed = /"type":"armed"/;
const applied = /"type":"phase-done","phase":"apply"/;
const proving = /"type":"phase","phase":"prove"/;

function runIdIn(line: string): string {
  return /"runId":"([^"]+)"/.exec(line)?.[1] ?? 'none';
}

function lastDocument(result: Result): RunDocument {
  return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as RunDocument;
}

/** Leaves a run armed: nobody is there to confirm it any more. */
async function leaveArmed(host: LabHost, playbooks: string, call: Call = {}): Promise<string> {
  const attempt = begin(host, playbooks, {
    ...call,
    args: [...(call.args ?? []), '--guard-seconds', '300'],
  });
  const runId = runIdIn(await attempt.seen(armed));
  await attempt.seen(applied);
  attempt.kill('SIGKILL');
  await attempt.done;
  return runId;
}

interface SettleDocument {
  readonly schema: string;
  readonly exitCode: number;
  readonly state?: string | null;
  readonly applied?: boolean;
  readonly runs?: readonly { readonly runId: string; readonly state: string }[];
  readonly failure?: { readonly code: string } | null;
}

/** `confirm`, `revert` or `status`; what comes back must be one JSON document with its own status. */
async function settle(
  words: readonly string[],
  controller: Controller = lab.ctl,
): Promise<SettleDocument> {
  const result = await lab.remedy([...words, '--output', 'json'], {
    controller,
    timeoutMs: 120_000,
  });
  const document = result.json<SettleDocument>();
  if (document.exitCode !== result.status || !/^remedy\.(settle|status)\/1$/.test(document.schema))
    throw new Error(`status ${result.status}: ${result.stdout}`);
  return document;
}

async function stateOf(host: LabHost, runId: string): Promise<string> {
  const names = 'prepared|armed|reverting|confirmed|reverted|stuck';
  return host.read(`ls /var/lib/remedy/${runId} | grep -xE '${names}'`);
}

describe.concurrent('a host with two causes is repaired one playbook at a time', () => {
  test.for([
    ['ufw-enable', 'sshd-stopped', 'open-port', 'start-sshd', 'root'],
    ['ufw-enable', 'allow-users', 'open-port', 'allow-user', 'admin'],
  ] as const)('%s, %s', async ([first, second, one, two, user], { expect }) => {
    const host = await lab.up(`two-${second}`);
    await host.breakIt(first, second);
    const half = await remedy(lab, host, one, { user, args: ['--yes'] });
    expect(half.status).toBe(3);
    expect(hostOf(half.document)).toMatchObject({
      outcome: 'changed',
      route: 'exec',
      failure: { code: 'endpoint-shut', todo: expect.stringContaining(two) },
    });
    expect(hostOf(half.document).proof?.level).not.toBe('login');
    const whole = await remedy(lab, host, two, { user, args: ['--yes'] });
    expect({ status: whole.status, failure: hostOf(whole.document).failure }).toEqual({
      status: 0,
      failure: null,
    });
    expect(hostOf(whole.document).proof).toMatchObject({ level: 'login' });
    expect((await host.login(user)).status).toBe(0);
    await host.down();
  });
});

test('new host keys are proven by what the host shows over the way in; known_hosts stays', async ({
  expect,
}) => {
  const host = await lab.up('keys');
  await host.breakIt('host-keys-missing');
  const before = await readFile(lab.knownHosts);
  const real = await remedy(lab, host, 'regenerate-host-keys start-sshd', { args: ['--yes'] });
  expect({ status: real.status, failure: hostOf(real.document).failure }).toEqual({
    status: 0,
    failure: null,
  });
  expect(hostOf(real.document).proof?.level).toBe('login');
  expect((await readFile(lab.knownHosts)).equals(before)).toBe(true);
  const { notices } = hostOf(real.document) as HostDocument & { notices: readonly string[] };
  const [, fingerprint] = (await host.read('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key')).split(
    ' ',
  );
  expect(notices.join('\n')).toContain(fingerprint);
  expect(notices.join('\n')).toContain(`ssh-keygen -R ${host.ipv4}`);
  // Until known_hosts is brought up to date, nobody is let believe that the host is the one he knows.
  expect((await host.login()).status).not.toBe(0);
  await host.down();
});

describe.concurrent('two runs at once', () => {
  test('the second is refused and names the first; that of the dead is settled, then refused once', async ({
    expect,
  }) => {
    const host = await lab.up('two-runs');
    await host.breakIt('ufw-enable');
    await host.read('ufw reload');
    const before = await look(host);
    const runId = await leaveArmed(host, 'open-port');
    const second = await remedy(lab, host, 'open-port', {
      args: ['--yes', '--var', 'port=2222'],
    });
    expect(second.status).toBe(75);
    expect(hostOf(second.document)).toMatchObject({
      outcome: 'locked',
      failure: { code: 'locked' },
    });
    expect(JSON.stringify(hostOf(second.document).failure)).toContain(runId);
    expect(await stateOf(host, runId)).toBe('armed');

    // Nobody restarts a guard whose unit is masked.
    await host.read(
      `systemctl mask --runtime remedy-guard-${runId} 2>&1; read -r _ pid _ </var/lib/remedy/${runId}/guard; kill -9 "$pid"; systemctl stop remedy-guard-${runId} 2>&1; rm -f /run/systemd/system/remedy-guard-${runId}.service; systemctl daemon-reload`,
    );
    expect(await stateOf(host, runId)).toBe('armed');
    const third = await remedy(lab, host, 'open-port', { args: ['--yes', '--var', 'port=2222'] });
    expect(hostOf(third.document).outcome).toMatch(/^(locked|refused)$/);
    expect(JSON.stringify(hostOf(third.document).failure)).toContain(runId);
    expect(await stateOf(host, runId)).toBe('reverted');
    expect(await changes(host, before)).toEqual([]);
    const fourth = await remedy(lab, host, 'open-port', { args: ['--yes'] });
    expect(hostOf(fourth.document)).toMatchObject({ outcome: 'changed', failure: null });
    await host.down();
  });

  test('begun at the same moment: one of them makes the changes', async ({ expect }) => {
    const host = await lab.up('same-moment');
    await host.breakIt('ufw-enable');
    const results = await Promise.all(
      [1, 2, 3].map(() => remedy(lab, host, 'open-port', { args: ['--yes'] })),
    );
    const outcomes = results.map(({ document }) => hostOf(document).outcome).toSorted();
    expect(outcomes.filter((outcome) => outcome === 'changed').length).toBeGreaterThan(0);
    expect(outcomes.filter((one) => !/^(changed|unchanged|locked|refused)$/.test(one))).toEqual([]);
    expect(await host.read('ufw status | grep -c "^22/tcp *ALLOW"')).toBe('1');
    expect((await host.login()).status).toBe(0);
    await host.down();
  });
});

describe.concurrent('what others do meanwhile', () => {
  test('bans and rules that others add in the confirm window survive the revert', async ({
    expect,
  }) => {
    const host = await lab.up('others');
    await host.breakIt('ufw-enable', 'fail2ban-two-jails');
    const runId = await leaveArmed(host, 'open-port unban-address');
    await host.read(
      [
        'fail2ban-client set sshd banip 192.0.2.7',
        'ufw allow 8443/tcp',
        'ufw insert 1 deny from 192.0.2.8',
        'iptables -I INPUT -s 192.0.2.9 -j DROP',
        'nft add table inet mine; nft add set inet mine bad "{ type ipv4_addr; }"; nft add element inet mine bad "{ 192.0.2.10 }"',
        'echo "# mine" >>/etc/hosts',
      ].join(' && '),
    );
    const reverted = await settle(['revert', runId]);
    expect(reverted).toMatchObject({ exitCode: 0, state: 'reverted', failure: null });
    expect(await host.read('fail2ban-client status sshd')).toMatch(/10\.77\.0\.1\b/);
    expect(await host.read('fail2ban-client status sshd')).toContain('192.0.2.7');
    expect(await host.read('fail2ban-client status recidive')).toMatch(/10\.77\.0\.1\b/);
    const rules = await host.read('ufw status');
    expect(rules).toContain('8443/tcp');
    expect(rules).toContain('192.0.2.8');
    expect(rules).not.toMatch(/^22\/tcp/m);
    expect(await host.read('iptables -S INPUT')).toContain('192.0.2.9');
    expect(await host.read('nft list set inet mine bad')).toContain('192.0.2.10');
    expect(await host.read('cat /etc/hosts')).toContain('# mine');
    await host.down();
  });

  test('a file that someone edits between the change and its undo is shown and left alone', async ({
    expect,
  }) => {
    const host = await lab.up('edited');
    await host.breakIt('allow-users');
    const runId = await leaveArmed(host, 'allow-user');
    const file = '/etc/ssh/sshd_config.d/10-access.conf';
    await host.read(`echo '# a note of mine' >>${file}`);
    const reverted = await settle(['revert', runId]);
    expect(reverted).toMatchObject({ exitCode: 3, state: 'stuck', failure: { code: 'stuck' } });
    expect(JSON.stringify(reverted.failure)).toContain('a note of mine');
    expect(await host.read(`cat ${file}`)).toContain('a note of mine');
    // The run is over, if not well: the next one is not kept out.
    expect(await host.read('ls /var/lib/remedy')).not.toMatch(/^lock$/m);
    await host.down();
  });

  test('a file that someone edits between the look and the change stops the run', async ({
    expect,
  }) => {
    const host = await lab.up('drift');
    await host.breakIt('ufw-enable', 'allow-users');
    await host.read('ufw reload');
    const before = await look(host);
    const file = '/etc/ssh/sshd_config.d/10-access.conf';
    // The edit comes with the first change, when all files have been compared once already.
    await host.read(
      `mv /usr/sbin/ufw /usr/sbin/ufw.real; printf '#!/bin/sh\\ncase "$*" in *allow*) grep -q mine ${file} || echo "# mine" >>${file} ;; esac\\nexec /usr/sbin/ufw.real "$@"\\n' >/usr/sbin/ufw; chmod 755 /usr/sbin/ufw`,
    );
    const real = await remedy(lab, host, 'open-port allow-user', { args: ['--yes'] });
    expect({ status: real.status, ...hostOf(real.document) }).toMatchObject({
      status: 1,
      outcome: 'reverted',
    });
    expect(JSON.stringify(hostOf(real.document).failure)).toContain(file);
    expect(await host.read(`cat ${file}`)).toContain('# mine');
    await host.read(`sed -i '/# mine/d' ${file}`);
    expect(await changes(host, before)).toEqual([]);
    await host.down();
  });

  test('a firewall that was stopped or emptied meanwhile does not keep the run from its end', async ({
    expect,
  }) => {
    const host = await lab.up('firewall-gone');
    for (const [broken, gone] of [
      ['ufw-enable', 'ufw --force disable'],
      ['ufw-enable', 'ufw --force reset'],
      ['firewalld-no-ssh', 'systemctl stop firewalld'],
      ['nft-two-tables', 'nft flush ruleset'],
    ] as const) {
      await host.breakIt(broken);
      const runId = await leaveArmed(host, 'open-port');
      await host.read(gone);
      const reverted = await settle(['revert', runId]);
      expect({ gone, ...reverted }).toMatchObject({ gone, state: 'reverted', failure: null });
      if (broken === 'firewalld-no-ssh')
        expect(await host.read('cat /etc/firewalld/zones/public.xml')).not.toMatch(
          /port="22"|"ssh"/,
        );
      await host.reset();
    }
    await host.down();
  });
});

describe.concurrent('Ctrl-C', () => {
  const points = [
    ['while it is applied', /"type":"phase","phase":"apply"/],
    ['when it is armed', armed],
    ['while it is proven', proving],
  ] as const;

  test.for(points)(
    'once, %s: exit 130, and all is as it was',
    async ([name, point], { expect }) => {
      const host = await lab.up(`once-${name.replaceAll(' ', '-')}`);
      await host.breakIt('ufw-enable');
      await host.read('ufw reload');
      const before = await look(host);
      const attempt = begin(host, 'open-port');
      await attempt.seen(point);
      attempt.kill('SIGINT');
      const result = await attempt.done;
      expect(result.status, result.stdout + result.stderr).toBe(130);
      expect(hostOf(lastDocument(result)).outcome).toMatch(/^(reverted|refused|failed)$/);
      expect(await changes(host, before)).toEqual([]);
      expect((await host.exec('test -e /var/lib/remedy/lock')).status).not.toBe(0);
      await host.down();
    },
  );

  test('twice: it leaves at once with the words to settle it, and the guard takes it back', async ({
    expect,
  }) => {
    const host = await lab.up('twice');
    await host.breakIt('ufw-enable');
    await host.read('ufw reload');
    const before = await look(host);
    // What takes back takes its time, so that the second one comes in the middle.
    await host.read(
      `mv /usr/sbin/ufw /usr/sbin/ufw.real; printf '#!/bin/sh\\ncase "$*" in *delete*) sleep 4 ;; esac\\nexec /usr/sbin/ufw.real "$@"\\n' >/usr/sbin/ufw; chmod 755 /usr/sbin/ufw`,
    );
    const attempt = begin(host, 'open-port', { args: ['--guard-seconds', '5'] });
    const runId = runIdIn(await attempt.seen(armed));
    await attempt.seen(proving);
    attempt.kill('SIGINT');
    await attempt.seen(/"type":"phase","phase":"revert"/);
    attempt.kill('SIGINT');
    const began = Date.now();
    const result = await attempt.done;
    expect(Date.now() - began).toBeLessThan(3000);
    expect(result.status, result.stdout + result.stderr).toBe(3);
    for (const word of [
      `remedy status ${runId}`,
      `remedy confirm ${runId}`,
      `remedy revert ${runId}`,
    ])
      expect(result.stderr).toContain(word);
    await expect.poll(() => stateOf(host, runId), { timeout: 60_000 }).toBe('reverted');
    expect(await changes(host, before)).toEqual([]);
    expect(await settle(['status', runId])).toMatchObject({ state: 'reverted', exitCode: 0 });
    await host.down();
  });
});

describe.concurrent('settling a run', () => {
  test('status, confirm and revert, from where it was begun and from elsewhere', async ({
    expect,
  }) => {
    const host = await lab.up('settle');
    await host.breakIt('ufw-enable');
    await host.mark();
    const other = await lab.controller();
    const flags = endpointFlags(lab, host);
    const unknown = '20260101-000000-abcdef';

    expect(await settle(['status'])).toMatchObject({ exitCode: 0 });
    expect(await settle(['status', ...flags], other)).toMatchObject({ runs: [], exitCode: 0 });
    const runId = await leaveArmed(host, 'open-port');
    // From where it was begun no flag is needed.
    expect((await settle(['status'])).runs).toContainEqual(expect.objectContaining({ runId }));
    expect(await settle(['status', runId])).toMatchObject({
      state: 'armed',
      applied: true,
      exitCode: 0,
    });
    expect((await settle(['status', ...flags], other)).runs).toEqual([
      expect.objectContaining({ runId, state: 'armed' }),
    ]);
    expect(await settle(['status', runId, ...flags], other)).toMatchObject({ state: 'armed' });
    // Elsewhere there is no token, and a wrong one is none.
    expect(await settle(['confirm', runId, ...flags], other)).toMatchObject({
      failure: { code: 'wrong-token' },
    });
    const wrong = await lab.remedy(['confirm', runId, ...flags, '--output', 'json'], {
      controller: other,
      env: { REMEDY_CONFIRM_TOKEN: 'f'.repeat(48) },
    });
    expect(wrong.json<SettleDocument>()).toMatchObject({ failure: { code: 'wrong-token' } });
    expect(wrong.status).not.toBe(0);
    expect(await stateOf(host, runId)).toBe('armed');
    for (const verb of ['status', 'confirm', 'revert']) {
      for (const name of [unknown, 'nonsense', '../../etc']) {
        const asked = await settle([verb, name, ...flags]);
        expect(asked, `${verb} ${name}`).toMatchObject({
          failure: { code: expect.stringMatching(/^(unknown-run|wrong-token)$/) },
        });
        expect(asked.exitCode).not.toBe(0);
      }
    }
    expect((await host.exec(`test -e /var/lib/remedy/${unknown}`)).status).not.toBe(0);
    // The one that began it confirms it; a second time it is confirmed still.
    expect(await settle(['confirm', runId])).toMatchObject({ state: 'confirmed', exitCode: 0 });
    expect(await settle(['confirm', runId, ...flags])).toMatchObject({
      exitCode: expect.any(Number),
    });
    expect(await stateOf(host, runId)).toBe('confirmed');
    expect(await settle(['revert', runId])).toMatchObject({
      state: 'confirmed',
      failure: { todo: expect.stringContaining(`remedy undo ${runId}`) },
    });
    expect((await host.login()).status).toBe(0);
    await host.reset();
    const second = await leaveArmed(host, 'open-port');
    expect(await settle(['revert', second, ...flags], other)).toMatchObject({
      state: 'reverted',
      exitCode: 0,
    });
    expect(await settle(['confirm', second])).toMatchObject({ failure: { code: 'guard-fired' } });
    await host.down();
  });

  test('a folder whose program never came whole is no run', async ({ expect }) => {
    const host = await lab.up('half-sent');
    const runId = '20260101-000000-abcdef';
    await host.read(
      `mkdir -p -m 700 /var/lib/remedy/${runId}; : >/var/lib/remedy/${runId}/program`,
    );
    for (const verb of ['status', 'revert'])
      expect(await settle([verb, runId, ...endpointFlags(lab, host)])).toMatchObject({
        failure: { code: 'unknown-run' },
      });
    await host.down();
  });
});

test('a program that arrives after its run was given up does nothing', async ({ expect }) => {
  const host = await lab.up('late');
  const runId = '20260101-000000-abcdef';
  const tag = randomBytes(16).toString('hex');
  const program = compileStage({
    runId,
    token: tag,
    confirmSha256: createHash('sha256').update('token\n').digest('hex'),
    guardSeconds: 60,
    changes: [
      {
        kind: 'file',
        target: '/etc/late',
        summary: 'make /etc/late',
        before: '',
        after: '',
        action: { type: 'run', argv: ['touch', '/etc/late'] },
        holds: null,
        undo: { type: 'run', argv: ['rm', '-f', '/etc/late'] },
        risk: 'none',
        sensitive: false,
        factsAfter: [],
        invalidates: [],
      },
    ],
    about: [],
  });
  const given = await host.exec(compileQuestion(runId, { verb: 'forbid' }, tag));
  expect(given.stdout).toContain(`${tag} state none 0`);
  const late = await host.exec(['sh'], { stdin: program });
  expect(late.stdout).toContain('refuse state');
  expect((await host.exec('test -e /etc/late')).status).not.toBe(0);
  expect(await host.read('ls -A /var/lib/remedy/*')).toBe('');
  await host.down();
});

test('a run that finds nothing to do leaves no guard, no folder, no receipt', async ({
  expect,
}) => {
  const host = await lab.up('nothing');
  const controller = await lab.controller();
  const before = await snapshot(host);
  const playbooks = 'open-port start-sshd fix-authorized-keys regenerate-host-keys';
  const run = await remedy(lab, host, playbooks, { args: ['--yes'], options: { controller } });
  expect({ status: run.status, outcome: hostOf(run.document).outcome }).toEqual({
    status: 0,
    outcome: 'unchanged',
  });
  expect(changesOf(run.document)).toEqual([]);
  expect(differences(before, await snapshot(host))).toEqual([]);
  expect((await controller.run(['find', controller.home, '-name', '*remedy*'])).stdout).toBe('');
  await host.down();
});

test('a login that keeps failing gets nobody banned or penalised', async ({ expect }) => {
  const host = await lab.up('paced', { root: 'debian13' });
  await host.read(
    [
      "printf '[DEFAULT]\\nbanaction = nftables\\n[sshd]\\nenabled = true\\nmaxretry = 3\\nfindtime = 10m\\nbackend = systemd\\n' >/etc/fail2ban/jail.local",
      "printf 'PerSourcePenalties authfail:5 noauth:1 min:15 max:600\\n' >/etc/ssh/sshd_config.d/10-pace.conf",
      'systemctl restart fail2ban ssh',
      'until fail2ban-client status sshd >/dev/null 2>&1; do sleep 0.1; done',
    ].join(' && '),
  );
  // Two causes, so that the login is refused before and after; and its user has no key at all.
  await host.breakIt('authorized-keys-missing', 'home-modes', 'host-keys-missing');
  const call: Call = { user: 'admin', args: ['--yes'] };
  for (const playbook of ['regenerate-host-keys start-sshd', 'fix-authorized-keys'])
    expect(hostOf((await remedy(lab, host, playbook, call)).document).outcome).toMatch(
      /^(changed|unchanged|reverted)$/,
    );
  expect(await host.read('fail2ban-client status sshd')).toMatch(/Currently banned:\s+0/);
  expect(await host.read('journalctl -u ssh --no-pager -o cat')).not.toMatch(/penalt/i);
  await host.down();
});
