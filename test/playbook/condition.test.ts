import { describe, expect, it } from 'vitest';
import { FactSet, known, unknown, type Observed } from '../../src/facts/fact.ts';
import { parseCondition, type Verdict } from '../../src/playbook/condition.ts';
import type { Value, VariableType } from '../../src/playbook/playbook.ts';
import { endpoint } from './registry.ts';

const scope = {
  facts: new Set(['ufw', 'fail2ban', 'sshd', 'dark']),
  variables: new Map<string, VariableType>([
    ['port', 'port'],
    ['address', 'address'],
    ['on', 'boolean'],
  ]),
};

const values = new Map<string, Value>([
  ['port', 22],
  ['address', '192.0.2.7'],
  ['on', true],
]);

const ufw = {
  active: true,
  port: 22,
  load: 1.5,
  whole: 1,
  note: null,
  list: [1, 2],
  rules: [{ port: 22 }, { port: 80 }],
};
const jails = { sshd: { banned: ['192.0.2.7'] } };

function factSet(more: Readonly<Record<string, Observed<unknown>>> = {}): FactSet {
  const facts = {
    ufw: known(ufw),
    fail2ban: known({ jails }),
    dark: unknown('ufw needs root'),
    ...more,
  };
  return new FactSet(new Map(Object.entries(facts)));
}

function decide(source: string, facts = factSet()): Verdict {
  const condition = parseCondition(source, scope);
  if (!condition.ok) {
    throw new Error(condition.error.map(({ detail }) => detail).join('\n'));
  }
  return condition.value.evaluate(facts, values, endpoint);
}

describe('evaluate', () => {
  it.each([
    'facts.ufw.active',
    'facts.ufw.port == 22',
    'facts.ufw.port == 22.0',
    'facts.ufw.port == vars.port',
    'facts.ufw.port + 1 == 23',
    'facts.ufw.load + 1 > 2.4',
    'facts.ufw.whole * 1.5 == facts.ufw.load',
    'facts.ufw.port > 21.5',
    'facts.ufw.note == null',
    'vars.port in [22, 2222]',
    '2 in facts.ufw.list',
    'facts.ufw.list == [1, 2]',
    'size(facts.ufw.rules) == 2',
    'facts["ufw"].active',
    'facts.ufw.rules.exists(r, r.port == vars.port)',
    'vars.address in facts.fail2ban.jails.sshd.banned',
    'facts.fail2ban.jails.exists(j, vars.address in facts.fail2ban.jails[j].banned)',
    'has(facts.ufw.active) && !has(facts.ufw.nothing)',
    'endpoint.port == 2222 && endpoint.user == "deploy" && endpoint.from == "198.51.100.7"',
    'vars.on ? facts.ufw.active : facts.dark.x',
  ])('holds: %s', (source) => {
    expect(decide(source)).toEqual({ result: 'true' });
  });

  it.each([
    'false && facts.dark.x',
    'facts.dark.x && false',
    '!(facts.dark.x || true)',
    'facts.dark.x && facts.sshd.y && !facts.ufw.active',
    'facts.ufw.active ? false : facts.dark.x',
    'facts.ufw.port == "22"',
    'facts.ufw.rules.all(r, r.port == 22 && facts.ufw.active)',
  ])('does not hold: %s', (source) => {
    expect(decide(source)).toEqual({ result: 'false' });
  });

  it.each([
    ['facts.dark.x', 'ufw needs root'],
    ['!facts.dark.x', 'ufw needs root'],
    ['facts.dark.x || false', 'ufw needs root'],
    ['true && facts.dark.x', 'ufw needs root'],
    ['facts.dark.x ? true : true', 'ufw needs root'],
    ['has(facts.dark.x)', 'ufw needs root'],
    ['has(facts.dark)', 'ufw needs root'],
    ['facts.dark == null', 'ufw needs root'],
    ['facts.ufw.rules.exists(r, facts.dark.x)', 'ufw needs root'],
    ['facts.sshd.running', 'sshd was not observed'],
    ['facts.ufw.actve', 'facts.ufw has no field actve'],
    ['facts.ufw.rules[0].prt == 1', 'facts.ufw.rules[0] has no field prt'],
    ['facts.ufw.constructor == 1', 'facts.ufw has no field constructor'],
    ['facts.ufw.port', 'the condition gave a value that is neither true nor false'],
  ])('is unknown: %s', (source, because) => {
    expect(decide(source)).toEqual({ result: 'unknown', because });
  });

  it('is unknown where the condition goes beyond a list, divides by zero or mixes types', () => {
    for (const source of [
      'facts.ufw.list[9] == 1',
      '1 / (facts.ufw.port - 22) == 1',
      'facts.ufw.port && true',
    ]) {
      expect(decide(source).result).toBe('unknown');
    }
  });

  it('says that the client address is not known', () => {
    const condition = parseCondition('endpoint.from == "192.0.2.7"', scope);
    expect(
      condition.ok && condition.value.evaluate(factSet(), values, { ...endpoint, from: null }),
    ).toEqual({
      result: 'unknown',
      because: 'the address that clients come from is not known',
    });
  });

  it('lists its facts', () => {
    const condition = parseCondition('facts.ufw.active && (facts["sshd"].x || facts.ufw.y)', scope);
    expect(condition.ok && condition.value.facts).toEqual(['ufw', 'sshd']);
  });

  it('ends soon on a huge fact', () => {
    const list = Array.from({ length: 20_000 }, (_, i) => i);
    const source = 'facts.ufw.list.exists(a, facts.ufw.list.exists(b, a + b == -1))';
    expect(decide(source, factSet({ ufw: known({ list }) }))).toEqual({
      result: 'unknown',
      because: 'the condition looks at too many values',
    });
  });

  it('survives hostile facts', () => {
    const hostile = JSON.parse(
      '{"__proto__": {"active": true}, "constructor": {"x": 1}, "a": "\\u001b[31m"}',
    ) as unknown;
    expect(decide('facts.ufw.active', factSet({ ufw: known(hostile) })).result).toBe('unknown');
    expect(decide('facts.ufw.constructor.x == 1', factSet({ ufw: known(hostile) })).result).toBe(
      'true',
    );
    const deep = JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown;
    expect(decide('facts.ufw == 1', factSet({ ufw: known(deep) })).result).toBe('unknown');
  });
});

describe('parseCondition', () => {
  it.each([
    ['facts.ufw.active &', 'condition-syntax', 17],
    ['', 'condition-syntax', 0],
    ['"a".matches("b")', 'condition-matches', 0],
    ['facts.ufw.list.exists(x, [1].all(y, "a".matches("(a+)+$")))', 'condition-matches', 36],
    ['true ? "a".matches("b") : false', 'condition-matches', 7],
    ['matches("a", "b")', 'condition-matches', 0],
    ['facts.nope.x', 'unknown-fact', 6],
    ['facts["nope"].x', 'unknown-fact', 6],
    ['has(facts.nope)', 'unknown-fact', 10],
    ['vars.prot == 1', 'unknown-variable', 5],
    ['endpoint.prot == 1', 'unknown-variable', 9],
    ['size(facts) > 0', 'condition-type', 5],
    ['facts[vars.address].x', 'condition-type', 0],
    ['[1].exists(facts, facts.ufw.active)', 'condition-type', 11],
    ['fact.ufw.active', 'condition-type', 0],
    ['vars.port == "22"', 'condition-type', 0],
    ['1 + 1', 'condition-type', 0],
    ['vars.address', 'condition-type', 0],
    ['nope(1)', 'condition-type', 0],
    ['x'.repeat(5000), 'condition-syntax', 0],
    [`${'('.repeat(500)}true${')'.repeat(500)}`, 'condition-syntax', 40],
    [Array.from({ length: 300 }, () => '1==1').join('&&'), 'condition-syntax', 603],
  ])('refuses %s', (source, code, start) => {
    const condition = parseCondition(source, scope);
    expect(condition.ok ? null : condition.error[0]).toMatchObject({ code, start });
  });
});
