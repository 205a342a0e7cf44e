import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FactSet, request, type Observed, type Part } from '../../src/facts/fact.ts';
import { selinuxFact, type Selinux } from '../../src/facts/selinux.ts';
import type { ModulePlan } from '../../src/modules/module.ts';
import { selinuxPort } from '../../src/modules/selinux-port.ts';
import { renderTemplateFile } from '../../src/store/templates.ts';
import { part } from '../facts/support/captured.ts';

const semanage = readFileSync(
  new URL('../fixtures/selinux/ubuntu2404-semanage-ports.txt', import.meta.url),
  'utf8',
);
const selinux = request(selinuxFact, undefined);
const context = {
  endpoint: { host: 'h', address: '192.0.2.1', port: 22, user: 'root', from: null },
  runId: 'RUN',
  render: renderTemplateFile,
};

function observed(mode: string, ports: Part = part(semanage)): Observed<Selinux> {
  return selinuxFact.parse(
    new Map([
      ['mode', part(`${mode}\n`)],
      ['ports', ports],
    ]),
    undefined,
  );
}

function plan(port: number, value: Observed<Selinux>): ModulePlan {
  return selinuxPort.plan({ port }, new FactSet(new Map([[selinux.key, value]])), context);
}

const noSemanage = part('', { status: 127 });

describe('the selinux fact', () => {
  it('reads single ports and ranges', () => {
    const value = observed('1');
    expect(value.known && value.value.mode).toBe('enforcing');
    const ports = value.known ? (value.value.ports ?? []) : [];
    expect(ports).toContainEqual({ type: 'ssh_port_t', proto: 'tcp', from: 22, to: 22 });
    expect(ports).toContainEqual({
      type: 'http_cache_port_t',
      proto: 'tcp',
      from: 10_001,
      to: 10_010,
    });
    expect(ports).toContainEqual({ type: 'http_port_t', proto: 'tcp', from: 8448, to: 8448 });
  });

  it('is off where there is no SELinux, whatever semanage says', () => {
    expect(observed('off', noSemanage)).toEqual({
      known: true,
      value: { mode: 'off', ports: null },
    });
  });

  it('is unknown where its answers make no sense', () => {
    expect(observed('perhaps').known).toBe(false);
    expect(observed('1', part('', { status: 1, errors: 'locked' }))).toMatchObject({
      known: false,
      because: expect.stringContaining('locked') as string,
    });
  });
});

describe('selinux-port', () => {
  it('labels a port that only has the label of its range', () => {
    const planned = plan(2222, observed('1'));
    expect(planned).toMatchObject({
      action: 'change',
      reason: 'port 2222 has no label that sshd may use',
      changes: [
        {
          kind: 'label',
          before: '2222/tcp unreserved_port_t\n',
          after: '2222/tcp ssh_port_t\n',
          action: { argv: ['semanage', 'port', '-a', '-t', 'ssh_port_t', '-p', 'tcp', '2222'] },
          undo: { argv: ['semanage', 'port', '-d', '-t', 'ssh_port_t', '-p', 'tcp', '2222'] },
        },
      ],
    });
  });

  it('has nothing to do on what its change leaves', () => {
    const planned = plan(2222, observed('1'));
    const after = planned.action === 'change' ? (planned.changes[0]?.factsAfter ?? []) : [];
    expect(selinuxPort.plan({ port: 2222 }, new FactSet(new Map()).with(after), context)).toEqual({
      action: 'none',
      reason: 'port 2222 has the label ssh_port_t',
    });
  });

  it.each<[string, number, Observed<Selinux>, string]>([
    ['SELinux is off', 2222, observed('off'), 'SELinux is not on here'],
    ['the label is there', 22, observed('1'), 'port 22 has the label ssh_port_t'],
    ['it only warns, without semanage', 2222, observed('0', noSemanage), 'only warns here'],
    ['it only warns about a label of another', 443, observed('0'), 'only warns here'],
  ])('does nothing where %s', (_, port, value, reason) => {
    const planned = plan(port, value);
    expect(planned.action).toBe('none');
    expect(planned.reason).toContain(reason);
  });

  it('names the package where SELinux enforces and semanage is missing', () => {
    expect(plan(2222, observed('1', noSemanage))).toMatchObject({
      action: 'blocked',
      todo: expect.stringContaining('policycoreutils-python-utils') as string,
    });
  });

  it('takes no port away from another service', () => {
    expect(plan(443, observed('1'))).toMatchObject({
      action: 'blocked',
      reason: expect.stringContaining('http_port_t') as string,
    });
  });
});
