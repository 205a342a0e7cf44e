import { describe, expect, it } from 'vitest';
import { printDiagnostics } from '../../src/core/diagnostic-text.ts';
import {
  bindPlaybook,
  checkLoginPorts,
  checkUniqueNames,
  loginPort,
} from '../../src/playbook/bind.ts';
import type { BoundPlaybook, Value } from '../../src/playbook/playbook.ts';
import { edited, endpoint, errors, openPort, playbook } from './registry.ts';

const values = new Map<string, Value>([
  ['port', 22],
  ['from', 'any'],
]);

describe('bindPlaybook', () => {
  it('renders the arguments and lets the module fill in the rest', () => {
    const bound = bindPlaybook(playbook(edited('proto: tcp, ', '')), values, endpoint);
    expect(bound.ok && bound.value).toMatchObject({
      name: 'open-port',
      endpoint,
      values,
      steps: [
        {
          id: 'ufw',
          playbook: 'open-port',
          module: { name: 'ufw-rule' },
          when: { source: 'facts.ufw.active' },
          args: { rule: 'allow', port: 22, proto: 'tcp', from: 'any' },
          location: { line: 8 },
        },
      ],
      checks: [{ kind: 'listener', port: 22, location: { line: 13 } }],
    });
  });

  it('renders commands as lists of words, never as shell text', () => {
    const text = edited(
      'checks:\n',
      'checks:\n  - command: [test, "{{ vars.from }}", "{{ vars.port }}"]\n',
    );
    const bound = bindPlaybook(playbook(text), new Map(values).set('from', '$(id) x'), endpoint);
    expect(bound.ok && bound.value.checks[0]).toMatchObject({
      kind: 'command',
      argv: ['test', '$(id) x', '22'],
    });
  });

  it('points at the template whose value does not fit', () => {
    expect(
      errors(
        bindPlaybook(
          playbook(edited('from: "{{ vars.from }}"', 'from: "{{ vars.port }}"')),
          values,
          endpoint,
        ),
      ),
    ).toBe(
      `error[wrong-type]: Wrong type
  open-port.yaml:11:69  …: { rule: allow, port: "{{ vars.port }}", proto: tcp, from: "{{ vars.port }}" }
                                                                                     ~~~~~~~~~~~~~~~~~
  «from» must be a text, and is the number 22.`,
    );
  });

  it('points at a value that nobody knows', () => {
    const text = edited('{{ vars.from }}', '{{ endpoint.from }}');
    expect(errors(bindPlaybook(playbook(text), values, { ...endpoint, from: null }))).toContain(
      'Give it with --from ADDRESS.',
    );
  });

  it('refuses a listener whose port is none', () => {
    const text = openPort.replace(
      'listener: { port: "{{ vars.port }}" }',
      'listener: { port: "{{ vars.from }}" }',
    );
    expect(errors(bindPlaybook(playbook(text), values, endpoint))).toContain('"any" is not a port');
  });
});

describe('checkUniqueNames', () => {
  it('names both files', () => {
    const found = checkUniqueNames([playbook(openPort, 'a.yaml'), playbook(openPort, 'b.yaml')]);
    expect(printDiagnostics(found)).toBe(
      `error[duplicate-playbook]: Duplicate playbook
  b.yaml:2:7  name: open-port
                    ~~~~~~~~~
  Two playbooks have the name «open-port»: «a.yaml» and «b.yaml». Rename one of them.`,
    );
    expect(checkUniqueNames([playbook()])).toEqual([]);
  });
});

function withChecks(checks: string, file = 'open-port.yaml'): BoundPlaybook {
  const text = edited('checks:\n', `checks:\n${checks}`);
  const bound = bindPlaybook(playbook(text, file), values, endpoint);
  if (!bound.ok) {
    throw new Error(printDiagnostics(bound.error));
  }
  return bound.value;
}

describe('the port to log in on', () => {
  it('is that of the check, or nobody says', () => {
    const bound = withChecks('  - login: { port: "{{ vars.port }}" }\n');
    expect(bound.checks[0]).toMatchObject({ kind: 'login', port: 22, location: { line: 13 } });
    expect(loginPort(bound.checks)).toBe(22);
    expect(loginPort(withChecks('  - login: {}\n').checks)).toBeNull();
    expect(loginPort(withChecks('').checks)).toBeNull();
  });

  it('must be a port', () => {
    const text = edited('checks:\n', 'checks:\n  - login: { port: "{{ vars.from }}" }\n');
    expect(errors(bindPlaybook(playbook(text), values, endpoint))).toBe(
      `error[invalid-value]: Invalid value
  open-port.yaml:13:20  - login: { port: "{{ vars.from }}" }
                                         ~~~~~~~~~~~~~~~~~
  "any" is not a port: a port is a whole number from 1 to 65535.`,
    );
  });

  it('must be one in a playbook', () => {
    const text = edited('checks:\n', 'checks:\n  - login: {}\n  - login: { port: 22 }\n');
    expect(errors(bindPlaybook(playbook(text), values, endpoint))).toBe(
      `error[login-ports]: Two ports to log in on
  open-port.yaml:14:5  - login: { port: 22 }
                         ~~~~~
  A run is proven by one login, and open-port.yaml:13 wants it on port 2222, not on 22. Run these playbooks one after the other.`,
    );
  });

  it('must be one in a run', () => {
    const one = withChecks('  - login: { port: 22 }\n', 'a.yaml');
    const other = withChecks('  - login: { port: 2022 }\n', 'b.yaml');
    const plain = withChecks('  - login: { port: 2222 }\n  - login: {}\n', 'c.yaml');
    expect(printDiagnostics(checkLoginPorts([one, other, plain]))).toContain('a.yaml:13 wants it');
    expect(checkLoginPorts([one, other, plain])).toHaveLength(3);
    expect(checkLoginPorts([plain, withChecks('', 'd.yaml')])).toEqual([]);
  });
});

describe('bindPlaybook with stages', () => {
  it('carries what waits for a proof, and what is required', () => {
    const text = edited(
      'checks:',
      '  - { id: close, after: proof, uses: service, with: { unit: ssh } }\nchecks:',
    ).replace('vars:', 'requires: key-login\nvars:');
    const bound = bindPlaybook(playbook(text), values, endpoint);
    expect(bound.ok && bound.value).toMatchObject({
      requires: 'key-login',
      steps: [{ afterProof: false }, { afterProof: true }],
    });
  });
});
