import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { compileObservation } from '../../src/program/observe.ts';
import { RecordReader } from '../../src/program/records.ts';
import { shells, shellcheck } from '../program/support/shells.ts';
import { everyFact } from './support/every-fact.ts';

const token = 'feedfacefeedface';

describe.each(everyFact.map((wanted) => [wanted.key, wanted] as const))(
  'the program of %s',
  (_, wanted) => {
    it.skipIf(shellcheck === null)('passes shellcheck', () => {
      const { program } = compileObservation([wanted], token);
      const run = spawnSync(shellcheck ?? '', ['-s', 'sh', '-S', 'warning', '-'], {
        input: program,
        encoding: 'utf8',
      });
      expect(run.stdout).toBe('');
      expect(run.status).toBe(0);
    });

    it.skipIf(shellcheck === null).each(wanted.reads.map((read) => [read.part, read] as const))(
      'reads %s with text that passes shellcheck by itself',
      (_part, read) => {
        const run = spawnSync(shellcheck ?? '', ['-s', 'sh', '-S', 'warning', '-'], {
          input: `part() {\n${read.sh}\n}\npart\n`,
          encoding: 'utf8',
        });
        expect(run.stdout).toBe('');
      },
    );

    it.each(shells)('ends by itself, with every part in its place, under $name', ({ argv }) => {
      const { program, parts } = compileObservation([wanted], token);
      const run = spawnSync(argv[0], argv.slice(1), {
        input: program,
        env: { PATH: '/usr/bin:/bin' },
        timeout: 15_000,
      });
      const reader = new RecordReader(token, parts.length);
      reader.push(run.stdout);
      const read = reader.finish();
      expect(typeof read).toBe('object');
      expect(read).toHaveProperty('size', parts.length);
      expect(run.status).toBe(0);
    });
  },
);
