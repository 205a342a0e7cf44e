// Writes the generated files from the built code; with --check it only compares (exit 1, naming them).
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build, root } from './setup.js';

async function load(path) {
  return import(join(root, 'dist', path));
}

async function readPlaybooks(registry) {
  const { parsePlaybook } = await load('playbook/parse.js');
  const { printDiagnostics } = await load('core/diagnostic-text.js');
  const names = (await readdir(join(root, 'playbooks'))).filter((name) => name.endsWith('.yaml'));
  const playbooks = [];
  for (const name of names.toSorted()) {
    const file = `playbooks/${name}`;
    const parsed = parsePlaybook(await readFile(join(root, file), 'utf8'), file, registry);
    if (!parsed.ok) {
      console.error(printDiagnostics(parsed.error));
      process.exit(1);
    }
    playbooks.push(parsed.value);
  }
  return playbooks;
}

async function generate() {
  const { facts } = await load('facts/index.js');
  const { modules } = await load('modules/index.js');
  const { playbookJsonSchema } = await load('playbook/json-schema.js');
  const { referenceMarkdown } = await load('playbook/reference.js');
  const { presets } = await load('route/console/presets.js');
  const { presetsMarkdown } = await load('route/console/reference.js');
  const playbooks = await readPlaybooks({ modules, facts: new Set(facts.keys()) });
  return new Map([
    ['schema/playbook.schema.json', `${JSON.stringify(playbookJsonSchema(modules), null, 2)}\n`],
    ['docs/modules.md', referenceMarkdown(modules, playbooks)],
    ['docs/consoles.md', presetsMarkdown(presets)],
  ]);
}

async function isCurrent(path, text) {
  const committed = await readFile(join(root, path), 'utf8').catch(() => null);
  return committed === text;
}

build();
const checkOnly = process.argv.includes('--check');
for (const [path, text] of await generate()) {
  if (await isCurrent(path, text)) {
    continue;
  }
  if (checkOnly) {
    console.error(
      `${path} is not what the code says. To write it anew, run:\n    npm run generate`,
    );
    process.exitCode = 1;
  } else {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
