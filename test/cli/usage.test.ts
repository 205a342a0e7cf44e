import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../../bin/remedy.js', import.meta.url));

let folder = '';

const playbook = `schema: remedy.playbook/1
name: open-port
summary: Another one of this name
steps:
  - id: modes
    uses: login-files
    with: { user: root }
`;

const broken = `schema: remedy.playbook/1
name: broken
summary: Wrong in several places
steps:
  - id: one
    uses: ufw-rul
  - id: two
    uses: login-files
    wiht: { user: root }
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'remedy-cli-'));
  mkdirSync(join(folder, 'twice'));
  writeFileSync(join(folder, 'twice', 'again.yaml'), playbook);
  writeFileSync(join(folder, 'broken.yaml'), broken);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function remedy(words: readonly string[]): {
  stdout: string;
  stderr: string;
  status: number | null;
} {
  const environment = { PATH: process.env['PATH'] ?? '', HOME: folder, TERM: 'dumb' };
  const run = spawnSync(process.execPath, [bin, ...words], {
    encoding: 'utf8',
    cwd: folder,
    env: environment,
    input: '',
  });
  return { stdout: run.stdout, stderr: run.stderr, status: run.status };
}

const base = ['run', 'open-port', '--host', 'web1.invalid', '--yes'];

const cases: readonly (readonly [string, readonly string[], string, RegExp])[] = [
  ['an unknown flag', [...base, '--dry-rnu'], 'usage', /unknown option '--dry-rnu'[^]*--dry-run/i],
  ['no playbook', ['run', '--host', 'web1.invalid'], 'usage', /playbook/],
  ['no host', ['run', 'open-port', '--yes'], 'usage', /No host was named[^]*--host HOST/],
  [
    'a host that looks like an option',
    ['run', 'open-port', '--yes', '--host=-oProxyCommand=id'],
    'invalid-host',
    /begins with "-"/,
  ],
  [
    'a host with a blank',
    ['run', 'open-port', '--yes', '--host', 'web 1'],
    'invalid-host',
    /holds a blank, a control or a shell character/,
  ],
  [
    'a host with a newline',
    ['run', 'open-port', '--yes', '--host', 'web\n1'],
    'invalid-host',
    /holds a blank, a control or a shell character/,
  ],
  [
    'a host with an escape',
    ['run', 'open-port', '--yes', '--host', 'web\u001b[2J'],
    'invalid-host',
    /holds a blank, a control or a shell character/,
  ],
  [
    'a host with a shell character',
    ['run', 'open-port', '--yes', '--host', 'web;id'],
    'invalid-host',
    /holds a blank, a control or a shell character/,
  ],
  [
    'a host with a substitution',
    ['run', 'open-port', '--yes', '--host', '$(id)'],
    'invalid-host',
    /holds a blank, a control or a shell character/,
  ],
  ['an empty host', ['run', 'open-port', '--yes', '--host', ''], 'invalid-host', /cannot be empty/],
  ['port 0', [...base, '--port', '0'], 'invalid-host', /"0" is not a port/],
  ['port 65536', [...base, '--port', '65536'], 'invalid-host', /"65536" is not a port/],
  ['a port with letters', [...base, '--port', '22x'], 'invalid-host', /"22x" is not a port/],
  ['a port with a sign', [...base, '--port', '+22'], 'invalid-host', /"\+22" is not a port/],
  ['a user with a shell character', [...base, '--user', 'a;b'], 'invalid-host', /user name "a;b"/],
  [
    'a client that is no address',
    [...base, '--from', 'home'],
    'usage',
    /--from "home" is not an IP address/,
  ],
  [
    'a key for a route that is not there',
    [...base, '--via-identity', 'key'],
    'usage',
    /--via-identity is given without --via/,
  ],
  [
    'a port in the host name',
    ['run', 'open-port', '--host', 'web1.invalid:22', '--yes'],
    'usage',
    /--host web1\.invalid --port 22/,
  ],
  [
    'a playbook named twice',
    ['run', 'open-port', 'open-port', '--host', 'web1.invalid', '--yes'],
    'usage',
    /open-port was named twice/i,
  ],
  [
    'an unknown playbook',
    ['run', 'open-prot', '--host', 'web1.invalid', '--yes'],
    'usage',
    /there is no playbook "open-prot" \(did you mean open-port\?\)/i,
  ],
  [
    'two playbooks of one name',
    [...base, '--playbooks', 'twice'],
    'usage',
    /two playbooks have the name open-port: playbooks\/open-port\.yaml and twice\/again\.yaml/i,
  ],
  [
    'a folder that is not there',
    [...base, '--playbooks', 'nowhere'],
    'usage',
    /the playbook folder nowhere cannot be read/i,
  ],
  [
    'an invalid playbook, with all its problems',
    ['run', './broken.yaml', '--host', 'web1.invalid', '--yes'],
    'invalid-playbook',
    /broken\.yaml:6:11[^]*ufw-rule[^]*broken\.yaml:9:5[^]*«with»/,
  ],
  [
    'a variable without a value',
    [...base, '--var', 'port'],
    'usage',
    /--var "port" is not NAME=VALUE/,
  ],
  [
    'a variable twice',
    [...base, '--var', 'port=1', '--var', 'port=2'],
    'usage',
    /--var port is given twice/,
  ],
  [
    'a variable that no playbook has',
    [...base, '--var', 'prot=22'],
    'invalid-playbook',
    /prot[^]*«port»/,
  ],
  ['a variable of another type', [...base, '--var', 'port=many'], 'invalid-playbook', /--var port/],
  [
    'a variable named like a property of objects',
    [...base, '--var', '__proto__=1'],
    'invalid-playbook',
    /__proto__/,
  ],
  [
    'nobody to ask',
    ['run', 'open-port', '--host', 'web1.invalid'],
    'usage',
    /Give --yes to apply without asking, or --dry-run to only look/,
  ],
];

describe('remedy with', () => {
  it.each(cases)(
    '%s says what is wrong and what to do, and exits with 64',
    (_, words, _code, message) => {
      const { stdout, stderr, status } = remedy(words);
      expect(status).toBe(64);
      expect(stdout).toBe('');
      expect(stderr).toMatch(message);
      expect(stderr).toContain('No host was contacted.');
      expect(stderr).not.toMatch(/^\s+at .*\.(?:js|ts):\d+/m);
      expect(stderr).not.toContain('\u001b');
    },
  );

  it.each(cases)(
    '%s prints one JSON document where that was asked for',
    (_, words, code, message) => {
      const { stdout, status } = remedy([...words, '--output', 'json']);
      expect(status).toBe(64);
      const document = JSON.parse(stdout) as { failure: Record<string, string> };
      expect(document).toEqual({
        schema: 'remedy.run/1',
        runId: expect.any(String) as string,
        dryRun: false,
        hosts: [],
        failure: {
          code,
          what: expect.stringMatching(/\S/) as string,
          why: expect.any(String) as string,
          access: 'No host was contacted.',
          todo: expect.stringMatching(/\S/) as string,
        },
        exitCode: 64,
      });
      expect(Object.values(document.failure).join('\n')).toMatch(message);
    },
  );

  it('an output format that nobody knows says which there are', () => {
    const { stdout, stderr, status } = remedy([...base, '--output', 'xml']);
    expect(status).toBe(64);
    expect(`${stdout}${stderr}`).toContain('It takes text, json or ndjson.');
  });

  it('an unknown command says so', () => {
    const { status, stderr } = remedy(['rnu', 'open-port']);
    expect(status).toBe(64);
    expect(stderr).toContain('No host was contacted.');
  });

  it('--help and --version exits with 0', () => {
    expect(remedy(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
    expect(remedy(['run', '--help'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Exit status:') as string,
    });
  });
});

describe('remedy list and lint', () => {
  it('list names the playbooks, with those of a folder', () => {
    expect(remedy(['list']).stdout).toMatch(/^open-port +Let SSH through/m);
    const document = JSON.parse(
      remedy(['list', '--output', 'json', '--playbooks', 'twice']).stdout,
    ) as { playbooks: { name: string; builtIn: boolean }[] };
    expect(
      document.playbooks.filter(({ name }) => name === 'open-port').map(({ builtIn }) => builtIn),
    ).toEqual([true, false]);
  });

  it('lint tells every problem, and says where there are none', () => {
    expect(remedy(['lint', 'twice/again.yaml'])).toEqual({
      status: 0,
      stdout: '1 file: no problems\n',
      stderr: '',
    });
    const bad = remedy(['lint', 'broken.yaml', 'twice/again.yaml']);
    expect(bad.status).toBe(64);
    expect(bad.stderr.match(/^error\[/gm)?.length).toBeGreaterThan(1);
  });
});
