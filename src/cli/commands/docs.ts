import { suggest } from '../../core/suggest.ts';
import { notContacted } from '../../core/failure.ts';
import { modules } from '../../modules/index.ts';
import { parsePlaybook } from '../../playbook/parse.ts';
import { referenceMarkdown } from '../../playbook/reference.ts';
import { readPlaybooks } from '../../store/playbooks.ts';
import { registry } from '../registry.ts';
import { reportFailure } from '../usage.ts';

/** `remedy docs [NAME]`: the reference, whole or of one module or playbook; returns the exit status. */
export async function docsCommand(name: string | undefined): Promise<number> {
  const files = await readPlaybooks([], process.env);
  const parsed = files.flatMap((file) => {
    const one = parsePlaybook(file.text, file.path, registry());
    return one.ok ? [one.value] : [];
  });
  const module = name === undefined ? undefined : modules.get(name);
  const playbook = parsed.find((one) => one.name === name);
  if (name !== undefined && module === undefined && playbook === undefined) {
    const near = suggest(name, [...modules.keys(), ...parsed.map((one) => one.name)]);
    return reportFailure(
      {
        code: 'usage',
        what: `There is no module or playbook ${JSON.stringify(name)}.`,
        why: near === null ? '' : `Did you mean ${near}?`,
        access: notContacted,
        todo: 'To see them all, run:\n    remedy docs',
      },
      [],
    );
  }
  const chosenModules =
    name === undefined ? modules : new Map(module === undefined ? [] : [[name, module]]);
  process.stdout.write(
    referenceMarkdown(
      chosenModules,
      name === undefined ? parsed : playbook === undefined ? [] : [playbook],
    ),
  );
  return 0;
}
