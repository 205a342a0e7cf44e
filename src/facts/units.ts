import { quote } from '../core/quote.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** The state of some systemd units, by the name that was asked for. */
export type Units = Readonly<Record<string, Unit>>;

/** One unit; an alias has the `id` of the unit it stands for. */
export interface Unit {
  readonly id: string;
  /** `loaded`, `not-found`, `masked`, `error` … */
  readonly load: string;
  /** `active`, `inactive`, `failed`, `activating` … */
  readonly active: string;
  readonly sub: string;
  /** `enabled`, `disabled`, `masked`, `masked-runtime`, `static`, `alias` … */
  readonly file: string;
  /** `success`, `exit-code`, `start-limit-hit`, `trigger-limit-hit` … */
  readonly result: string;
}

/** systemd units by name. The argument is the list of names. */
export const unitsFact: Fact<readonly string[], Units> = {
  name: 'units',
  summary: 'the state of systemd units: loaded, active, enabled or masked, and the last result',
  slow: false,
  read: (names) => [
    {
      part: 'show',
      sh: `[ -d /run/systemd/system ] || exit 3\nfor u in ${names.map(quote).join(' ')}; do printf 'Asked=%s\\n' "$u"; limit 20 systemctl show --no-pager -p Id,LoadState,ActiveState,SubState,UnitFileState,Result "$u" || exit; done`,
    },
  ],
  parse: parseUnits,
};

function parseUnits(parts: Parts): Observed<Units> {
  const show = parts.get('show');
  if (show?.status === 3) {
    return unknown('this host does not run systemd; other init systems are not supported yet');
  }
  if (show === undefined || show.status !== 0) {
    return unknown(`systemd could not be asked: ${show?.errors || 'no answer'}`);
  }
  const units: Record<string, Unit> = Object.create(null) as Record<string, Unit>;
  for (const section of show.text.split(/^Asked=/m).slice(1)) {
    const value = (name: string): string =>
      new RegExp(`^${name}=(.*)$`, 'm').exec(section)?.[1]?.trim() ?? '';
    units[section.slice(0, section.indexOf('\n')).trim()] = {
      id: value('Id'),
      load: value('LoadState'),
      active: value('ActiveState'),
      sub: value('SubState'),
      file: value('UnitFileState'),
      result: value('Result'),
    };
  }
  return known(units);
}
