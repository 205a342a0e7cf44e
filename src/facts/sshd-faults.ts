import { quote } from '../core/quote.ts';
import { cleanLine } from '../core/clean.ts';
import { known, request, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { parseFiles, printFiles, type HostFile } from './files.ts';
import { runSshd } from './sshd-run.ts';

/** What sshd refuses in its configuration: all of it, not only the first. */
export interface SshdFaults {
  readonly faults: readonly SshdFault[];
  /** Files with NUL bytes, as a loss of power leaves them. */
  readonly binary: readonly string[];
  /** What sshd still says with those lines commented out; empty where it is content. */
  readonly left: readonly string[];
  /** False where the host allows no mount namespace, so that more faults may hide behind these. */
  readonly complete: boolean;
  /** Copies of sshd_config that packages keep on the host, the best first. */
  readonly originals: readonly HostFile[];
}

/** One line that sshd refuses. */
export interface SshdFault {
  readonly file: string;
  /** First line, 1-based; in a file of `binary`, with its NUL bytes taken out. */
  readonly line: number;
  /** Last line: a refused Match takes its whole block along, which would else count for others. */
  readonly last: number;
  /** sshd's own words, without file and line. */
  readonly why: string;
}

/** Most lines that are tried; a file with more faults is no configuration. */
const maxFaults = 100;

// sshd stops at the first line that it cannot use. In a mount namespace of its own, each refused line is
// commented out in a copy that lies over the file, until sshd is content: nobody else sees it, and
// nothing of it is left. A Match line takes its block along.
const searchScript = String.raw`
mount --make-rprivate / || exit 125
bin=$1
if [ -d /run ] && [ ! -d /run/sshd ]; then mount -t tmpfs none /run && mkdir -m 755 /run/sshd || exit 125; fi
mount -t tmpfs none /tmp && mkdir /tmp/f && : >/tmp/f/index || exit 125
nl='
'
match='^[ 	]*"\{0,1\}[Mm][Aa][Tt][Cc][Hh]["= 	]'
count=0
copy_of() {
  while read -r i p; do [ "$p" != "$1" ] || { printf '/tmp/f/%s\n' "$i"; return; }; done </tmp/f/index
}
editable() {
  copy=$(copy_of "$1")
  [ -z "$copy" ] || return 0
  [ -f "$1" ] || return 1
  count=$((count + 1)); copy=/tmp/f/$count
  cp -- "$1" "$copy" && mount --bind "$copy" "$1" && printf '%s %s\n' "$count" "$1" >>/tmp/f/index
}
edit() { sed "$1" "$copy" >/tmp/x && cat /tmp/x >"$copy"; }
fault() {
  editable "$1" || return 1
  case $(sed -n "$2s/^[ 	]*//;$2p" "$copy") in '' | '#'*) return 1 ;; esac
  end=$2
  if sed -n "$2p" "$copy" | grep -q "$match"; then
    end=$(sed -n "$(($2 + 1)),\$ { /$match/ { =;q; } }" "$copy")
    if [ -n "$end" ]; then end=$((end - 1)); else end=$(($(wc -l <"$copy") + 1)); fi
    [ "$end" -ge "$2" ] || end=$2
  fi
  edit "$2,$end s/^/#/"
  printf 'fault %s %s %s\n' "$2" "$end" "$1"
  printf 'why %s\n' "$3"
  hit=1
}
search() {
  for f in /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*; do
    [ -f "$f" ] || continue
    for k in $(grep -n -i -e "$1" "$f" | grep -F -e "$2" | sed 's/:.*//'); do
      [ -z "$4" ] || [ "$k" = "$4" ] || continue
      fault "$f" "$k" "$3" && return
    done
  done
}
for f in /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*; do
  [ -f "$f" ] || continue
  [ "$(tr -d '\000' <"$f" | wc -c)" = "$(wc -c <"$f")" ] && continue
  editable "$f" && tr -d '\000' <"$f" >/tmp/x && cat /tmp/x >"$copy" && printf 'binary %s\n' "$f"
done
set -f; IFS=$nl; round=0
while [ "$round" -lt ${maxFaults} ]; do
  round=$((round + 1))
  out=$("$bin" -t 2>&1) && { echo 'end'; exit 0; }
  # sshd ends its lines as a terminal wants them.
  out=$(printf '%s\n' "$out" | tr -d '\r')
  hit=
  for l in $out; do
    where=$(printf '%s\n' "$l" | sed -n 's/^\(\/[^:]*\):\{0,1\} line \([0-9][0-9]*\):\{0,1\} .*/\2 \1/p')
    set +f; unset IFS
    if [ -n "$where" ]; then fault "${'${where#* }'}" "${'${where%% *}'}" "$l"
    else
      case $l in
        "Invalid Match address argument '"*) search "$match" "$(printf '%s' "$l" | sed "s/.*argument '//; s/' at line.*//")" "$l" "${'${l##* }'}" ;;
        # A name that cannot be looked up now may be right.
        'bad addr or host: '*'Temporary failure'*) ;;
        'bad addr or host: '*) search '^[ 	]*listenaddress' "$(printf '%s' "$l" | sed 's/^bad addr or host: //; s/ (.*//')" "$l" '' ;;
        *'AuthorizedKeysCommand set without'*) search '^[ 	]*authorizedkeyscommand[ 	="]' '' "$l" '' ;;
        *'AuthorizedPrincipalsCommand set without'*) search '^[ 	]*authorizedprincipalscommand[ 	="]' '' "$l" '' ;;
      esac
    fi
    set -f; IFS=$nl
  done
  [ -n "$hit" ] || break
done
for l in $out; do printf 'left %s\n' "$l"; done
echo 'end'
`;

const originals = [
  '/usr/share/openssh/sshd_config',
  '/usr/etc/ssh/sshd_config',
  '/etc/ssh/sshd_config.ucf-dist',
  '/etc/ssh/sshd_config.dpkg-dist',
  '/etc/ssh/sshd_config.rpmnew',
  '/etc/ssh/sshd_config.apk-new',
  '/etc/ssh/sshd_config.pacnew',
];

/** Every line that sshd refuses, found in one observation that changes nothing. */
export const sshdFaultsFact: Fact<undefined, SshdFaults> = {
  name: 'sshd-faults',
  summary: 'every line of its configuration that sshd refuses, and why',
  slow: false,
  read: () => [
    {
      part: 'search',
      sh: `${runSshd}
s=$(sshd_path) || exit 127
if have unshare && unshare -m true 2>/dev/null; then
  limit 60 unshare -m sh -c ${quote(searchScript)} sh "$s" 2>&1
else
  echo alone
  sshd_say -t | sed -e 's/^/left /'
  echo end
fi`,
    },
    { part: 'originals', sh: printFiles(originals), long: true },
  ],
  parse: parseFaults,
};

/** The one request for what sshd refuses. */
export const sshdFaultsRequest = request(sshdFaultsFact, undefined);

function parseFaults(parts: Parts): Observed<SshdFaults> {
  const part = parts.get('search');
  if (part?.status === 127) {
    return unknown('sshd is not installed');
  }
  if (part === undefined || part.status !== 0 || !/^end$/m.test(part.text)) {
    return unknown(
      `sshd could not be asked what it refuses: ${cleanLine(part?.text ?? '') || part?.errors || 'no answer'}`,
    );
  }
  const read = readRecords(part.text);
  return known({
    ...read,
    originals: parseFiles(parts.get('originals')?.latin1 ?? ''),
  });
}

function readRecords(text: string): Omit<SshdFaults, 'originals'> {
  const faults: SshdFault[] = [];
  const binary: string[] = [];
  const left: string[] = [];
  const complete = !/^alone$/m.test(text);
  for (const record of text.split(/\r?\n/)) {
    const [, word, value = ''] = /^(fault|why|binary|left) (.*)$/.exec(record) ?? [];
    if (word === 'fault') {
      const [, line, last, file = ''] = /^(\d{1,7}) (\d{1,7}) (\/.*)$/.exec(value) ?? [];
      faults.push({ file, line: Number(line), last: Number(last), why: '' });
    } else if (word === 'why') {
      const fault = faults.pop();
      faults.push(...(fault === undefined ? [] : [{ ...fault, why: complaint(value) }]));
    } else if (word === 'binary') {
      binary.push(value);
    } else if (word === 'left') {
      const single = complete ? null : located(value);
      if (single === null) {
        left.push(cleanLine(value));
      } else {
        faults.push(single);
      }
    }
  }
  return { faults, binary, left: left.filter((one) => one !== ''), complete };
}

function located(value: string): SshdFault | null {
  const [, file, line] = /^(\/[^:]*):? line (\d{1,7}):? /.exec(value) ?? [];
  return file === undefined || line === undefined || /terminating/.test(value)
    ? null
    : { file, line: Number(line), last: Number(line), why: complaint(value) };
}

function complaint(value: string): string {
  return cleanLine(value.replace(/^\/[^:]*:? line \d+:? /, ''), 200);
}
