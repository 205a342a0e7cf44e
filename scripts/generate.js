// Writes the generated files from the built code; with --check it only compares (exit 1, naming them).
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

async function load(path) {
  try {
    return await import(join(root, 'dist', path));
  } catch (error) {
    console.error(`dist/${path} cannot be loaded (${error.message}). Build first:\n    npm run build`);
    process.exit(1);
  }
}

async function readPlaybooks(parsePlaybook, printDiagnostics, registry) {
  const folder = join(root, 'playbooks');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).toSorted();
  const playbooks = [];
  for (const name of names) {
    const parsed = parsePlaybook(await readFile(join(folder, name), 'utf8'), `playbooks/${name}`, registry);
    if (!parsed.ok) {
      console.error(printDiagnostics(parsed.error));
      process.exit(1);
    }
    playbooks.push(parsed.value);
  }
  return playbooks;
}

// The facts without arguments, under whichever of the two names the registry has.
async function factNames() {
  const { conditionFacts, facts } = await load('facts/index.js');
  return new Set(conditionFacts ?? facts.keys());
}

async function generate() {
  const { modules } = await load('modules/index.js');
  const { playbookJsonSchema } = await load('playbook/json-schema.js');
  const { referenceMarkdown } = await load('playbook/reference.js');
  const { parsePlaybook } = await load('playbook/parse.js');
  const { printDiagnostics } = await load('core/diagnostic-text.js');
  const registry = { modules, facts: await factNames() };
  const playbooks = await readPlaybooks(parsePlaybook, printDiagnostics, registry);
  return new Map([
    ['schema/playbook.schema.json', `${JSON.stringify(playbookJsonSchema(modules), null, 2)}\n`],
    ['docs/modules.md', referenceMarkdown(modules, playbooks)],
  ]);
}

async function isCurrent(path, text) {
  const committed = await readFile(join(root, path), 'utf8').catch(() => null);
  return committed === text;
}

const files = await generate();
const checkOnly = process.argv.includes('--check');
for (const [path, text] of files) {
  if (await isCurrent(path, text)) {
    continue;
  }
  if (checkOnly) {
    console.error(`${path} is not what the code says. Write it anew:\n    npm run build && npm run generate`);
    process.exitCode = 1;
  } else {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
