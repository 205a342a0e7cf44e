import { quote } from '../core/quote.ts';
import type { Secret } from '../core/secret.ts';
import { commonFunctions, environment } from './runtime.ts';
import { stateFunctions } from './run-state.ts';
import { stateFolder } from './stage.ts';
import { wrapProgram } from './wrap.ts';

/** What can be asked of a run that is on the host. */
export type Question =
  /** The token that the stage's program knows the digest of. */
  { readonly verb: 'confirm'; readonly token: Secret } | { readonly verb: 'revert' | 'status' };

/** What a run itself asks, besides: as revert; and where it has not begun yet, it never will. */
export type OwnQuestion = Question | { readonly verb: 'forbid' };

/**
 * Asks the program that a run left on the host. The answer is records, tagged with `tag`; the last one
 * is `state`. Question and token go by standard input, so that nobody sees them in the process list.
 *
 * @param tag random, hex.
 */
export function compileQuestion(runId: string, question: OwnQuestion, tag: string): string {
  const token = question.verb === 'confirm' ? question.token.reveal() : 'none';
  const verb = question.verb === 'forbid' ? 'revert' : question.verb;
  // A program that comes late makes its folder first, and then marks that it begins: each only once.
  const forbid = [
    '[ -d "$S" ] || mkdir -m 700 "$S" 2>/dev/null',
    'if mkdir -m 700 "$R" 2>/dev/null; then say state none 0; exit 0; fi',
    'if [ -d "$R" ] && safe_folder "$R" && mkdir "$R/begun" 2>/dev/null; then rm -f -- "$R"/secret-*; say state none 0; exit 0; fi',
  ];
  const body = [
    `T=${quote(tag)}; S=${stateFolder}; I=${quote(runId)}; R=$S/$I`,
    ...(question.verb === 'forbid' ? forbid : []),
    'if [ ! -d "$R" ]; then say state none 0; exit 0; fi',
    'safe_folder "$S" && safe_folder "$R" || { say refuse state "$R is not safe: it is not root\'s alone"; exit 0; }',
    // Its program may never have come whole: then it did nothing.
    'if [ ! -s "$R/program" ] || [ ! -e "$R/begun" ]; then say state none 0; exit 0; fi',
    `{ line "$T"; line ${quote(verb)}; line ${quote(token)}; } | sh "$R/program" ask`,
  ].join('\n');
  return wrapProgram([environment, commonFunctions, stateFunctions].join('\n'), body);
}

/** Lists the runs that are on the host: one `run` line each, tagged with `tag`. */
export function compileRunList(tag: string): string {
  const body = [
    `T=${quote(tag)}; S=${stateFolder}`,
    'for R in "$S"/*/; do',
    '  R=${R%/}; I=${R##*/}',
    '  [ -e "$R/program" ] && [ ! -L "$R" ] || continue',
    '  say run "$I" "$(state)" "$(seconds_left)"',
    'done',
    'say listed',
  ].join('\n');
  return wrapProgram([environment, commonFunctions, stateFunctions].join('\n'), body);
}
