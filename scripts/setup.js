// Makes a fresh clone ready: checks Node, installs the dependencies, builds. Does nothing if all is there.
import { spawnSync } from 'node:child_process';
import { readdirSync, realpathSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Ends the process with a message if it cannot be done. */
export function setUp() {
  checkNode();
  install();
  build();
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
  if (!fits) {
    stop(
      `remedy needs Node 20.19 or newer (not 21), or 22.12 or newer. This is ${process.version}.`,
    );
  }
}

function install() {
  // npm writes this file last: it tells a whole installation from an interrupted one.
  if (changedAt('node_modules/.package-lock.json') >= changedAt('package-lock.json')) {
    return;
  }
  console.error('installing the dependencies: npm ci');
  const words = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--no-update-notifier',
  ];
  // Inside `npm run`, this is the npm that runs it.
  const npm = process.env.npm_execpath;
  const [file, args] =
    npm !== undefined && /\.[cm]?js$/.test(npm)
      ? [process.execPath, [npm, ...words]]
      : ['npm', words];
  run(file, args, { problem: 'npm ci failed.', stdout: 'ignore' });
}

/** Builds dist if it is missing or older than what it is made from. */
export function build() {
  const output = 'dist/cli/main.js';
  const sources = [...filesBelow('src'), 'tsconfig.json', 'tsconfig.build.json'];
  if (changedAt(output) >= Math.max(...sources.map(changedAt))) {
    return;
  }
  console.error('building: tsc -p tsconfig.build.json');
  const started = new Date();
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    problem: 'The build failed.',
  });
  // A file saved while the compiler ran is newer than its output.
  utimesSync(join(root, output), started, started);
}

function changedAt(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

// What is said goes to stderr: stdout is for results.
function run(file, args, { problem, stdout = 2 }) {
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: ['ignore', stdout, 2] });
  if (status !== 0) {
    stop(error === undefined ? problem : `${problem} ${error.message}`);
  }
}

function stop(message) {
  console.error(message);
  process.exit(1);
}

if (pathToFileURL(realpathSync(process.argv[1])).href === import.meta.url) {
  setUp();
}
