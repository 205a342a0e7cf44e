import { cleanLine, cleanText } from '../core/clean.ts';
import type { LaterSummary, StepSummary } from '../core/event.ts';
import type { Failure } from '../core/failure.ts';
import { changeDiff } from '../plan/diff.ts';
import type { HostResult } from '../run/result.ts';
import type { Paint } from './paint.ts';

/** The plan as people read it: each step with its reason, then each change with its diff. */
export function planText(
  steps: readonly StepSummary[],
  later: readonly LaterSummary[],
  paint: Paint,
): string {
  const names = steps.map((step) => `${step.playbook}/${step.id}`);
  const width = Math.max(...names.map((name) => name.length), 0);
  const lines = steps.map((step, index) => {
    const word = {
      none: paint.dim('unchanged'),
      change: paint.yellow('change   '),
      skipped: paint.dim('skipped  '),
      blocked: paint.red('blocked  '),
    }[step.action];
    return `  ${(names[index] ?? '').padEnd(width)}  ${word}  ${cleanLine(step.reason)}`;
  });
  const waiting = later.map(
    ({ playbook, id, after }) =>
      `  ${`${playbook}/${id}`.padEnd(width)}  ${paint.dim('later    ')}  decided after step ${after}`,
  );
  const diffs = steps
    .flatMap(({ changes }) => changes)
    .map((change, index) => {
      const risk = change.risk === 'none' ? '' : paint.dim(` (touches ${change.risk})`);
      return `\n${paint.bold(`${index + 1}. ${cleanLine(change.summary)}`)}${risk}\n${indent(paintDiff(changeDiff(change), paint))}`;
    });
  return [...lines, ...waiting, ...diffs].join('\n');
}

function paintDiff(diff: string, paint: Paint): string {
  return diff
    .trimEnd()
    .split('\n')
    .map((line) =>
      line.startsWith('+')
        ? paint.green(line)
        : line.startsWith('-')
          ? paint.red(line)
          : line.startsWith('@@')
            ? paint.cyan(line)
            : line,
    )
    .join('\n');
}

/** A failure in its four parts; the most important line, what to do, comes last. */
export function failureText(failure: Failure, paint: Paint): string {
  return [
    `${paint.red('✖')} ${paint.bold(cleanLine(failure.what))} ${paint.dim(`[${failure.code}]`)}`,
    labelled('why', failure.why),
    labelled('access', failure.access),
    labelled('to do', failure.todo),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

function labelled(label: string, text: string): string {
  const clean = cleanText(text).trim();
  const indented = clean.replaceAll('\n', '\n           ');
  return clean === '' ? '' : `  ${`${label}:`.padEnd(8)} ${indented}`;
}

const outcomes: Readonly<Record<HostResult['outcome'], string>> = {
  unchanged: 'unchanged: nothing to do',
  'would-change': 'would change; this was a dry run, nothing was changed on the host',
  changed: 'changed',
  reverted: 'reverted: the host is as it was',
  refused: 'refused: nothing was changed on the host',
  failed: 'failed before the first change',
  unknown: 'unknown: contact was lost',
  stuck: 'stuck: a person is needed',
  unreachable: 'no way in',
  locked: 'locked by another run',
};

/** The last words about one host: how it ended, what was proven, what is still in the way. */
export function resultText(result: HostResult, paint: Paint): string {
  const good = result.failure === null;
  const shut = result.links.some(({ state }) => state === 'broken');
  const mark = !good ? paint.red('✖') : shut ? paint.yellow('!') : paint.green('✔');
  const proven =
    result.proof === null
      ? ''
      : `, proof: ${result.proof.level}${result.proof.before === null ? '' : ` (before: ${result.proof.before})`}`;
  const verdict = `${mark} ${paint.bold(result.host)}: ${outcomes[result.outcome]}${proven}`;
  const notices = result.notices.map((notice) => `  ${cleanText(notice).replaceAll('\n', '\n  ')}`);
  const links = result.links
    .filter(({ state }) => state === 'broken')
    .map(({ layer, state, by }) => paint.dim(`  ${layer} is ${state}: ${cleanLine(by)}`));
  const failure = result.failure === null ? [] : [failureText(result.failure, paint)];
  return [...links, ...notices, ...failure, verdict].join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '   ');
}
