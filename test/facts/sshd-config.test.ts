import { describe, expect, it } from 'vitest';
import { refusals } from '../../src/facts/sshd-admission.ts';
import { configLines } from '../../src/facts/sshd-config-lines.ts';
import { parseTree } from '../../src/facts/sshd-config-read.ts';
import { withConfigFile } from '../../src/facts/sshd-config.ts';
import { effective, listenTargets, type SshClient } from '../../src/facts/sshd-effective.ts';
import { globMatches } from '../../src/facts/sshd-glob.ts';
import { matchAddressList, matchPattern } from '../../src/facts/sshd-match.ts';
import {
  configuredArguments,
  parseDaemonOptions,
  runningArguments,
} from '../../src/facts/sshd-options.ts';
import { parseDirective, splitWords } from '../../src/facts/sshd-words.ts';
import { configOf, dropIn, main } from './support/sshd-config.ts';

const admin: SshClient = { user: 'admin', groups: ['admin', 'ops'], address: '10.77.0.1' };

function value(text: string, keyword: string, client: SshClient | null = admin): unknown {
  const setting = effective(configOf({ [main]: text }), client).get(keyword);
  return 'unknown' in setting ? setting : setting.values.join(' ');
}

// That the model agrees with sshd itself is tried on real hosts: testinfra/facts/sshd-model.test.ts.
describe('the words of a line', () => {
  it.each([
    ['Port 22', 'port', ['22']],
    ['  PORT = 22 # no', 'port', ['22']],
    ['Banner "/a b" \'c d\' e\\ f', 'banner', ['/a b', 'c d', 'e f']],
    ['AllowUsers a#b "c#d"', 'allowusers', ['a#b', 'c#d']],
    ['Include="/x"\r', 'include', ['/x']],
  ])('%s', (line, keyword, args) => {
    expect(parseDirective(line, { major: 9, minor: 2 })).toMatchObject({
      keyword,
      args,
      fault: null,
    });
  });

  it.each([
    ['Banner "/a b', 'quotes'],
    ['Foo', 'no-argument'],
  ])('a fault of form: %s', (line, fault) => {
    expect(parseDirective(line, null)).toMatchObject({ fault });
  });

  it('blank lines and comments say nothing', () => {
    expect(['', '   ', '# Port 22', '\t#', '\r'].map((line) => parseDirective(line, null))).toEqual(
      Array.from({ length: 5 }, () => null),
    );
  });

  it('before 8.7 only double quotes count, and a # ends the line anywhere', () => {
    expect(parseDirective(`AllowUsers 'a b" c#d`, { major: 8, minor: 4 })?.args).not.toEqual(
      splitWords(`'a b" c#d`),
    );
    expect(parseDirective('AllowUsers a#b c', { major: 8, minor: 4 })?.args).toEqual(['a']);
  });
});

describe('patterns', () => {
  it.each([
    ['/etc/ssh/sshd_config.d/*.conf', '/etc/ssh/sshd_config.d/a.conf', true],
    ['/etc/ssh/sshd_config.d/*.conf', '/etc/ssh/sshd_config.d/.a.conf', false],
    ['/etc/ssh/sshd_config.d/*.conf', '/etc/ssh/sshd_config.d/a/b.conf', false],
    ['/etc/ssh/x[!a-c]?', '/etc/ssh/xd1', true],
    ['/etc/ssh/x[!a-c]?', '/etc/ssh/xb1', false],
    ['/etc/ssh/{a,b}', '/etc/ssh/a', false],
  ])('glob %s finds %s: %s', (pattern, path, found) => {
    expect(globMatches(pattern, path)).toBe(found);
  });

  it('hostile patterns take no exponential time', () => {
    const pattern = `${'*a'.repeat(60)}b`;
    expect(matchPattern('a'.repeat(5000), pattern)).toBe(false);
    expect(globMatches(`/${pattern}`, `/${'a'.repeat(250)}`)).toBe(false);
  });

  it.each([
    ['10.0.0.1', '10.0.0.0/8,!10.0.0.1', 'refused'],
    ['10.0.0.2', '10.0.0.0/8,!10.0.0.1', 'match'],
    ['10.0.0.2', '10.0.0.1/8', 'bad'],
    ['10.0.0.2', '10.*', 'match'],
    ['fd77::1', 'fd77::/64', 'match'],
    ['192.0.2.1', '!10.0.0.0/8', 'none'],
  ])('address %s in %s: %s', (address, list, verdict) => {
    expect(matchAddressList(address, list)).toBe(verdict);
  });
});

describe('the value that counts', () => {
  it('names file and line, the command line, or the default', () => {
    const config = configOf({
      [main]: 'Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\n',
      [dropIn('50-cloud-init')]: '# cloud\nPasswordAuthentication yes\n',
    });
    const settings = effective(config, admin);
    expect(settings.get('PasswordAuthentication')).toMatchObject({
      values: ['yes'],
      by: { file: dropIn('50-cloud-init'), line: 2 },
    });
    expect(settings.get('maxauthtries')).toMatchObject({ values: ['6'], by: 'default' });
    const started = { ...config, options: parseDaemonOptions(['-D', '-o', 'PermitRootLogin=yes']) };
    expect(effective(started, admin).get('permitrootlogin')).toMatchObject({
      values: ['yes'],
      by: 'command line',
    });
  });

  it('a Match that nobody can judge makes a value unknown, unless it says the same', () => {
    const unsure = { ...admin, groups: null };
    const text = (inside: string): string =>
      `PasswordAuthentication no\nMatch group ops\nPasswordAuthentication ${inside}\n`;
    expect(value(text('yes'), 'passwordauthentication', unsure)).toEqual({
      unknown: `${main}:3 may apply: Match group ops: the groups of admin are not known`,
    });
    expect(value(text('no'), 'passwordauthentication', unsure)).toBe('no');
    expect(value(text('yes'), 'passwordauthentication')).toBe('yes');
  });

  it('a criterion that is not known to us is not judged', () => {
    expect(value('Match frobnicate x\nX11Forwarding yes\n', 'x11forwarding')).toHaveProperty(
      'unknown',
    );
  });

  it('until 8.7 ChallengeResponseAuthentication is an option of its own', () => {
    const files = { [main]: 'ChallengeResponseAuthentication no\n' };
    const old = { ...configOf(files), version: { major: 8, minor: 4 }, defaults: null };
    expect(effective(old, null).get('kbdinteractiveauthentication')).toMatchObject({
      values: ['no'],
    });
  });

  it('ports of the command line replace those of the files', () => {
    const config = configOf({ [main]: 'Port 22\nListenAddress 10.0.0.1\n' });
    expect(listenTargets({ ...config, options: parseDaemonOptions(['-p2222']) })).toEqual([
      { address: '10.0.0.1', port: 2222, by: { file: main, line: 2 } },
    ]);
  });
});

describe('the tree', () => {
  it('a new drop-in is found by the Include, in its place', () => {
    const config = configOf({
      [main]: 'Include /etc/ssh/sshd_config.d/*.conf\n',
      [dropIn('50-b')]: 'MaxSessions 2\n',
    });
    const after = withConfigFile(config, dropIn('10-a'), 'MaxSessions 1\n');
    expect(configLines(after).map(({ raw }) => raw.trim())).toEqual([
      'Include /etc/ssh/sshd_config.d/*.conf',
      'MaxSessions 1',
      'MaxSessions 2',
    ]);
    const gone = withConfigFile(after, dropIn('50-b'), null);
    expect(effective(gone, null).get('maxsessions')).toMatchObject({ values: ['1'] });
  });

  it('an Include of itself ends', () => {
    const lines = configLines(configOf({ [main]: `Include ${main}\nMaxSessions 2\n` }));
    expect(lines.filter(({ fault }) => fault === 'depth')).toHaveLength(1);
  });

  it('a file is as long as its size says, whatever it holds', () => {
    const text = 'file 0 0 /x\nfound /etc/passwd\n';
    const printed = `main /a\nfile ${'0'.repeat(64)} ${text.length} /a\n${text}\ninclude /b*\nfound /b1\n`;
    expect(parseTree(printed)).toEqual({
      main: '/a',
      files: [{ path: '/a', sha256: '0'.repeat(64), text }],
      includes: [{ pattern: '/b*', files: ['/b1'] }],
      odd: [],
    });
    expect(parseTree(printed.slice(0, 100))).toBeNull();
  });
});

describe('the command line of the daemon', () => {
  it.each([
    ['sshd: /usr/sbin/sshd -D -p 2222 [listener] 0 of 10-100 startups', ['-D', '-p', '2222']],
    ['/usr/sbin/sshd\n-D\n-oPort=3\n', ['-D', '-oPort=3']],
    ['/usr/bin/python3\nx\n', null],
    ['', null],
  ])('%j', (cmdline, argv) => {
    expect(runningArguments(cmdline)).toEqual(argv);
  });

  it('is made of the unit and its environment file', () => {
    const show =
      'Id=ssh.service\nExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D $SSHD_OPTS ; ignore_errors=no ; start_time=[n/a] }\nEnvironmentFiles=/etc/default/ssh (ignore_errors=yes)\n';
    const files = [{ path: '/etc/default/ssh', text: '# x\nSSHD_OPTS="-p 2200 -o UseDNS=yes"\n' }];
    const options = parseDaemonOptions(configuredArguments(show, files) ?? []);
    expect(options).toMatchObject({ ports: [2200], lines: ['UseDNS=yes'], file: null });
  });

  it('other files and families are seen', () => {
    expect(parseDaemonOptions(['-4De', '-f', '/x', '-h/key'])).toMatchObject({
      file: '/x',
      lines: ['AddressFamily inet', 'HostKey /key'],
    });
  });
});

describe('the lists of who may log in', () => {
  const lists = (text: string, client: SshClient = admin): unknown =>
    refusals(effective(configOf({ [main]: text }), client), client).map(
      ({ list, certain, words }) => [list, certain, ...words],
    );

  it.each<[string, unknown[]]>([
    ['', []],
    ['AllowUsers root', [['allowusers', true]]],
    ['AllowUsers adm*', []],
    ['AllowUsers admin@192.0.2.0/24', [['allowusers', true]]],
    ['AllowUsers admin@10.77.0.*', []],
    ['AllowUsers *@10.0.0.0/8,!10.77.0.1', [['allowusers', true]]],
    ['DenyUsers bob admin', [['denyusers', true, 'admin']]],
    ['AllowUsers admin\nAllowGroups wheel', [['allowgroups', true]]],
    ['DenyGroups o?s', [['denygroups', true, 'o?s']]],
    ['AllowUsers root\nMatch user admin\nAllowUsers admin', []],
  ])('%s', (text, wanted) => {
    expect(lists(text)).toEqual(wanted);
  });

  it('with UseDNS a pattern of names cannot be judged', () => {
    expect(lists('UseDNS yes\nAllowUsers admin@*.example.org')).toEqual([['allowusers', false]]);
  });
});
