import { cleanLine, cleanText } from '../core/clean.ts';
import type { LaterSummary, StepSummary } from '../core/event.ts';
import type { Failure } from '../core/failure.ts';
import { changeDiff } from '../plan/diff.ts';
import type { HostResult } from '../run/result.ts';
import type { Paint } from './paint.ts';

/** The plan as people read it: each step with its reason, then each change with its diff. */
export function planText(
  plan: {
    readonly steps: readonly StepSummary[];
    readonly later: readonly LaterSummary[];
    readonly foreseen: readonly StepSummary[];
  },
  paint: Paint,
): string {
  const { steps, later, foreseen } = plan;
  const names = [...steps, ...later].map(({ playbook, id }) => `${playbook}/${id}`);
  const width = Math.max(...names.map((name) => name.length), 0);
  const lines = steps.map((step) => {
    const word = {
      none: paint.dim('unchanged'),
      change: paint.yellow('change   '),
      skipped: paint.dim('skipped  '),
      blocked: paint.red('blocked  '),
    }[step.action];
    return `  ${`${step.playbook}/${step.id}`.padEnd(width)}  ${word}  ${cleanLine(step.reason)}`;
  });
  const waiting = later.map(({ playbook, id, after, waitsFor }) => {
    const when =
      waitsFor === 'proof'
        ? `after a fresh login has proven step ${after}`
        : `decided after step ${after}`;
    return `  ${`${playbook}/${id}`.padEnd(width)}  ${paint.dim('later    ')}  ${when}`;
  });
  const now = changesText(steps, 1, paint);
  const then = changesText(foreseen, now.length + 1, paint);
  const foreseenTitle = then.length === 0 ? [] : [paint.dim('\nThen, as far as can be foreseen:')];
  return [...lines, ...waiting, ...now, ...foreseenTitle, ...then].join('\n');
}

function changesText(steps: readonly StepSummary[], first: number, paint: Paint): string[] {
  return steps
    .flatMap(({ changes }) => changes)
    .map((change, index) => {
      const risk = change.risk === 'none' ? '' : paint.dim(` (touches ${change.risk})`);
      const back =
        change.undo.type === 'none'
          ? paint.dim(` (not undone: ${cleanLine(change.undo.why)})`)
          : '';
      return `\n${paint.bold(`${first + index}. ${cleanLine(change.summary)}`)}${risk}${back}\n${indent(paintDiff(changeDiff(change), paint))}`;
    });
}

/** What stands behind the changes from here on. */
export function guardText(guard: {
  readonly by: string;
  readonly boot: string;
  readonly seconds: number;
}): string {
  const reboot = guard.boot === 'none' ? '; a reboot would keep the changes' : ', also by a reboot';
  return `guard armed (${cleanLine(guard.by)}): unless confirmed within ${guard.seconds} s, all is taken back${reboot}`;
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
  return [...links, ...routesText(result), ...notices, ...failure, verdict].join('\n');
}

// Where none opened, the failure itself names them all.
function routesText({ routes }: HostResult): string[] {
  const taken = routes.find(({ failure }) => failure === null);
  const shut = routes.flatMap(({ description, failure }) =>
    failure === null ? [] : [`  not by ${cleanLine(description)}: ${whyShut(failure)}`],
  );
  return taken === undefined || shut.length === 0
    ? []
    : [`  came in by ${cleanLine(taken.description)}`, ...shut];
}

function whyShut({ what, why }: Failure): string {
  return `${cleanLine(what)} ${cleanLine(why)}`;
}

function indent(text: string): string {
  return text.replace(/^/gm, '   ');
}
