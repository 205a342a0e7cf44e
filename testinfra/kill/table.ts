import { faults } from './strikes.ts';
import type { Outcome } from './trial.ts';

/** What the strikes at one scenario came to. */
export interface Series {
  readonly scenario: string;
  readonly playbooks: readonly string[];
  readonly guardSeconds: number;
  readonly outcomes: readonly Outcome[];
}

/** What the table was made with and on. */
export interface Setting {
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly minutes: number;
}

/** The result table as Markdown. */
export function tableOf(series: readonly Series[], setting: Setting): string {
  const all = series.flatMap(({ outcomes }) => outcomes);
  const kept = all.filter(({ problems }) => problems.length === 0).length;
  return [
    '# The kill test',
    '',
    'A run is struck at moments spread over its whole length. Afterwards the host must be exactly as it was, or repaired stage by stage with working logins; no run is armed, the lock is free, and the way in still works. Compared are: bytes, modes, owners and attributes of all files below `/etc`, `/root`, `/home` and `/var/lib`, the states of all units, and all firewall rules.',
    '',
    `**${kept} of ${all.length} strikes kept the promise.**`,
    '',
    `Made by \`${setting.command}\` in ${setting.minutes} minutes, with:`,
    '',
    ...Object.entries(setting.versions).map(([name, version]) => `- ${name}: ${version}`),
    '',
    ...row('Scenario', 'Fault', 'Strikes', 'As before', 'Stage kept', 'Repaired', 'Neither', 'Hit nothing', 'Longest'), // prettier-ignore
    ...row('---', '---', '--:', '--:', '--:', '--:', '--:', '--:', '--:'),
    ...series.flatMap(({ scenario, outcomes }) =>
      faults.flatMap((fault) =>
        line(
          scenario,
          fault,
          outcomes.filter((one) => one.fault === fault),
        ),
      ),
    ),
    '',
    '`Stage kept`: a run of two stages whose first one was proven and confirmed before the strike. `Neither`: the promise was broken. `Hit nothing`: what was to be killed had ended, or had not come. `Longest`: seconds from the start of the run until all was calm.',
    '',
    'The scenarios:',
    '',
    ...series.map(
      ({ scenario, playbooks, guardSeconds }) =>
        `- ${scenario}: \`remedy run ${playbooks.join(' ')} --guard-seconds ${guardSeconds}\``,
    ),
    '',
    ...broken(series),
  ].join('\n');
}

function row(...cells: readonly string[]): string[] {
  return [`| ${cells.join(' | ')} |`];
}

function line(scenario: string, fault: string, outcomes: readonly Outcome[]): string[] {
  const count = (test: (one: Outcome) => boolean): string => String(outcomes.filter(test).length);
  const good = (one: Outcome): boolean => one.problems.length === 0;
  return row(
    scenario,
    fault,
    String(outcomes.length),
    count((one) => good(one) && one.place === 'as before'),
    count((one) => good(one) && one.place.startsWith('stage')),
    count((one) => good(one) && one.place === 'repaired'),
    count((one) => !good(one)),
    count(({ note }) => note !== ''),
    `${Math.max(0, ...outcomes.map(({ seconds }) => seconds))} s`,
  );
}

function broken(series: readonly Series[]): string[] {
  const lines = series.flatMap(({ scenario, outcomes }) =>
    outcomes
      .filter(({ problems }) => problems.length > 0)
      .map(
        ({ fault, kind, when, controller, problems }) =>
          `- ${scenario}, ${fault} (${kind}, ${when}); controller: ${controller}; ${problems
            .map((problem) => problem.slice(0, 200).replaceAll('\n', ' '))
            .join('; ')}`,
      ),
  );
  return lines.length === 0 ? [] : ['Broken:', '', ...lines, ''];
}
