import { cleanText } from '../core/clean.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

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
}

/** Finds the binary; on a login without /usr/sbin in its PATH too. */
export const findSshd = `sshd_path() { for b in "$(command -v sshd)" /usr/sbin/sshd /usr/local/sbin/sshd /usr/lib/ssh/sshd; do [ -x "$b" ] && { printf '%s\\n' "$b"; return; }; done; return 1; }`;

// Debian's /run/sshd is made by the unit and gone while it is stopped; sshd -t then complains about
// that alone. It is run again with a private /run, which nobody else sees and which ends with it.
const testSh = `${findSshd}
s=$(sshd_path) || exit 127
out=$(limit 20 "$s" -t 2>&1); status=$?
case "$out" in
  *'Missing privilege separation directory: /run/sshd'*)
    if have unshare && unshare -m true 2>/dev/null; then
      out=$(limit 20 unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$1" -t' sh "$s" 2>&1); status=$?
    fi ;;
esac
printf '%s\\n' "$out"; exit "$status"`;

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
      sh: `${findSshd}\ns=$(sshd_path) || exit 127\nlimit 20 "$s" -T || limit 20 "$s" -G`,
    },
    { part: 'forbidden', sh: '[ -e /etc/ssh/sshd_not_to_be_run ]' },
  ],
  parse: parseSshd,
};

function parseSshd(parts: Parts): Observed<Sshd> {
  const test = parts.get('test');
  if (test === undefined) {
    return unknown('sshd could not be asked');
  }
  const config = parts.get('config');
  return known({
    installed: test.status !== 127,
    valid: test.status === 0,
    problem: test.status === 0 ? '' : cleanText(test.text).trim() || test.errors,
    authorizedKeysFile:
      config?.status === 0
        ? (/^authorizedkeysfile (.+)$/m.exec(config.text)?.[1]?.trim() ?? null)
        : null,
    forbidden: parts.get('forbidden')?.status === 0,
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
