import { quote, quoteArgv, type Argv } from '../core/quote.ts';
import { known, unknown, type Fact } from './fact.ts';
import { parseFiles, printFiles, type HostFile } from './files.ts';

/** What an older run left on the host, and how the things it changed are now. */
export interface RunFiles {
  /** The files as they were before that run, by the number of the change. */
  readonly kept: ReadonlyMap<number, HostFile>;
  /** The files that it wrote, as they are now; what is not there is left out. */
  readonly now: readonly HostFile[];
  /** For each command that was asked: whether it says that its change holds; null where it fails. */
  readonly holds: ReadonlyMap<number, boolean | null>;
  /** The names, without folders, of the files that it moved aside. */
  readonly aside: ReadonlySet<string>;
}

/** Which run, and what to look at. */
export interface RunFilesQuery {
  /** The id of a stage; checked before it gets here. */
  readonly runId: string;
  readonly paths: readonly string[];
  /** Read-only commands by the number of their change. */
  readonly holds: readonly { readonly number: number; readonly argv: Argv }[];
}

/** The files that a run kept, for undoing it. */
export const runFilesFact: Fact<RunFilesQuery, RunFiles> = {
  name: 'run-files',
  summary: 'what an older run of remedy kept on the host, and how the files it wrote are now',
  slow: false,
  read: ({ runId, paths, holds }) => [
    { part: 'folder', sh: `[ -d ${quote(`/var/lib/remedy/${runId}`)} ]` },
    {
      part: 'aside',
      sh: `for f in ${quote(`/var/lib/remedy/${runId}`)}/aside-*; do [ -e "$f" ] && line "\${f##*/aside-}"; done`,
    },
    { part: 'kept', sh: printFiles([`/var/lib/remedy/${runId}/files/[0-9]*`]), long: true },
    { part: 'now', sh: paths.length === 0 ? ':' : printFiles(paths.map(quote)), long: true },
    ...holds.map(({ number, argv }) => ({
      part: `holds-${number}`,
      sh: `limit 20 ${quoteArgv(argv)} >/dev/null 2>&1`,
    })),
  ],
  parse: (parts, { runId, holds }) => {
    if (parts.get('folder')?.status !== 0) {
      return unknown(`the host has no /var/lib/remedy/${runId} any more`);
    }
    const kept = parseFiles(parts.get('kept')?.latin1 ?? '');
    return known({
      kept: new Map(
        kept.map((file) => [Number(file.path.slice(file.path.lastIndexOf('/') + 1)), file]),
      ),
      now: parseFiles(parts.get('now')?.latin1 ?? ''),
      aside: new Set((parts.get('aside')?.latin1 ?? '').split('\n').filter((name) => name !== '')),
      holds: new Map(
        holds.map(({ number }) => [number, holdsOf(parts.get(`holds-${number}`)?.status)]),
      ),
    });
  },
};

// 1 is a clear no, and 3 is that of `systemctl is-active`; anything else is a tool that failed.
function holdsOf(status: number | undefined): boolean | null {
  return status === 0 ? true : status === 1 || status === 3 ? false : null;
}
