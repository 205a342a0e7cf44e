import { describe, expect, it } from 'vitest';
import { printDiagnostic, printDiagnostics } from '../../src/core/diagnostic-text.ts';
import type { Diagnostic, Location } from '../../src/core/diagnostic.ts';

function diagnostic(
  location: Partial<Location> | null,
  more: Partial<Diagnostic> = {},
): Diagnostic {
  const whole = {
    file: 'a.yaml',
    line: 7,
    column: 11,
    length: 7,
    lineText: '    uses: ufw-rul',
    ...location,
  };
  return {
    severity: 'error',
    code: 'unknown-module',
    summary: 'Unknown module',
    detail: 'There is no module «ufw-rul».',
    hint: '',
    location: location === null ? null : whole,
    ...more,
  };
}

describe('printDiagnostic', () => {
  it('shows the line, underlines what is wrong, and puts the command on its own line', () => {
    const hint = 'To list the modules, run:\n    remedy docs';
    expect(printDiagnostic(diagnostic({}, { hint }))).toBe(
      `error[unknown-module]: Unknown module
  a.yaml:7:11  uses: ufw-rul
                     ~~~~~~~
  There is no module «ufw-rul».
  To list the modules, run:
      remedy docs`,
    );
  });

  it('shows a flag without a line', () => {
    expect(printDiagnostic(diagnostic({ file: '--var port', lineText: null }))).toBe(
      `error[unknown-module]: Unknown module
  --var port
  There is no module «ufw-rul».`,
    );
  });

  it('shows a problem that has no place', () => {
    expect(printDiagnostic(diagnostic(null))).toBe(
      'error[unknown-module]: Unknown module\n  There is no module «ufw-rul».',
    );
  });

  it.each([
    ['a tab before', '\tx:\tbad', 5, 3, '  a.yaml:7:5  x:  bad', '                  ~~~'],
    [
      'wide letters before',
      '端口: bad',
      5,
      3,
      '  a.yaml:7:5  端口: bad',
      '                    ~~~',
    ],
    ['wide letters underlined', 'x: 端口', 4, 2, '  a.yaml:7:4  x: 端口', '                 ~~~~'],
    [
      'a combining mark',
      'e\u0301: bad',
      5,
      3,
      '  a.yaml:7:5  e\u0301: bad',
      '                 ~~~',
    ],
    [
      'an escape sequence',
      '\u001b[31mx: bad',
      9,
      3,
      '  a.yaml:7:9  x: bad',
      '                 ~~~',
    ],
    [
      'bidirectional controls',
      '\u202ex: bad',
      5,
      3,
      '  a.yaml:7:5  x: bad',
      '                 ~~~',
    ],
  ])('keeps the underline in place after %s', (_, lineText, column, length, line, underline) => {
    const printed = printDiagnostic(diagnostic({ column, length, lineText })).split('\n');
    expect(printed.slice(1, 3)).toEqual([line, underline]);
  });

  it('cuts a very long line around what is wrong', () => {
    const lineText = `${'a'.repeat(500_000)}BAD${'b'.repeat(500_000)}`;
    const printed = printDiagnostic(diagnostic({ column: 500_001, length: 3, lineText })).split(
      '\n',
    );
    expect(printed[1]).toBe(`  a.yaml:7:500001  …${'a'.repeat(60)}BAD${'b'.repeat(40)}…`);
    expect(printed[2]?.indexOf('~')).toBe(printed[1]?.indexOf('BAD'));
  });

  it('prints at least one mark, and none beyond the line', () => {
    expect(printDiagnostic(diagnostic({ column: 99, length: 50, lineText: 'x' }))).toContain(
      ' ~\n',
    );
    expect(printDiagnostic(diagnostic({ column: 1, length: 50, lineText: 'abc' }))).toContain(
      ' ~~~\n',
    );
  });

  it('cleans what came from outside', () => {
    const printed = printDiagnostic(
      diagnostic({ file: 'a\u001b[2J.yaml' }, { detail: 'no \u001b]0;x\u0007module' }),
    );
    expect(printed).not.toContain('\u001b');
    expect(printed).not.toContain('\u0007');
  });
});

describe('printDiagnostics', () => {
  it('puts an empty line between problems', () => {
    expect(printDiagnostics([diagnostic(null), diagnostic(null)]).split('\n\n')).toHaveLength(2);
  });
});
