import { known, request, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { findSshd } from './sshd-run.ts';

/** What hosts_access(5) says, where sshd asks it at all. */
export interface TcpWrappers {
  /** True where this sshd is linked with libwrap; elsewhere the files mean nothing to it. */
  readonly linked: boolean;
  readonly allow: readonly WrapperRule[];
  readonly deny: readonly WrapperRule[];
}

/** One line of hosts.allow or hosts.deny; a line that ends with a backslash goes on in the next. */
export interface WrapperRule {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** hosts.allow and hosts.deny, and whether sshd is linked with the library that reads them. */
export const tcpWrappersFact: Fact<undefined, TcpWrappers> = {
  name: 'tcp-wrappers',
  summary: 'hosts.allow and hosts.deny, and whether sshd is linked with libwrap',
  slow: false,
  read: () => [
    // The name of the library stands in the binary; ldd would run it. Since OpenSSH 9.8 the part of
    // sshd that serves a connection is a program of its own.
    {
      part: 'linked',
      sh: `${findSshd}
s=$(sshd_path) || exit 127
set -- "$s"
for f in /usr/lib/openssh/sshd-session /usr/libexec/openssh/sshd-session /usr/libexec/sshd-session /usr/lib/ssh/sshd-session; do
  [ ! -f "$f" ] || set -- "$@" "$f"
done
if grep -qaF libwrap.so "$@"; then echo linked; else echo not-linked; fi`,
    },
    { part: 'allow', sh: '[ ! -e /etc/hosts.allow ] || head -c 262144 /etc/hosts.allow' },
    { part: 'deny', sh: '[ ! -e /etc/hosts.deny ] || head -c 262144 /etc/hosts.deny' },
  ],
  parse: parseTcpWrappers,
};

/** The request for hosts_access. */
export const tcpWrappersRequest = request(tcpWrappersFact, undefined);

function parseTcpWrappers(parts: Parts): Observed<TcpWrappers> {
  const linked = parts.get('linked');
  const word = linked?.text.trim();
  if (linked?.status !== 0 || (word !== 'linked' && word !== 'not-linked')) {
    return unknown(
      linked?.status === 127 ? 'sshd is not installed' : 'sshd could not be looked at for libwrap',
    );
  }
  const allow = parts.get('allow');
  const deny = parts.get('deny');
  if (word === 'linked' && (allow?.status !== 0 || deny?.status !== 0)) {
    return unknown('hosts.allow and hosts.deny could not be read');
  }
  return known({
    linked: word === 'linked',
    allow: toRules('/etc/hosts.allow', allow?.text ?? ''),
    deny: toRules('/etc/hosts.deny', deny?.text ?? ''),
  });
}

// hosts_access(5): empty lines and those that begin with # are ignored.
function toRules(file: string, text: string): WrapperRule[] {
  const rules: WrapperRule[] = [];
  let open: { line: number; text: string } | null = null;
  for (const [index, raw] of text.split('\n').entries()) {
    const line: number = open?.line ?? index + 1;
    const joined: string = (open?.text ?? '') + raw;
    if (joined.endsWith('\\')) {
      open = { line, text: joined.slice(0, -1) };
      continue;
    }
    open = null;
    if (joined.trim() !== '' && !joined.startsWith('#')) {
      rules.push({ file, line, text: joined });
    }
  }
  return rules;
}
