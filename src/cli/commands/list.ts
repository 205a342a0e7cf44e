import { cleanLine } from '../../core/clean.ts';
import { readHeadline } from '../../playbook/headline.ts';
import { readPlaybooks } from '../../store/playbooks.ts';
import { reportFailure } from '../usage.ts';
import { notContacted } from '../../core/failure.ts';

/** `remedy list`: the playbooks by name; returns the exit status. */
export async function listCommand(flags: {
  readonly playbooks: readonly string[];
  readonly output: string;
}): Promise<number> {
  let files;
  try {
    files = await readPlaybooks(flags.playbooks, process.env);
  } catch (error) {
    return reportFailure(
      {
        code: 'usage',
        what: 'A playbook folder cannot be read.',
        why: (error as Error).message,
        access: notContacted,
        todo: 'Look at --playbooks.',
      },
      [],
    );
  }
  const rows = files.map((file) => {
    const headline = readHeadline(file.text);
    return {
      name: headline?.name ?? file.path,
      summary: headline?.summary ?? 'cannot be read; run `remedy lint` on it',
      file: file.path,
      builtIn: file.builtIn,
    };
  });
  process.stdout.write(
    flags.output === 'json'
      ? `${JSON.stringify({ schema: 'remedy.list/1', playbooks: rows }, null, 2)}\n`
      : listText(rows),
  );
  return 0;
}

function listText(
  rows: readonly { name: string; summary: string; file: string; builtIn: boolean }[],
): string {
  const width = Math.max(...rows.map(({ name }) => name.length), 0);
  const lines = rows.map(
    ({ name, summary, file, builtIn }) =>
      `${cleanLine(name).padEnd(width)}  ${cleanLine(summary)}${builtIn ? '' : `  (${cleanLine(file)})`}\n`,
  );
  return lines.join('');
}
