import { cleanText } from '../core/clean.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { fullClient, runSshd } from './sshd-run.ts';

/** The sshd that is installed, and what it says of its own configuration. */
export interface Sshd {
  readonly installed: boolean;
  /** Whether `sshd -t` passes. */
  readonly valid: boolean;
  /** What `sshd -t` said; empty where it passes. */
  readonly problem: string;
  /** `authorizedkeysfile` of the effective configuration; null where it cannot be printed. */
  readonly authorizedKeysFile: string | null;
  /** True where a file forbids the unit to start (Debian's sshd_not_to_be_run). */
  readonly forbidden: boolean;
  /** The name of its service on a host without systemd that can reload it; else null. */
  readonly service?: string | null;
}

export { findSshd } from './sshd-run.ts';

const testSh = `${runSshd}\nsshd_say -t`;

/** Whether sshd is there, whether its configuration passes `sshd -t`, and where it reads keys. */
export const sshdFact: Fact<undefined, Sshd> = {
  name: 'sshd',
  summary:
    'the installed sshd, whether its configuration passes sshd -t, and where it looks for keys',
  slow: false,
  read: () => [
    { part: 'test', sh: testSh },
    {
      part: 'config',
      sh: `${runSshd}\nsshd_quiet -T || sshd_quiet -T -C ${fullClient} || sshd_quiet -G`,
    },
    { part: 'forbidden', sh: '[ -e /etc/ssh/sshd_not_to_be_run ]' },
    {
      part: 'service',
      sh: '[ ! -d /run/systemd/system ] || exit 0\nfor s in ssh sshd; do [ ! -x "/etc/init.d/$s" ] || { echo "$s"; exit 0; }; done',
    },
  ],
  parse: parseSshd,
};

function parseSshd(parts: Parts): Observed<Sshd> {
  const test = parts.get('test');
  if (test === undefined) {
    return unknown('sshd could not be asked');
  }
  const config = parts.get('config');
  const service = /^sshd?$/m.exec(parts.get('service')?.text ?? '')?.[0] ?? '';
  return known({
    installed: test.status !== 127,
    valid: test.status === 0,
    problem: test.status === 0 ? '' : cleanText(test.text).trim() || test.errors,
    authorizedKeysFile:
      config?.status === 0
        ? (/^authorizedkeysfile (.+)$/m.exec(config.text)?.[1]?.trim() ?? null)
        : null,
    forbidden: parts.get('forbidden')?.status === 0,
    ...(service === '' ? {} : { service }),
  });
}

/** What is left of `sshd -t`'s complaint once good host keys are in place. */
export function withHostKeys(sshd: Sshd): Sshd {
  const rest = sshd.problem
    .split('\n')
    .filter(
      (line) =>
        !/no hostkeys available|Unable to load host key|Could not load host key|Error loading host key|invalid format/i.test(
          line,
        ),
    );
  return rest.join('').trim() === ''
    ? { ...sshd, valid: true, problem: '' }
    : { ...sshd, problem: rest.join('\n') };
}
