import { isIP } from 'node:net';
import { quote } from '../core/quote.ts';
import type { Session } from './route.ts';

/** A random word in two halves. The halves are sent apart, so that an echo is no answer. */
export interface Nonce {
  readonly first: string;
  readonly second: string;
}

/** The whole word, as only the host can say it. */
export function joinNonce(nonce: Nonce): string {
  return nonce.first + nonce.second;
}

/** Splits 32 hexadecimal digits into a nonce. */
export function makeNonce(hex: string): Nonce {
  return { first: `remedy-${hex.slice(0, 16)}`, second: hex.slice(16) };
}

/** What the prologue tells us, one line each. */
export type Report =
  /** The first word: a shell runs. `uid` is null where `id` gave nothing. */
  | {
      readonly type: 'hello';
      readonly uid: number | null;
      readonly connection: Session['connection'];
    }
  /** A root shell reads its standard input now. */
  | { readonly type: 'ready'; readonly elevation: Session['elevation'] }
  /** There is no sudo. */
  | { readonly type: 'missing' }
  /** sudo does not work without a password; `why` is what it said. It waits for `goAhead`. */
  | { readonly type: 'need'; readonly why: string };

/** The line that lets the host start sudo, once the password is at hand. */
export const goAhead = 'go\n';

/**
 * The text that turns a plain `sh` into a root shell. It is one block, so that a text which is cut
 * off runs nothing. Nothing may be sent after it before `ready`: a shell reads its input in blocks
 * and would keep what is meant for the next one.
 *
 * @param marker starts each report line.
 * @param prompt is what sudo prompts with; another word, so that neither is mistaken for the other.
 */
export function prologue(marker: Nonce, prompt: Nonce): string {
  const start = `LC_ALL=C; export LC_ALL; printf "\\n%s%s ready %s\\n" ${marker.first} ${marker.second} "$0"; exec sh`;
  return `{
LC_ALL=C; export LC_ALL
PATH="\${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; export PATH
remedy_say() { printf '\\n%s%s %s\\n' ${marker.first} ${marker.second} "$*"; }
remedy_user=$(id -u 2>/dev/null)
remedy_say hello "\${remedy_user:-unknown}" "\${SSH_CONNECTION-}"
if [ "$remedy_user" = 0 ]; then exec sh -c ${quote(start)} root; fi
if ! command -v sudo >/dev/null 2>&1; then remedy_say missing; exit 1; fi
if remedy_error=$(sudo -n sh -c : </dev/null 2>&1); then exec sudo -n sh -c ${quote(start)} sudo; fi
set -f
remedy_say need $remedy_error
IFS= read -r remedy_go
if [ "$remedy_go" = go ]; then
exec sudo -S -p ${prompt.first}""${prompt.second} sh -c ${quote(start)} sudo-password
fi
exit 1
}
`;
}

/** Parses what stands after the marker on a report line; null where it is no report of ours. */
export function parseReport(text: string): Report | null {
  const [, word, rest = ''] = /^ (hello|ready|missing|need)(?: ([^\r\n]*))?\r?$/.exec(text) ?? [];
  switch (word) {
    case 'hello':
      return parseHello(rest);
    case 'ready':
      return rest === 'root' || rest === 'sudo' || rest === 'sudo-password'
        ? { type: 'ready', elevation: rest }
        : null;
    case 'missing':
      return { type: 'missing' };
    case 'need':
      return { type: 'need', why: rest };
    default:
      return null;
  }
}

function parseHello(text: string): Report {
  const [uid = '', ...connection] = text.trim().split(' ');
  return {
    type: 'hello',
    uid: /^\d{1,10}$/.test(uid) ? Number(uid) : null,
    connection: parseConnection(connection),
  };
}

// SSH_CONNECTION of ssh(1): client address, client port, server address, server port.
function parseConnection(words: readonly string[]): Session['connection'] {
  const [client = '', , server = '', port = ''] = words;
  const address = withoutZone(client);
  const serverAddress = withoutZone(server);
  const serverPort = Number(port);
  const isWhole =
    words.length === 4 &&
    isIP(address) !== 0 &&
    isIP(serverAddress) !== 0 &&
    /^\d{1,5}$/.test(port);
  return isWhole ? { client: { address, assumed: false }, serverAddress, serverPort } : null;
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, '');
}

/** Why sudo will not let us in, as far as its words tell. */
export type SudoRefusal = 'needs-tty' | 'not-allowed' | 'wrong-password' | 'other';

/** Reads the words of sudo (in the C locale), of sudo-rs and of PAM. */
export function readSudoRefusal(text: string): SudoRefusal {
  if (/must have a tty|no tty present and no askpass/i.test(text)) {
    return 'needs-tty';
  }
  if (
    /not in the sudoers|not allowed to (execute|run)|may not run sudo|I'm sorry .* I'm afraid/i.test(
      text,
    )
  ) {
    return 'not-allowed';
  }
  return /try again|incorrect password|authentication fail|maximum \d+ incorrect/i.test(text)
    ? 'wrong-password'
    : 'other';
}
