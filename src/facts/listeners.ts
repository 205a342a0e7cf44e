import { normalAddress } from '../core/net.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** The TCP sockets that listen. */
export interface Listeners {
  readonly sockets: readonly Listener[];
}

/** One listening socket. */
export interface Listener {
  /** `*` where it takes both families, else an address; `0.0.0.0` and `::` are wildcards. */
  readonly address: string;
  readonly port: number;
  /** Program names that hold it; empty where they are not known. */
  readonly processes: readonly string[];
  /** Their process ids; missing or empty where they are not known. */
  readonly pids?: readonly number[];
}

/** Listening TCP sockets, by ss(8), or by /proc/net where there is no ss. */
export const listenersFact: Fact<undefined, Listeners> = {
  name: 'listeners',
  summary: 'the TCP sockets that listen, and the programs that hold them',
  slow: false,
  read: () => [
    { part: 'ss', sh: 'have ss || exit 127\nlimit 10 ss -Hltnp' },
    {
      part: 'proc',
      // State 0A is LISTEN; a busy host has ten thousands of the others.
      sh: `set -- /proc/net/tcp
[ ! -r /proc/net/tcp6 ] || set -- "$@" /proc/net/tcp6
grep -hE '^ *[0-9]+: [0-9A-F:]+ [0-9A-F:]+ 0A ' "$@" || [ "$?" = 1 ]`,
    },
  ],
  parse: parseListeners,
};

function parseListeners(parts: Parts): Observed<Listeners> {
  const ss = parts.get('ss');
  const proc = parts.get('proc');
  if (ss?.status === 0) {
    return known({ sockets: ss.text.split('\n').flatMap(parseSsLine) });
  }
  if (proc?.status === 0) {
    return known({ sockets: proc.text.split('\n').flatMap(parseProcLine) });
  }
  return unknown(
    `listening sockets could not be read: ${ss?.errors || proc?.errors || 'no ss, no /proc/net/tcp'}`,
  );
}

// LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=38,fd=4))
function parseSsLine(line: string): Listener[] {
  const fields = line.trim().split(/\s+/);
  const local = /^(.*):(\d+)$/.exec(fields[3] ?? '');
  if (fields[0] !== 'LISTEN' || local === null) {
    return [];
  }
  // The zone stands behind the bracket: [fe80::1]%eth0:22.
  const address = (local[1] ?? '').replace(/%.*$/, '').replace(/^\[|\]$/g, '');
  const holders = [...line.matchAll(/\("([^"]*)",pid=(\d+)/g)];
  const processes = holders.map((match) => match[1] ?? '');
  return [
    {
      address: normalAddress(address) ?? address,
      port: Number(local[2]),
      processes: [...new Set(processes)],
      pids: [...new Set(holders.map((match) => Number(match[2])))],
    },
  ];
}

// The kernel prints each 32-bit word of an address in the host's byte order (proc(5)); both byte
// orders that Linux still runs on with SSH servers in numbers are little-endian.
function parseProcLine(line: string): Listener[] {
  const match = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:0000 0A /.exec(line);
  if (match === null) {
    return [];
  }
  const words = (match[1] ?? '').match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).toReversed());
  const text =
    bytes.length === 4
      ? bytes.map((byte) => Number.parseInt(byte, 16)).join('.')
      : (bytes.join('').match(/.{4}/g) ?? []).join(':');
  const address = normalAddress(text) ?? '*';
  return [
    {
      address: address === '::' ? '*' : address,
      port: Number.parseInt(match[2] ?? '', 16),
      processes: [],
    },
  ];
}
