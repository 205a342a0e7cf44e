import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The text of one playbook and where it came from. */
export interface PlaybookFile {
  /** As the user would name it. */
  readonly path: string;
  readonly text: string;
  readonly builtIn: boolean;
}

// dist/store and src/store lie equally deep.
const builtInFolder = fileURLToPath(new URL('../../playbooks', import.meta.url));

/** Largest playbook that is read at all, in bytes; the loader has a smaller limit of its own. */
const maxBytes = 1024 * 1024;

/**
 * The folders that playbooks are looked for in: the built-in one, the user's
 * (`$XDG_CONFIG_HOME/remedy/playbooks`), and those that were named. Folders that are not there are
 * left out, but a named one must be there.
 *
 * @throws Error with a sentence for the user where a named folder cannot be read.
 */
export async function readPlaybooks(
  folders: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<PlaybookFile[]> {
  const own = join(
    environment['XDG_CONFIG_HOME'] || join(homedir(), '.config'),
    'remedy',
    'playbooks',
  );
  const builtIn = await readFolder(builtInFolder, true, false);
  const user = await readFolder(own, false, false);
  const named = await Promise.all(folders.map((folder) => readFolder(folder, false, true)));
  return [...builtIn, ...user, ...named.flat()];
}

/** Reads one playbook by its path. */
export async function readPlaybook(path: string, builtIn = false): Promise<PlaybookFile> {
  const { size } = await stat(path);
  if (size > maxBytes) {
    throw new Error(`${path} is larger than ${maxBytes / 1024} KiB, so it is no playbook`);
  }
  return {
    path: builtIn ? `playbooks/${basename(path)}` : path,
    text: await readFile(path, 'utf8'),
    builtIn,
  };
}

async function readFolder(
  folder: string,
  builtIn: boolean,
  required: boolean,
): Promise<PlaybookFile[]> {
  let names: string[];
  try {
    names = await readdir(resolve(folder));
  } catch (error) {
    if (required) {
      throw new Error(`the playbook folder ${folder} cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return [];
  }
  const files = names.filter((name) => /\.ya?ml$/.test(name)).toSorted();
  return Promise.all(files.map((name) => readPlaybook(join(folder, name), builtIn)));
}
