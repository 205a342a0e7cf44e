import { describe, expect, it } from 'vitest';
import { ok } from '../../src/core/result.ts';
import { parseTemplate, renderTemplate } from '../../src/playbook/template.ts';
import { checkTemplate } from '../../src/playbook/template-check.ts';
import { endpoint } from './registry.ts';
import type { Value } from '../../src/playbook/playbook.ts';

function render(text: string, values: Readonly<Record<string, Value>> = {}): unknown {
  const template = parseTemplate(text);
  return template.ok
    ? renderTemplate(template.value, new Map(Object.entries(values)), endpoint)
    : template.error;
}

describe('renderTemplate', () => {
  it('keeps the type of a value that is exactly one path', () => {
    expect(render('{{ vars.port }}', { port: 22 })).toEqual(ok(22));
    expect(render('{{vars.on}}', { on: false })).toEqual(ok(false));
    expect(render('{{ endpoint.port }}')).toEqual(ok(2222));
    expect(render('{{ endpoint.from }}')).toEqual(ok('198.51.100.7'));
  });

  it('gives text as soon as there is more', () => {
    expect(render(' {{ vars.port }}', { port: 22 })).toEqual(ok(' 22'));
    expect(render('{{ endpoint.user }}@{{ endpoint.host }}:{{ endpoint.port }}')).toEqual(
      ok('deploy@web1:2222'),
    );
  });

  it('leaves text alone: no HTML escapes, no eaten lines, no second rendering', () => {
    expect(render('a\n\n{{ vars.x }}\n b', { x: `<&"'{{ vars.x }}` })).toEqual(
      ok(`a\n\n<&"'{{ vars.x }}\n b`),
    );
    expect(render('100 % } }} { \\d')).toEqual(ok('100 % } }} { \\d'));
  });

  it('says what is not known', () => {
    const template = parseTemplate('{{ endpoint.from }}');
    expect(
      template.ok && renderTemplate(template.value, new Map(), { ...endpoint, from: null }),
    ).toMatchObject({ ok: false });
    expect(render('{{ vars.toString }}')).toMatchObject({ ok: false });
  });
});

describe('parseTemplate', () => {
  it.each([
    '{{{ vars.a }}}',
    '{{& vars.a }}',
    '{{~ vars.a ~}}',
    '{{! comment }}',
    '{{#if vars.a}}x{{/if}}',
    '{{> partial }}',
    '{{ vars/a }}',
    '{{ vars.[a] }}',
    '{{ vars.a b }}',
    '{{ vars.a b=1 }}',
    '{{ (vars.a) }}',
    '{{ "x" }}',
    '{{ 1 }}',
    '{{ this.a }}',
    '{{ ../vars.a }}',
    '{{ @root.vars.a }}',
    '{{ constructor.constructor }}',
    '{{ vars.a.b }}',
    '{{ vars }}',
    '{{ facts.ufw }}',
    '{{* decorator }}',
    '{{{{raw}}}} x {{{{/raw}}}}',
    '\\{{ vars.a }}',
    '{{ }}',
    '{{',
    '{{ vars.a',
    '{{else}}',
  ])('refuses %s', (text) => {
    expect(parseTemplate(`x ${text}`)).toMatchObject({
      ok: false,
      error: [{ code: 'template-syntax' }],
    });
  });

  it('finds every problem, those behind a broken one too', () => {
    const text = '{{ vars.a }} {{#if x}} {{ vars.b }} {{ nope }} {{ vars.c';
    const found = checkTemplate(text, new Set(['a'])).map(({ code, start, end }) => [
      code,
      text.slice(start, end),
    ]);
    expect(found).toEqual([
      ['template-syntax', '{{#if x}}'],
      ['template-syntax', '{{ nope }}'],
      ['template-syntax', '{{ vars.c'],
      ['unknown-variable', '{{ vars.b }}'],
    ]);
  });
});
