import { describe, expect, it } from 'vitest';
import { printDiagnostics } from '../../src/core/diagnostic-text.ts';
import { bindPlaybook, checkUniqueNames } from '../../src/playbook/bind.ts';
import type { Value } from '../../src/playbook/playbook.ts';
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
