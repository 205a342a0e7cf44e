import { describe, expect, it } from 'vitest';
import { fail, ok } from '../../src/core/result.ts';
import type { VariableType } from '../../src/playbook/playbook.ts';
import { readValue } from '../../src/playbook/variable-types.ts';
import { bindVariables, shareVariables } from '../../src/playbook/variables.ts';
import { edited, endpoint, errors, playbook } from './registry.ts';

function read(type: VariableType, text: string): unknown {
  return readValue(text, { type, values: ['drop', 'reject'] });
}

describe('readValue', () => {
  it.each<[VariableType, string, unknown]>([
    ['port', '22', 22],
    ['cidr', 'any', 'any'],
    ['cidr', '192.0.2.0/24', '192.0.2.0/24'],
    ['cidr', '192.0.2.7', '192.0.2.7/32'],
    ['cidr', '0.0.0.0/0', '0.0.0.0/0'],
    ['cidr', '192.0.2.128/25', '192.0.2.128/25'],
    ['cidr', '2001:0DB8:0::/32', '2001:db8::/32'],
    ['cidr', '2001:db8::1', '2001:db8::1/128'],
    ['cidr', '::/0', '::/0'],
    ['address', '::ffff:192.0.2.7', '192.0.2.7'],
    ['address', '2001:DB8::0:1', '2001:db8::1'],
    ['user', 'deploy', 'deploy'],
    ['path', '/etc/ssh/sshd_config', '/etc/ssh/sshd_config'],
    ['unit', 'ssh@22.service', 'ssh@22.service'],
    ['string', '$(id) {{ vars.x }}', '$(id) {{ vars.x }}'],
    ['boolean', 'true', true],
    ['integer', '-7', -7],
    ['choice', 'drop', 'drop'],
  ])('reads %s %s', (type, text, value) => {
    expect(read(type, text)).toEqual(ok(value));
  });

  it.each<[VariableType, string]>([
    ['port', '0'],
    ['port', '65536'],
    ['port', '22.0'],
    ['port', ' 22'],
    ['port', '0x16'],
    ['cidr', '192.0.2.7/24'],
    ['cidr', '192.0.2.0/33'],
    ['cidr', '192.0.2.0/'],
    ['cidr', '192.0.2.0/24/24'],
    ['cidr', '10'],
    ['cidr', '0x7f.1'],
    ['cidr', '010.0.0.1'],
    ['cidr', '2001:db8::1/32'],
    ['cidr', 'everyone'],
    ['address', 'fe80::1%eth0'],
    ['address', '192.0.2.0/24'],
    ['user', '-oProxyCommand=x'],
    ['user', 'a b'],
    ['user', 'a:b'],
    ['user', ''],
    ['path', 'etc/passwd'],
    ['path', '/etc/../shadow'],
    ['path', '/etc/\u0000x'],
    ['unit', '-x.service'],
    ['unit', 'a/b.service'],
    ['string', 'a\nb'],
    ['boolean', 'yes'],
    ['integer', '1e3'],
    ['integer', '99999999999999999999'],
    ['choice', 'dorp'],
  ])('refuses %s %j', (type, text) => {
    expect(read(type, text)).toMatchObject({ ok: false });
  });

  it('says what to write instead of a network with host bits', () => {
    expect(read('cidr', '192.0.2.7/24')).toEqual(
      fail(
        '«192.0.2.7/24» has bits set after /24. Write 192.0.2.0/24 for the network, or 192.0.2.7/32 for the one address.',
      ),
    );
  });
});

describe('bindVariables', () => {
  it('takes defaults, over the endpoint too', () => {
    const values = bindVariables(playbook(), {}, endpoint);
    expect(values.ok && [...values.value]).toEqual([
      ['port', 2222],
      ['from', 'any'],
    ]);
  });

  it('prefers what is given', () => {
    const values = bindVariables(playbook(), { port: '22', from: '10.0.0.0/8' }, endpoint);
    expect(values.ok && [...values.value]).toEqual([
      ['port', 22],
      ['from', '10.0.0.0/8'],
    ]);
  });

  it('reports everything that is wrong', () => {
    const given = { prt: '22', port: '70000', ['__proto__']: 'x', from: '10.0.0.1/8' };
    expect(errors(bindVariables(playbook(), given, endpoint))).toBe(
      `error[unknown-variable]: Unknown variable
  --var prt
  No playbook here has a variable «prt». Did you mean «port»? The variables are «port» and «from».

error[unknown-variable]: Unknown variable
  --var __proto__
  No playbook here has a variable «__proto__». The variables are «port» and «from».

error[invalid-variable]: Invalid variable
  --var port
  "70000" is not a port: a port is a whole number from 1 to 65535.

error[invalid-variable]: Invalid variable
  --var from
  «10.0.0.1/8» has bits set after /8. Write 10.0.0.0/8 for the network, or 10.0.0.1/32 for the one address.`,
    );
  });

  it('asks for what has no default', () => {
    expect(errors(bindVariables(playbook(edited('default: any, ', '')), {}, endpoint))).toBe(
      `error[missing-variable]: Missing variable
  --var from
  The playbook «open-port» needs the variable «from»: who may connect.
  To give it, add:
      --var from=CIDR`,
    );
  });

  it('points at a default that nobody can fill', () => {
    const text = edited('default: any', 'default: "{{ endpoint.from }}"');
    expect(errors(bindVariables(playbook(text), {}, { ...endpoint, from: null }))).toBe(
      `error[invalid-variable]: Invalid default
  open-port.yaml:6:32  from: { type: cidr, default: "{{ endpoint.from }}", summary: who may connect }
                                                    ~~~~~~~~~~~~~~~~~~~~~
  The default of «from» does not fit. The address that clients come from is not known. Give it with --from ADDRESS.
  To give another value, add:
      --var from=CIDR`,
    );
    const bound = bindVariables(playbook(text), {}, endpoint);
    expect(bound.ok && bound.value.get('from')).toBe('198.51.100.7/32');
  });
});

describe('shareVariables', () => {
  const other = playbook(
    edited('name: open-port', 'name: other')
      .replace('from: { type: cidr', 'net: { type: cidr')
      .replace('vars.from', 'vars.net'),
  );

  it('gives each playbook what it declares', () => {
    expect(shareVariables([playbook(), other], { port: '22', net: 'any' })).toEqual(
      ok([{ port: '22' }, { port: '22', net: 'any' }]),
    );
  });

  it('refuses what none declares', () => {
    expect(errors(shareVariables([playbook(), other], { nett: 'any' }))).toContain(
      'Did you mean «net»?',
    );
  });
});
