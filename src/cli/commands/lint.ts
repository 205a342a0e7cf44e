import { printDiagnostics } from '../../core/diagnostic-text.ts';
import type { Diagnostic } from '../../core/diagnostic.ts';
import { checkUniqueNames } from '../../playbook/bind.ts';
import { parsePlaybook } from '../../playbook/parse.ts';
import type { Playbook } from '../../playbook/playbook.ts';
import { readPlaybook } from '../../store/playbooks.ts';
import { registry } from '../registry.ts';

/** `remedy lint FILE…`: every problem of every file; returns the exit status. */
export async function lintCommand(files: readonly string[]): Promise<number> {
  const problems: Diagnostic[] = [];
  const playbooks: Playbook[] = [];
  for (const path of files) {
    try {
      const file = await readPlaybook(path);
      const parsed = parsePlaybook(file.text, file.path, registry());
      if (parsed.ok) {
        playbooks.push(parsed.value);
      } else {
        problems.push(...parsed.error);
      }
    } catch (error) {
      process.stderr.write(`error: ${path} cannot be read: ${(error as Error).message}\n`);
      return 64;
    }
  }
  problems.push(...checkUniqueNames(playbooks));
  if (problems.length > 0) {
    process.stderr.write(`${printDiagnostics(problems)}\n`);
    return 64;
  }
  process.stdout.write(`${files.length} ${files.length === 1 ? 'file' : 'files'}: no problems\n`);
  return 0;
}
