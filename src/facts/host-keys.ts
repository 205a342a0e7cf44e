import { fingerprint } from '../core/fingerprint.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { findSshd } from './sshd.ts';

/** The host keys that sshd is told to use, or its defaults. */
export interface HostKeys {
  readonly keys: readonly HostKey[];
}

/** One private host key file. */
export interface HostKey {
  readonly path: string;
  /**
   * `ok`; `missing`; `empty`; `corrupt`: no key can be read from it; `encrypted`: it needs a
   * passphrase, so nobody can say; `not-a-file`: a directory, link to nowhere or device.
   */
  readonly state: 'ok' | 'missing' | 'empty' | 'corrupt' | 'encrypted' | 'not-a-file';
  /** The public key as `type base64`, where the private one can be read. */
  readonly publicKey: string | null;
  /** `SHA256:…`, where the private key can be read. */
  readonly fingerprint: string | null;
}

// The names come from the effective configuration; where it cannot be printed (no usable key is
// itself a reason for that), from the text of the configuration; else they are sshd's defaults.
const pathsSh = `${findSshd}
key_paths() {
  s=$(sshd_path) || return 1
  out=$(limit 20 "$s" -T 2>/dev/null || limit 20 "$s" -G 2>/dev/null ||
    sed -n 's/^[[:space:]]*[Hh][Oo][Ss][Tt][Kk][Ee][Yy][[:space:]=]\\{1,\\}"\\{0,1\\}\\([^"#[:space:]]*\\)"\\{0,1\\}[[:space:]]*\\(#.*\\)\\{0,1\\}$/hostkey \\1/p' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf 2>/dev/null)
  paths=$(printf '%s\\n' "$out" | sed -n 's/^hostkey //p' | grep '^/' | grep -v '\\.pub$')
  if [ -n "$paths" ]; then printf '%s\\n' "$paths"
  else for t in rsa ecdsa ed25519; do printf '/etc/ssh/ssh_host_%s_key\\n' "$t"; done; fi
}`;

// ssh-keygen refuses a key file with loose modes; read through a pipe, only the key itself counts.
// An encrypted key it reads twice, which a pipe does not allow, so its own words say nothing then: the
// text does. `b3Bl…` is "openssh-key-v1" with the name of a cipher behind it, `BG5vbmU` is "none".
const keysSh = `${pathsSh}
have ssh-keygen || exit 127
key_paths | while IFS= read -r k; do
  printf 'key %s\\n' "$k"
  if [ ! -e "$k" ] && [ ! -L "$k" ]; then echo 'state missing'; continue; fi
  if [ ! -f "$k" ]; then echo 'state not-a-file'; continue; fi
  if [ ! -s "$k" ]; then echo 'state empty'; continue; fi
  public=$(head -c 65536 "$k" | limit 20 ssh-keygen -y -P '' -f /dev/stdin 2>/dev/null) && {
    echo 'state ok'
    printf 'public %s\\n' "$public"
    continue
  }
  said=$(head -c 65536 "$k" | limit 20 ssh-keygen -y -P '' -f /dev/stdin 2>&1 >/dev/null)
  case $said$(head -c 400 "$k" | tr -d '\\000\\r\\n') in
    *b3BlbnNzaC1rZXktdjEAAAAABG5vbmU*) echo 'state corrupt' ;;
    *passphrase* | *b3BlbnNzaC1rZXktdjEAAAAA* | *,ENCRYPTED* | *'BEGIN ENCRYPTED'*) echo 'state encrypted' ;;
    *) echo 'state corrupt' ;;
  esac
done`;

/** Each host key of sshd, whether it can be used, and its fingerprint. */
export const hostKeysFact: Fact<undefined, HostKeys> = {
  name: 'host-keys',
  summary: 'the host keys of sshd: missing, empty, corrupt or good, with fingerprints',
  slow: false,
  read: () => [{ part: 'keys', sh: keysSh }],
  parse: parseHostKeys,
};

const states = ['ok', 'missing', 'empty', 'corrupt', 'encrypted', 'not-a-file'] as const;

function parseHostKeys(parts: Parts): Observed<HostKeys> {
  const part = parts.get('keys');
  if (part === undefined || part.status !== 0) {
    return unknown(
      part?.status === 127
        ? 'ssh-keygen is not there'
        : `host keys could not be read: ${part?.errors ?? ''}`,
    );
  }
  const keys = part.text
    .split(/^key (?=\/)/m)
    .slice(1)
    .map((section): HostKey => {
      const said = /^state (.+)$/m.exec(section)?.[1]?.trim();
      // What ssh-keygen says beside it is no key.
      const [, publicKey = null, base64 = null] =
        /^public ([\w@.-]+ ([\w+/]+=*))(?: |$)/m.exec(section) ?? [];
      return {
        path: section.slice(0, section.indexOf('\n')),
        state: states.find((state) => state === said) ?? 'corrupt',
        publicKey,
        fingerprint: base64 === null ? null : fingerprint({ base64 }),
      };
    });
  return keys.length === 0
    ? unknown('sshd is not installed, so it has no host keys')
    : known({ keys });
}
