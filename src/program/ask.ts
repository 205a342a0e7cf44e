import { quote } from '../core/quote.ts';
import { commonFunctions, environment } from './runtime.ts';
import { stateFunctions } from './run-state.ts';
import { stateFolder } from './stage.ts';
import { wrapProgram } from './wrap.ts';

/** What can be asked of a run that is on the host. */
export type Question =
  /** The token that the stage's program knows the digest of. */
  { readonly verb: 'confirm'; readonly token: string } | { readonly verb: 'revert' | 'status' };

/**
 * Asks the program that a run left on the host. The answer is records, tagged with `tag`; the last one
 * is `state`. Question and token go by standard input, so that nobody sees them in the process list.
 *
 * @param tag random, hex.
 */
export function compileQuestion(runId: string, question: Question, tag: string): string {
  const token = question.verb === 'confirm' ? question.token : 'none';
  const body = [
    `T=${quote(tag)}; S=${stateFolder}; I=${quote(runId)}; R=$S/$I`,
    'if [ ! -d "$R" ]; then say state none 0; exit 0; fi',
    'safe_folder "$S" && safe_folder "$R" || { say refuse state "$R is not safe: it is not root\'s alone"; exit 0; }',
    `{ line "$T"; line ${quote(question.verb)}; line ${quote(token)}; } | sh "$R/program" ask`,
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
