import { describe, expect, it } from 'vitest';
import { FactSet } from '../../src/facts/fact.ts';
import { codes, edited, endpoint, errors, openPort, parse, playbook } from './registry.ts';

describe('parsePlaybook', () => {
  it('reads a playbook', () => {
    const read = playbook();
    expect(read).toMatchObject({ name: 'open-port', file: 'open-port.yaml', description: null });
    expect(read.digest).toMatch(/^[0-9a-f]{64}$/);
    expect([...read.vars.keys()]).toEqual(['port', 'from']);
    expect(read.vars.get('from')).toMatchObject({ type: 'cidr', default: 'any', required: false });
    expect(read.steps).toHaveLength(1);
    expect(read.steps[0]).toMatchObject({ id: 'ufw', location: { line: 8, column: 9 } });
    expect(read.steps[0]?.when?.facts).toEqual(['ufw']);
    expect(read.checks).toEqual([{ kind: 'listener', port: '{{ vars.port }}' }]);
  });

  it('reads the same with a byte order mark and Windows line ends', () => {
    expect(playbook(`\ufeff${openPort.replaceAll('\n', '\r\n')}`).steps[0]?.location).toEqual(
      playbook().steps[0]?.location,
    );
  });

  it('reads every kind of check', () => {
    const checks =
      'checks:\n  - login: {}\n  - banner: {}\n  - command: [test, -S, "{{ vars.port }}"]\n';
    expect(playbook(edited('checks:\n', checks)).checks).toEqual([
      { kind: 'login', port: null },
      { kind: 'banner' },
      { kind: 'command', argv: ['test', '-S', '{{ vars.port }}'] },
      { kind: 'listener', port: '{{ vars.port }}' },
    ]);
  });

  it.each([
    ['2222', 2222],
    ['"{{ vars.port }}"', '{{ vars.port }}'],
  ])('reads a login on the port %s', (text, port) => {
    const read = playbook(edited('checks:\n', `checks:\n  - login: { port: ${text} }\n`));
    expect(read.checks[0]).toEqual({ kind: 'login', port });
  });

  it('reads what must be proven, and what is required', () => {
    const read = playbook(
      edited(
        'checks:',
        '  - { id: close, after: proof, uses: service, with: { unit: ssh } }\nchecks:',
      ).replace('vars:', 'requires: key-login\nvars:'),
    );
    expect(read.requires).toBe('key-login');
    expect(read.steps.map(({ id, afterProof }) => `${id} ${afterProof}`)).toEqual([
      'ufw false',
      'close true',
    ]);
    expect(playbook().requires).toBeNull();
  });

  it('points at what a step cannot come after', () => {
    expect(errors(parse(edited('when: facts', 'after: prof\n    when: facts')))).toBe(
      `error[invalid-value]: Invalid value
  open-port.yaml:9:12  after: prof
                              ~~~~
  «steps.0.after» must be «proof», and is the text «prof». Did you mean «proof»?`,
    );
  });

  it('points at a first step that waits for a proof of nothing', () => {
    expect(errors(parse(edited('when: facts', 'after: proof\n    when: facts')))).toBe(
      `error[invalid-value]: Nothing to prove
  open-port.yaml:9:12  after: proof
                              ~~~~~
  The first step cannot come after a proof: no step before it changes anything that a login could prove.`,
    );
  });

  it('points at a requirement that there is not', () => {
    expect(errors(parse(edited('vars:', 'requires: key-logn\nvars:')))).toBe(
      `error[invalid-value]: Invalid value
  open-port.yaml:4:11  requires: key-logn
                                 ~~~~~~~~
  «requires» must be «key-login», and is the text «key-logn». Did you mean «key-login»?`,
    );
  });

  it('names an unknown module', () => {
    expect(errors(parse(edited('uses: ufw-rule', 'uses: ufw-rul')))).toBe(
      `error[unknown-module]: Unknown module
  open-port.yaml:10:11  uses: ufw-rul
                              ~~~~~~~
  There is no module «ufw-rul», so the playbook cannot be planned. Did you mean «ufw-rule»?
  The modules are «ufw-rule» and «service».
  To read about them, run:
      remedy docs`,
    );
  });

  it('points at an unknown key of a step', () => {
    expect(errors(parse(edited('when:', 'wen:')))).toBe(
      `error[unknown-key]: Unknown key
  open-port.yaml:9:5  wen: facts.ufw.active
                      ~~~
  There is no key «wen» in «steps.0» of a playbook. Did you mean «when»? Allowed are «id», «summary», «when», «after», «uses» and «with».`,
    );
  });

  it('points at an unknown argument of a module', () => {
    expect(errors(parse(edited('proto: tcp', 'prto: tcp')))).toBe(
      `error[unknown-key]: Unknown key
  open-port.yaml:11:51  with: { rule: allow, port: "{{ vars.port }}", prto: tcp, from: "{{ vars.from }}" }
                                                                      ~~~~
  There is no key «prto» in the module «ufw-rule». Did you mean «proto»? Allowed are «rule», «port», «proto» and «from».`,
    );
  });

  it('points at a literal argument that is wrong', () => {
    expect(errors(parse(edited('rule: allow', 'rule: alow')))).toBe(
      `error[invalid-value]: Invalid value
  open-port.yaml:11:19  with: { rule: alow, port: "{{ vars.port }}", proto: tcp, f…
                                      ~~~~
  «rule» must be one of «allow» and «limit», and is the text «alow». Did you mean «allow»?`,
    );
  });

  it('points at an unknown variable in a template', () => {
    expect(errors(parse(edited('{{ vars.from }}', 'net {{ vars.form }}')))).toBe(
      `error[unknown-variable]: Unknown variable
  open-port.yaml:11:74  …ule: allow, port: "{{ vars.port }}", proto: tcp, from: "net {{ vars.form }}" }
                                                                                     ~~~~~~~~~~~~~~~
  The playbook declares no variable «form». Did you mean «from»? It declares «port» and «from».`,
    );
  });

  it('points at an unknown fact in a condition', () => {
    expect(errors(parse(edited('facts.ufw.active', 'facts.uwf.active')))).toBe(
      `error[unknown-fact]: Unknown fact
  open-port.yaml:9:17  when: facts.uwf.active
                                   ~~~
  There is no fact «uwf» that a condition can name. Did you mean «ufw»? There are «ufw» and «fail2ban».`,
    );
  });

  it('points at a type error in a condition', () => {
    expect(errors(parse(edited('facts.ufw.active', 'facts.ufw.active && vars.port == "22"')))).toBe(
      `error[condition-type]: Invalid condition
  open-port.yaml:9:31  when: facts.ufw.active && vars.port == "22"
                                                 ~~~~~~~~~~~~~~~~~
  no such overload: int == string.`,
    );
  });

  it('reports everything at once, in the order of the file', () => {
    const text = edited('name: open-port', 'name: Open Port\nnmae: x')
      .replace('type: cidr', 'type: cird')
      .replace('ufw.active', 'uwf.active')
      .replace('proto: tcp', 'proto: icmp')
      .replace('listener', 'listner');
    expect(codes(parse(text))).toEqual([
      'invalid-value',
      'unknown-key',
      'invalid-value',
      'unknown-fact',
      'invalid-value',
      'unknown-key',
    ]);
  });

  it.each([
    ['schema', edited('remedy.playbook/1', 'remedy.playbook/9'), 'invalid-value'],
    ['no schema', edited('schema: remedy.playbook/1\n', ''), 'missing-key'],
    [
      'a step id that is there',
      edited('checks:', '  - { id: ufw, uses: service, with: { unit: ssh } }\nchecks:'),
      'duplicate-step',
    ],
    ['a missing argument', edited('port: "{{ vars.port }}", proto', 'proto'), 'missing-key'],
    ['two checks in one', edited('  - listener:', '  - login: {}\n    listener:'), 'invalid-value'],
    ['a check of nothing', edited('checks:\n', 'checks:\n  - {}\n'), 'invalid-value'],
    [
      'a login on no port',
      edited('checks:\n', 'checks:\n  - login: { port: 0 }\n'),
      'invalid-value',
    ],
    [
      'a login on a port without a template',
      edited('checks:\n', 'checks:\n  - login: { port: ssh }\n'),
      'invalid-value',
    ],
    ['a login by name', edited('checks:\n', 'checks:\n  - login: { prt: 22 }\n'), 'unknown-key'],
    [
      'a template in what is required',
      edited('vars:', 'requires: "{{ vars.port }}"\nvars:'),
      'invalid-value',
    ],
    ['a listener without a port', edited('"{{ vars.port }}" }\n', '70000 }\n'), 'invalid-value'],
    [
      'a template in a condition',
      edited('facts.ufw.active', '"{{ vars.port }} == 22"'),
      'template-syntax',
    ],
    ['a template in a name', edited('id: ufw', 'id: "{{ vars.port }}"'), 'invalid-value'],
    [
      'a template in a summary',
      edited("the host's own firewall", '{{ vars.port }}'),
      'template-syntax',
    ],
    [
      'a default over a variable',
      edited('default: any', 'default: "{{ vars.port }}"'),
      'unknown-variable',
    ],
    ['a default of the wrong type', edited('default: any', 'default: 10.0.0.1/8'), 'invalid-value'],
    ['a choice without values', edited('type: cidr', 'type: choice'), 'missing-key'],
    ['values without a choice', edited('type: cidr', 'type: cidr, values: [any]'), 'unknown-key'],
    [
      'required with a default',
      edited('type: cidr', 'type: cidr, required: true'),
      'invalid-value',
    ],
    [
      'a variable name with a dash',
      edited('from: { type', 'my-from: { type').replace('vars.from', 'vars.port'),
      'invalid-value',
    ],
    ['a key given twice', edited('name: open-port', 'name: x\nname: open-port'), 'duplicate-key'],
    ['broken YAML', edited('checks:', '  checks: ['), 'yaml-syntax'],
    ['a tab as indentation', edited('  - id:', '\t- id:'), 'yaml-syntax'],
    ['a second document', `${openPort}---\n${openPort}`, 'several-documents'],
    ['a directive', `%YAML 1.1\n---\n${openPort}`, 'yaml-directive'],
    ['an alias', edited('summary: Let SSH', 'description: &a x\nsummary: *a #'), 'yaml-alias'],
    ['a merge key', edited('id: ufw', '<<: { id: ufw }'), 'unknown-key'],
    ['a tag', edited('name: open-port', 'name: !env open-port'), 'yaml-syntax'],
    ['nothing', '', 'wrong-type'],
    ['a list', '[]', 'wrong-type'],
  ])('refuses %s', (_, text, code) => {
    expect(codes(parse(text))).toContain(code);
  });
});

describe('parsePlaybook with hostile text', () => {
  const laughs = [
    'a: &a [x, x]',
    ...'bcdefghij'
      .split('')
      .map((name, i) => `${name}: &${name} [${`*${'abcdefghi'[i]}, `.repeat(9)}]`),
  ];

  it.each([
    ['a billion laughs', laughs.join('\n'), 'yaml-alias'],
    ['deep flow', `a: ${'['.repeat(100_000)}`, 'too-large'],
    ['deep flow, closed', `a: ${'['.repeat(60_000)}${']'.repeat(60_000)}`, 'too-large'],
    ['deep mappings', '{a: '.repeat(50_000), 'too-large'],
    ['deep sequences', '- '.repeat(100_000), 'too-large'],
    ['deep questions', '? '.repeat(100_000), 'too-large'],
    ['many keys', Array.from({ length: 30_000 }, (_, i) => `k${i}: 1`).join('\n'), 'too-large'],
    ['a line of a megabyte', `name: ${'x'.repeat(1 << 20)}`, 'too-large'],
    [
      'a line below the limit',
      edited('summary: Let', `summary: ${'x'.repeat(200_000)}`),
      'invalid-value',
    ],
    ['NUL', edited('open-port', 'open\u0000port'), 'hidden-character'],
    ['a lone carriage return', edited('open-port', 'open\rport'), 'hidden-character'],
    ['bidirectional controls', edited('Let SSH', 'Let \u202eSSH'), 'hidden-character'],
    ['escape sequences', edited('Let SSH', 'Let \u001b[31mSSH'), 'hidden-character'],
    ['__proto__ at the top', `${openPort}__proto__: { polluted: true }\n`, 'unknown-key'],
    ['__proto__ in with', edited('rule: allow', '__proto__: { rule: allow }'), 'unknown-key'],
    [
      '__proto__ as a variable',
      edited('from: { type', '__proto__: { type').replace('vars.from', 'vars.port'),
      'unknown-key',
    ],
    ['constructor as a key', `${openPort}constructor: 1\n`, 'unknown-key'],
    ['constructor as a module', edited('uses: ufw-rule', 'uses: constructor'), 'unknown-module'],
    [
      'constructor in a template',
      edited('{{ vars.from }}', '{{constructor.constructor}}'),
      'template-syntax',
    ],
    [
      'a prototype through vars',
      edited('{{ vars.from }}', '{{ vars.__proto__ }}'),
      'unknown-variable',
    ],
    [
      'a prototype in a condition',
      edited('facts.ufw.active', 'vars.constructor == "x"'),
      'unknown-variable',
    ],
  ])('survives %s', (_, text, code) => {
    const parsed = parse(text);
    expect(codes(parsed)).toContain(code);
    expect(errors(parsed).length).toBeLessThan(20_000);
    for (const hidden of ['\u0000', '\u001b', '\u202e']) {
      expect(errors(parsed)).not.toContain(hidden);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('points into a folded text', () => {
    const folded = edited('with: {', 'with: { from: "a\n        b {{ vars.x }}", ').replace(
      ', from: "{{ vars.from }}"',
      '',
    );
    const parsed = parse(folded);
    expect(parsed.ok ? [] : parsed.error[0]?.location).toMatchObject({
      line: 12,
      column: 11,
      length: 12,
    });
  });
});

describe('parsePlaybook without variables, or with odd ones', () => {
  it('reads a playbook without variables', () => {
    const text =
      openPort.slice(0, openPort.indexOf('vars:')) + openPort.slice(openPort.indexOf('steps:'));
    expect(
      playbook(
        text
          .replace('"{{ vars.port }}", proto', '22, proto')
          .replaceAll('{{ vars.from }}', 'any')
          .replace('"{{ vars.port }}"', '22'),
      ).vars.size,
    ).toBe(0);
  });

  it('takes variables named like properties of every object', () => {
    const text = edited('from: {', 'constructor: {')
      .replace('vars.from', 'vars.constructor')
      .replace('facts.ufw.active', 'vars.constructor == "any"');
    const read = playbook(text);
    expect([...read.vars.keys()]).toEqual(['port', 'constructor']);
    const values = new Map<string, string | number>([
      ['port', 22],
      ['constructor', 'any'],
    ]);
    expect(read.steps[0]?.when?.evaluate(new FactSet(new Map()), values, endpoint)).toEqual({
      result: 'true',
    });
  });
});
