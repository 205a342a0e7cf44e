import { z } from 'zod';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { printDiagnostics } from '../../src/core/diagnostic-text.ts';
import type { Diagnostic } from '../../src/core/diagnostic.ts';
import type { Result } from '../../src/core/result.ts';
import { none, type Module } from '../../src/modules/module.ts';
import { parsePlaybook } from '../../src/playbook/parse.ts';
import type { Playbook, Registry } from '../../src/playbook/playbook.ts';

function fakeModule(name: string, schema: z.ZodType): Module {
  return {
    name,
    summary: `Does ${name}`,
    schema,
    facts: () => [],
    plan: () => none('nothing to do'),
  };
}

const ufwRule = z.strictObject({
  rule: z.enum(['allow', 'limit']).default('allow').describe('what the rule does'),
  port: z.int().min(1).max(65535).describe('the port'),
  proto: z.enum(['tcp', 'udp']).default('tcp').describe('the protocol'),
  from: z.string().default('any').describe('who may connect'),
});

const service = z.strictObject({
  unit: z.string().describe('the unit'),
  running: z.boolean().default(true).describe('whether it runs'),
});

/** Two modules and two facts: enough to say anything about a playbook. */
export const registry: Registry = {
  modules: new Map([
    ['ufw-rule', fakeModule('ufw-rule', ufwRule)],
    ['service', fakeModule('service', service)],
  ]),
  facts: new Set(['ufw', 'fail2ban']),
};

export const endpoint: Endpoint = {
  host: 'web1',
  address: '192.0.2.10',
  port: 2222,
  user: 'deploy',
  from: { address: '198.51.100.7', assumed: false },
};

/** The playbook of the documentation, which is right. */
export const openPort = `schema: remedy.playbook/1
name: open-port
summary: Let SSH through the host's own firewall
vars:
  port: { type: port, default: "{{ endpoint.port }}", summary: port to open }
  from: { type: cidr, default: any, summary: who may connect }
steps:
  - id: ufw
    when: facts.ufw.active
    uses: ufw-rule
    with: { rule: allow, port: "{{ vars.port }}", proto: tcp, from: "{{ vars.from }}" }
checks:
  - listener: { port: "{{ vars.port }}" }
`;

/** `openPort` with one piece of text replaced. */
export function edited(from: string, to: string): string {
  if (!openPort.includes(from)) {
    throw new Error(`the playbook does not hold ${from}`);
  }
  return openPort.replace(from, () => to);
}

export function parse(text: string, file = 'open-port.yaml'): Result<Playbook, Diagnostic[]> {
  return parsePlaybook(text, file, registry);
}

/** A playbook that must be right. */
export function playbook(text = openPort, file = 'open-port.yaml'): Playbook {
  const parsed = parse(text, file);
  if (!parsed.ok) {
    throw new Error(printDiagnostics(parsed.error));
  }
  return parsed.value;
}

/** What is printed for something that must be wrong. */
export function errors(result: Result<unknown, Diagnostic[]>): string {
  return result.ok ? 'no errors' : printDiagnostics(result.error);
}

/** The codes of what is wrong, in order. */
export function codes(result: Result<unknown, Diagnostic[]>): readonly string[] {
  return result.ok ? [] : result.error.map(({ code }) => code);
}
