import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fail, ok, type Result } from '../core/result.ts';
import { globMatches } from '../facts/sshd-glob.ts';

const maxBytes = 1024 * 1024;

/**
 * The text of a configuration file; null where there is none that can be read, as ssh has it. The error
 * says in one clause why ssh would refuse it.
 *
 * @param ownerId the user whose file it must be, or root's, and that nobody else may write; null for any.
 */
export function configText(file: string, ownerId: string | null): Result<string | null, string> {
  try {
    const { uid, mode, size } = statSync(file);
    if (ownerId !== null && ((uid !== 0 && String(uid) !== ownerId) || (mode & 0o022) !== 0)) {
      return fail(`${file} has a bad owner, or others may write it`);
    }
    return size > maxBytes ? fail(`${file} is too large`) : ok(readFileSync(file, 'utf8'));
  } catch {
    return ok(null);
  }
}

/** The files that a pattern of Include stands for, in the order of their names: glob(3). */
export function includedFiles(pattern: string): string[] {
  let found = [''];
  for (const part of pattern.split('/').filter((one) => one !== '')) {
    found = found.flatMap((folder) =>
      /[*?[\\]/.test(part)
        ? namesIn(folder)
            .filter((name) => globMatches(part, name))
            .map((name) => `${folder}/${name}`)
        : [`${folder}/${part}`],
    );
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder === '' ? '/' : folder).toSorted((one, other) =>
      Buffer.compare(Buffer.from(one), Buffer.from(other)),
    );
  } catch {
    return [];
  }
}
