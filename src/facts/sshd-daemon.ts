import { known, request, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { findSshd } from './sshd-run.ts';

/** What the running sshd needs besides its configuration. */
export interface SshdDaemon {
  /** The process that its unit started, or that its pid file names; null where nobody knows. */
  readonly pid: number | null;
  /** The folder that sshd shuts itself into; null where nobody knows which. */
  readonly privilegeFolder: {
    readonly path: string;
    /** `ok`; `missing`; `unsafe`: not root's, or writable by others. */
    readonly state: 'ok' | 'missing' | 'unsafe';
  } | null;
  /** Host key files that others than their owner may read: sshd leaves these out. */
  readonly openHostKeys: readonly string[];
  /** Configuration that changed after the daemon read it; null where nobody can tell. */
  readonly changedSince: readonly string[] | null;
  /** Files that forbid logins to all but root, as nologin(5) has them. */
  readonly nologin: readonly string[];
}

// The folder is built in; as a string of its own it stands between NUL bytes.
const folderSh = `${findSshd}
s=$(sshd_path) || exit 127
d=$(grep -azoxE '/run/sshd|/var/run/sshd|/var/empty/sshd|/usr/share/empty\\.sshd|/var/lib/empty|/var/empty' "$s" | tr '\\000' '\\n' | head -n 1)
[ -n "$d" ] || exit 3
printf 'folder %s\\n' "$d"
if [ ! -d "$d" ]; then echo missing; else stat -L -c 'stat %u %a' -- "$d"; fi`;

// The pid file is written when the daemon starts and when it is reloaded.
const changedSh = `p=
for f in /run/sshd.pid /var/run/sshd.pid; do [ -n "$p" ] || [ ! -f "$f" ] || p=$f; done
[ -n "$p" ] || exit 3
kill -0 "$(cat "$p")" 2>/dev/null || exit 3
set --
for f in /etc/ssh/sshd_config /etc/ssh/sshd_config.d; do [ ! -e "$f" ] || set -- "$@" "$f"; done
[ $# -gt 0 ] || exit 3
find -L "$@" -maxdepth 1 \\( -newer "$p" -o -cnewer "$p" \\) -print`;

// A second sshd may have written the same pid file, so the unit is asked first.
const pidSh = `if [ -d /run/systemd/system ]; then limit 10 systemctl show -p MainPID --value ssh.service sshd.service 2>/dev/null; fi
cat /run/sshd.pid /var/run/sshd.pid 2>/dev/null
:`;

/** The folder, host keys, configuration and nologin files that a running sshd depends on. */
export const sshdDaemonFact: Fact<undefined, SshdDaemon> = {
  name: 'sshd-daemon',
  summary:
    'what a running sshd needs: its folder, host key modes, unread changes of its configuration',
  slow: false,
  read: () => [
    { part: 'folder', sh: folderSh },
    {
      part: 'keys',
      sh: `set --
for f in /etc/ssh/ssh_host_*_key; do [ ! -f "$f" ] || set -- "$@" "$f"; done
[ $# = 0 ] || stat -L -c '%u %g %a %n' -- "$@"`,
    },
    { part: 'changed', sh: changedSh },
    { part: 'pid', sh: pidSh },
    {
      part: 'nologin',
      sh: 'for f in /run/nologin /var/run/nologin /etc/nologin; do [ ! -e "$f" ] || echo "$f"; done',
    },
  ],
  parse: parseSshdDaemon,
};

/** The request for what a running sshd needs. */
export const sshdDaemonRequest = request(sshdDaemonFact, undefined);

function parseSshdDaemon(parts: Parts): Observed<SshdDaemon> {
  const nologin = parts.get('nologin');
  if (nologin === undefined || nologin.status !== 0) {
    return unknown(`the surroundings of sshd could not be read: ${nologin?.errors || 'no answer'}`);
  }
  const changed = parts.get('changed');
  return known({
    pid: toPid(parts.get('pid')?.text ?? ''),
    privilegeFolder: toFolder(parts.get('folder')?.text ?? ''),
    openHostKeys: toOpenKeys(parts.get('keys')?.text ?? ''),
    changedSince: changed?.status === 0 ? toPaths(changed.text) : null,
    nologin: toPaths(nologin.text),
  });
}

function toPid(text: string): number | null {
  const pid = Number(/^[1-9]\d*$/m.exec(text)?.[0] ?? 0);
  return pid === 0 ? null : pid;
}

function toFolder(text: string): SshdDaemon['privilegeFolder'] {
  const path = /^folder (\/.*)$/m.exec(text)?.[1];
  const stat = /^stat (\d+) ([0-7]+)$/m.exec(text);
  if (path === undefined) {
    return null;
  }
  if (stat === null) {
    return /^missing$/m.test(text) ? { path, state: 'missing' } : null;
  }
  const safe = stat[1] === '0' && (Number.parseInt(stat[2] ?? '', 8) & 0o022) === 0;
  return { path, state: safe ? 'ok' : 'unsafe' };
}

// sshkey_perm_ok: only root's own files are checked. The group ssh_keys of RHEL may read them (0640).
function toOpenKeys(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, uid, gid, mode = '', path = ''] = /^(\d+) (\d+) ([0-7]{1,5}) (\/.*)$/.exec(line) ?? [];
    const bits = Number.parseInt(mode, 8) & 0o077;
    const bySshKeys = gid !== '0' && bits === 0o040;
    return uid === '0' && bits !== 0 && !bySshKeys ? [path] : [];
  });
}

function toPaths(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('/'));
}
