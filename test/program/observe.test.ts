import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  known,
  request,
  type Fact,
  type FactRequest,
  type Part,
  type Read,
} from '../../src/facts/fact.ts';
import { compileObservation, partCap } from '../../src/program/observe.ts';
import { RecordReader } from '../../src/program/records.ts';
import { shells } from './support/shells.ts';

const token = '0123456789abcdef0123456789abcdef';

function fact(name: string, reads: readonly Read[], slow = false): FactRequest {
  const it: Fact<undefined, null> = {
    name,
    summary: '',
    slow,
    read: () => reads,
    parse: () => known(null),
  };
  return request(it, undefined);
}

function run(
  argv: readonly [string, ...string[]],
  requests: readonly FactRequest[],
  before = '',
): Map<string, Part> {
  const observation = compileObservation(requests, token);
  const result = spawnSync(argv[0], argv.slice(1), {
    input: `${before}${observation.program}`,
    maxBuffer: 1e9,
  });
  const reader = new RecordReader(token, observation.parts.length);
  reader.push(result.stdout);
  const parts = reader.finish();
  if (typeof parts === 'string') {
    throw new TypeError(`${parts}: ${result.stderr.toString().slice(0, 500)}`);
  }
  return new Map(
    observation.parts.map(({ key, part }, index) => [`${key}/${part}`, parts.get(index) as Part]),
  );
}

describe.each(shells)('an observation under $name', ({ argv }) => {
  it('brings bytes back exactly: every value, with and without a newline at the end', () => {
    const every = Array.from(
      { length: 256 },
      (_, byte) => String.raw`\0${byte.toString(8).padStart(3, '0')}`,
    ).join('');
    const parts = run(argv, [
      fact('bytes', [
        { part: 'all', sh: `printf %b '${every}'` },
        { part: 'no-newline', sh: 'printf x' },
        { part: 'newline', sh: 'printf "x\\n"' },
        { part: 'two-newlines', sh: 'printf "x\\n\\n"' },
        { part: 'carriage-return', sh: 'printf "x\\r"' },
        { part: 'nothing', sh: ':' },
      ]),
    ]);
    expect(parts.get('bytes/all')?.latin1).toBe(
      Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join(''),
    );
    expect([...parts.values()].slice(1).map(({ latin1 }) => latin1)).toEqual([
      'x',
      'x\n',
      'x\n\n',
      'x\r',
      '',
    ]);
  });

  it('brings back statuses and what was said on standard error', () => {
    const parts = run(argv, [
      fact('status', [
        { part: 'zero', sh: 'true' },
        { part: 'seven', sh: 'echo out; echo why >&2; exit 7' },
        { part: 'last', sh: '(exit 42)' },
        { part: 'missing', sh: 'no-such-command-anywhere 2>/dev/null' },
        { part: 'after', sh: 'echo still here' },
      ]),
    ]);
    expect([...parts.values()].map(({ status }) => status)).toEqual([0, 7, 42, 127, 0]);
    expect(parts.get('status/seven')).toEqual({
      text: 'out\n',
      latin1: 'out\n',
      errors: 'why',
      status: 7,
      cut: false,
    });
    expect(parts.get('status/after')?.text).toBe('still here\n');
  });

  it('keeps only the end of much error text', () => {
    const parts = run(argv, [
      fact('loud', [
        {
          part: 'p',
          sh: 'n=0; while [ "$n" -lt 2000 ]; do echo "line $n" >&2; n=$((n + 1)); done; exit 3',
        },
      ]),
    ]);
    expect(parts.get('loud/p')?.status).toBe(3);
    expect(parts.get('loud/p')?.errors).toMatch(/line 1999$/);
    expect(parts.get('loud/p')?.errors.length).toBeLessThan(2001);
  });

  it('cuts and marks what is too long, and goes on', () => {
    const parts = run(argv, [
      fact('long', [
        { part: 'p', sh: 'head -c 5000000 /dev/zero' },
        { part: 'cut-there', sh: 'head -c 5000000 /dev/zero; echo why >&2; exit 3', long: true },
        { part: 'short', sh: 'echo short; echo why >&2; exit 3', long: true },
        { part: 'quiet', sh: 'echo quiet', long: true },
        { part: 'next', sh: 'echo next' },
      ]),
    ]);
    // Whoever looks at the status alone must not take it for the whole.
    expect(parts.get('long/p')).toMatchObject({ cut: true, status: 141 });
    expect(parts.get('long/p')?.latin1.length).toBe(partCap);
    expect(parts.get('long/cut-there')?.latin1.length).toBe(partCap);
    expect(parts.get('long/cut-there')).toMatchObject({ cut: true, errors: 'why', status: 3 });
    expect(parts.get('long/short')).toEqual({
      text: 'short\n',
      latin1: 'short\n',
      errors: 'why',
      status: 3,
      cut: false,
    });
    expect(parts.get('long/quiet')).toMatchObject({ text: 'quiet\n', errors: '', status: 0 });
    expect(parts.get('long/next')).toMatchObject({ text: 'next\n', cut: false });
  });

  it('is not mixed up by more slow facts than there are jobs', () => {
    const slow = Array.from({ length: 9 }, (_, index) =>
      fact(
        `slow${index}`,
        [
          {
            part: 'p',
            sh: `n=0; while [ "$n" -lt 300 ]; do echo "${index} $n"; n=$((n + 1)); done`,
          },
        ],
        true,
      ),
    );
    const parts = run(argv, [fact('quick', [{ part: 'p', sh: 'echo quick' }]), ...slow]);
    expect(parts.size).toBe(10);
    for (let index = 0; index < 9; index += 1) {
      const wanted = Array.from({ length: 300 }, (_, n) => `${index} ${n}\n`).join('');
      expect(parts.get(`slow${index}/p`)?.text).toBe(wanted);
    }
  });

  it('is found behind noise, such as a login banner and an echo of the program', () => {
    const parts = run(
      argv,
      [fact('x', [{ part: 'p', sh: 'echo yes' }])],
      'echo "Welcome"; echo "T=$0"; printf "no newline"\n',
    );
    expect(parts.get('x/p')?.text).toBe('yes\n');
  });

  it('gives no command the rest of the program as its input', () => {
    expect(
      run(argv, [
        fact('x', [
          { part: 'p', sh: 'cat' },
          { part: 'q', sh: 'echo q' },
        ]),
      ]).get('x/q')?.text,
    ).toBe('q\n');
  });

  it('does nothing at all where it was cut off', { timeout: 60_000 }, () => {
    const { program } = compileObservation(
      [fact('x', [{ part: 'p', sh: 'echo ran; echo more' }])],
      token,
    );
    const count = 60;
    for (let step = 0; step < count; step += 1) {
      const prefix = program.slice(0, Math.floor(((program.length - 2) * step) / count));
      const result = spawnSync(argv[0], argv.slice(1), { input: prefix, encoding: 'utf8' });
      expect(result.stdout).toBe('');
    }
    // Up to the very last brace.
    expect(
      spawnSync(argv[0], argv.slice(1), { input: program.slice(0, -2), encoding: 'utf8' }).stdout,
    ).toBe('');
  });
});

describe('compileObservation', () => {
  it('gathers equal requests once', () => {
    const one = fact('x', [{ part: 'p', sh: ':' }]);
    expect(compileObservation([one, fact('x', [{ part: 'p', sh: ':' }])], token).parts).toEqual([
      { key: 'x', part: 'p' },
    ]);
  });

  it('refuses a NUL byte', () => {
    expect(() => compileObservation([fact('x', [{ part: 'p', sh: 'echo \0' }])], token)).toThrow(
      'NUL',
    );
  });
});
