import type { Verdict } from './ruleset.ts';

/** Reads the words of one saved rule from left to right. */
export class WordReader {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  atEnd(): boolean {
    return this.#at >= this.#words.length;
  }

  next(): string {
    const word = this.#words[this.#at] ?? '';
    this.#at += 1;
    return word;
  }

  take(word: string): boolean {
    const found = this.#words[this.#at] === word;
    this.#at += found ? 1 : 0;
    return found;
  }

  /** Words up to the next option, joined: the values of an option that is not known. */
  rest(): string {
    const start = this.#at;
    while (!this.atEnd() && !/^(?:-[a-zA-Z]$|--|!$)/.test(this.#words[this.#at] ?? '')) {
      this.#at += 1;
    }
    return this.#words.slice(start, this.#at).join(' ');
  }
}

const continuing = new Set([
  'LOG',
  'NFLOG',
  'ULOG',
  'TRACE',
  'CONNMARK',
  'SET',
  'AUDIT',
  'CT',
  'TCPMSS',
  'CHECKSUM',
  'TOS',
  'DSCP',
  'TTL',
  'HL',
  'TEE',
  'CLASSIFY',
  'SECMARK',
  'CONNSECMARK',
  'MASQUERADE',
  'SNAT',
  'NETMAP',
  'TCPOPTSTRIP',
]);

/** Reads what stands behind `-j` or `-g`: the target and its options (iptables-extensions(8)). */
export function readTarget(word: '-j' | '-g', reader: WordReader): Verdict {
  const target = reader.next();
  const options = targetOptions(reader);
  if (word === '-g') {
    return { kind: 'goto', target };
  }
  switch (target) {
    case 'ACCEPT':
      return { kind: 'accept' };
    case 'RETURN':
      return { kind: 'return' };
    case 'DROP':
    case 'TARPIT':
    case 'STEAL':
      return { kind: 'drop', how: target };
    case 'REJECT':
      return { kind: 'reject', how: options.get('--reject-with') ?? 'icmp-port-unreachable' };
    case 'MARK':
      return { kind: 'set-mark' };
    case 'NOTRACK':
      return { kind: 'untrack' };
    case 'CT':
      return options.has('--notrack') ? { kind: 'untrack' } : { kind: 'continue' };
    case 'REDIRECT':
      return { kind: 'redirect', port: firstPort(options.get('--to-ports')) };
    case 'DNAT':
      return divert(options.get('--to-destination') ?? '');
    case 'NFQUEUE':
    case 'QUEUE':
    case 'SYNPROXY':
      return { kind: 'unknown', text: `-j ${target}` };
    default:
      return continuing.has(target) ? { kind: 'continue' } : { kind: 'jump', target };
  }
}

// Everything behind a target belongs to the target, apart from `-m` matches, which ufw's own files
// put there; iptables-save never does.
function targetOptions(reader: WordReader): Map<string, string> {
  const options = new Map<string, string>();
  while (!reader.atEnd()) {
    options.set(reader.next(), reader.rest());
  }
  return options;
}

function firstPort(text: string | undefined): number | null {
  const port = Number.parseInt(text ?? '', 10);
  return Number.isNaN(port) ? null : port;
}

function divert(destination: string): Verdict {
  const parsed = /^\[?([0-9a-fA-F.:]*?)\]?(?::(\d+))?$/.exec(destination);
  const v6 = destination.includes('[') || (destination.match(/:/g)?.length ?? 0) > 1;
  if (v6 && !destination.startsWith('[')) {
    return { kind: 'divert', address: destination, port: null };
  }
  return { kind: 'divert', address: parsed?.[1] || null, port: firstPort(parsed?.[2]) };
}
