import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const checkout = resolve(import.meta.dirname, '../..');

const pureFolders = ['core', 'facts', 'walk', 'modules', 'playbook', 'plan', 'program', 'diagnose'];
const edges = ['route', 'probe', 'store', 'run', 'report'];

const reads = [
  'fs',
  'fs/promises',
  'net',
  'tls',
  'dgram',
  'dns',
  'child_process',
  'process',
  'os',
  'timers',
  'timers/promises',
  'readline',
  'worker_threads',
  'http',
];

const globals = {
  'the process': 'export const found = process.env;',
  'the process, by way of globalThis': 'export const found = globalThis.process;',
  'the clock': 'export const found = Date.now();',
  today: 'export const found = new Date();',
  'a timer': 'setTimeout(() => undefined, 1);',
  randomness: 'export const found = Math.random();',
  'random bytes':
    "import { randomBytes } from 'node:crypto';\nexport const found = randomBytes(8);",
};

const upwards: readonly (readonly [from: string, to: string])[] = [
  ['core', 'facts'],
  ['facts', 'walk'],
  ['facts', 'route'],
  ['walk', 'modules'],
  ['modules', 'playbook'],
  ['modules', 'program'],
  ['playbook', 'plan'],
  ['plan', 'program'],
  ['plan', 'run'],
  ['program', 'plan'],
  ['diagnose', 'route'],
  ['route', 'probe'],
  ['route', 'run'],
  ['route', 'report'],
  ['probe', 'run'],
  ['store', 'run'],
  ['store', 'cli'],
  ['run', 'report'],
  ['report', 'route'],
  ...[...pureFolders, ...edges].map((from) => [from, 'cli'] as const),
];

const homes: Readonly<Record<string, readonly string[]>> = {
  listr2: ['report'],
  ssh2: ['route', 'probe'],
  '@marcbachmann/cel-js': ['playbook'],
  commander: ['cli'],
};

interface Trial {
  readonly file: string;
  readonly text: string;
}

const folders = [...pureFolders, ...edges, 'cli'];

// One run of the linter over all trials: each file breaks one rule, or none.
const refused = {
  reads: pureFolders.flatMap((folder) =>
    reads.map((name) =>
      trial(
        folder,
        `reads-${name.replaceAll(/\W/g, '-')}`,
        `import * as found from 'node:${name}';\nexport { found };`,
      ),
    ),
  ),
  globals: pureFolders.flatMap((folder) =>
    Object.entries(globals).map(([name, text]) =>
      trial(folder, name.replaceAll(/\W+/g, '-').toLowerCase(), text),
    ),
  ),
  upwards: upwards.flatMap(([from, to]) => [
    trial(
      from,
      `knows-${to}`,
      `import { found } from '../${to}/one.ts';\nexport const one = found;`,
    ),
    trial(
      from,
      `knows-type-of-${to}`,
      `import type { Found } from '../${to}/one.ts';\nexport const one: Found = 1;`,
    ),
    trial(from, `passes-on-${to}`, `export { found } from '../${to}/one.ts';`),
    trial(from, `loads-${to}`, `export const one = import('../${to}/one.ts');`),
  ]),
  packages: Object.entries(homes).flatMap(([name, at]) =>
    folders
      .filter((folder) => !at.includes(folder))
      .map((folder) =>
        trial(
          folder,
          `package-${name.replaceAll(/\W+/g, '-')}`,
          `import found from '${name}';\nexport { found };`,
        ),
      ),
  ),
};
const accepted = [
  trial(
    'core',
    'text',
    "import { stripVTControlCharacters } from 'node:util';\nexport const found = stripVTControlCharacters('');",
  ),
  trial(
    'plan',
    'digest',
    "import { createHash } from 'node:crypto';\nexport const found = createHash('sha256');",
  ),
  trial(
    'plan',
    'below',
    "import { found } from '../core/one.ts';\nimport { other } from './one.ts';\nexport const both = [found, other];",
  ),
  trial('route', 'socket', "import { connect } from 'node:net';\nexport const found = connect;"),
  trial(
    'cli/commands',
    'everything',
    "import { found } from '../../run/one.ts';\nexport const one = found;",
  ),
  ...Object.entries(homes).flatMap(([name, at]) =>
    at.map((folder) =>
      trial(
        folder,
        `home-of-${name.replaceAll(/\W+/g, '-')}`,
        `import found from '${name}';\nexport { found };`,
      ),
    ),
  ),
];

function trial(folder: string, name: string, text: string): Trial {
  return { file: `src/${folder}/${name}.ts`, text };
}

describe('the linter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'remedy-layers-'));
  let complaints: ReadonlySet<string>;

  beforeAll(() => {
    cpSync(join(checkout, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
    for (const { file, text } of [...Object.values(refused).flat(), ...accepted]) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), `${text}\n`);
    }
    complaints = complaintsIn(folder);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['a pure folder does no I/O', refused.reads],
    ['a pure folder knows no process, clock, timer or randomness', refused.globals],
    ['no folder knows one further out', refused.upwards],
    ['a package is used in its own folder only', refused.packages],
  ])('%s', (_rule, trials) => {
    expect(trials.length).toBeGreaterThan(10);
    expect(trials.map(({ file }) => file).filter((file) => !complaints.has(file))).toEqual([]);
  });

  test('accepts what the layers allow', () => {
    expect(accepted.map(({ file }) => file).filter((file) => complaints.has(file))).toEqual([]);
  });
});

/** The files that break the layer rule; other rules do not count. */
function complaintsIn(folder: string): Set<string> {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(checkout, 'node_modules/oxlint/bin/oxlint'), '--format=json', 'src'],
    {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 64 * 2 ** 20,
    },
  );
  if (!stdout.startsWith('{')) {
    throw new Error(`oxlint said:\n${stdout}${stderr}`);
  }
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { code?: string; filename: string }[];
  };
  return new Set(
    diagnostics
      .filter(({ code }) => code?.startsWith('eslint(no-restricted-') === true)
      .map(({ filename }) => filename),
  );
}
