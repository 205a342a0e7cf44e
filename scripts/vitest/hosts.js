// Once before the tests on real hosts: prepares the lab, or says what is not tested.
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';
import { canRunHosts } from '../../testinfra/support/lab.ts';
import { root } from '../setup.js';

export default async function setup(project) {
  const able = await canRunHosts();
  if (able.ok) {
    prepare();
    return undefined;
  }
  const { testFiles } = await project.globTestFiles();
  const message = skipped(
    able.why,
    testFiles.map((file) => relative(root, file)),
  );
  if (process.env.CI === 'true') {
    throw new Error(message);
  }
  console.error(message);
  project.provide('hostsMissing', able.why);
  // Said again below the results, where it is read.
  return () => console.error(message);
}

function prepare() {
  const { status } = spawnSync('testinfra/lab', ['setup'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    throw new Error('testinfra/lab setup failed: its message stands above.');
  }
}

function skipped(why, files) {
  return [
    '',
    '!!! NOT TESTED ON REAL HOSTS !!!',
    `This machine cannot boot them: ${why}`,
    'Skipped:',
    ...files.map((file) => `    ${file}`),
    'They need Linux, root, namespaces and apt; see testinfra/README.md.',
    '',
  ].join('\n');
}
