import type { Match, PortRange, Rule, Verdict } from './ruleset.ts';
import { readTarget, WordReader } from './iptables-target.ts';

type SetLookup = (name: string) => readonly string[] | null;

/**
 * Reads one `-A CHAIN …` line of iptables-save(8). What it does not know becomes an `unknown` match,
 * never a guess.
 */
export function parseIptablesRule(
  line: string,
  sets: SetLookup,
): { chain: string; rule: Rule } | null {
  const words = splitSaved(line).map((word) => longOptions.get(word) ?? word);
  const chain = words[1];
  if (words[0] !== '-A' || chain === undefined) {
    return null;
  }
  const reader = new WordReader(words.slice(2));
  const matches: Match[] = [];
  let verdict: Verdict = { kind: 'continue' };
  while (!reader.atEnd()) {
    const negate = reader.take('!');
    const word = reader.next();
    if (word === '-j' || word === '-g') {
      verdict = readTarget(word, reader);
    } else {
      matches.push(...readMatch(word, negate, reader, sets));
    }
  }
  return { chain, rule: { handle: null, text: line, matches, verdict } };
}

// Files that people write may use the long forms (iptables(8)); iptables-save never does.
const longOptions: ReadonlyMap<string, string> = new Map([
  ['--append', '-A'],
  ['--source', '-s'],
  ['--src', '-s'],
  ['--destination', '-d'],
  ['--dst', '-d'],
  ['--protocol', '-p'],
  ['--proto', '-p'],
  ['--in-interface', '-i'],
  ['--out-interface', '-o'],
  ['--jump', '-j'],
  ['--goto', '-g'],
  ['--match', '-m'],
  ['--destination-port', '--dport'],
  ['--destination-ports', '--dports'],
]);

/** Splits a saved line into words; values with blanks stand in double quotes with `\` escapes. */
export function splitSaved(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    words.push(match[2] ?? (match[1] ?? '').replace(/\\(.)/g, '$1'));
  }
  return words;
}

// Written for rate limits: a single polite client is under every limit, so "up to" holds and
// "above" does not.
const rateOptions: ReadonlyMap<string, boolean> = new Map([
  ['--limit', true],
  ['--hashlimit', true],
  ['--hashlimit-upto', true],
  ['--hashlimit-above', false],
  ['--connlimit-upto', true],
  ['--connlimit-above', false],
  ['--quota', true],
]);

// Options that only set a detail of a match that another option decides.
const details = new Set([
  '--limit-burst',
  '--hashlimit-burst',
  '--hashlimit-mode',
  '--hashlimit-name',
  '--hashlimit-srcmask',
  '--hashlimit-dstmask',
  '--hashlimit-htable-size',
  '--hashlimit-htable-max',
  '--hashlimit-htable-expire',
  '--hashlimit-htable-gcinterval',
  '--connlimit-mask',
  '--seconds',
  '--reap',
  '--name',
  '--mask',
  '--rttl',
  '--comment',
  '--connlimit-saddr',
  '--connlimit-daddr',
  '--rsource',
  '--rdest',
  '--return-nomatch',
]);
const flagDetails = new Set([
  '--reap',
  '--rttl',
  '--connlimit-saddr',
  '--connlimit-daddr',
  '--rsource',
  '--rdest',
  '--return-nomatch',
]);

function readMatch(word: string, negate: boolean, reader: WordReader, sets: SetLookup): Match[] {
  switch (word) {
    case '-m':
      return moduleMatch(reader.next());
    case '-s':
    case '--src-range':
      return [{ kind: 'source', nets: reader.next().split(','), negate }];
    case '-d':
    case '--dst-range':
      return [{ kind: 'destination', nets: reader.next().split(','), negate }];
    case '-i':
      return [{ kind: 'interface', names: [reader.next().replace(/\+$/, '*')], negate }];
    case '-o':
      reader.next();
      return [assume(negate, 'an incoming packet has no outgoing interface')];
    case '-p':
      return [{ kind: 'protocol', names: [reader.next()], negate }];
    case '--dport':
    case '--dports':
      return [portMatch(reader.next(), negate)];
    case '--state':
    case '--ctstate':
      return [{ kind: 'state', states: reader.next().toLowerCase().split(','), negate }];
    case '--ctdir':
      return [
        assume(
          (reader.next() === 'ORIGINAL') !== negate,
          'a new connection runs in the original direction',
        ),
      ];
    case '--dst-type':
      return [
        assume(
          reader
            .next()
            .split(',')
            .some((type) => type === 'LOCAL' || type === 'UNICAST') !== negate,
          'the endpoint address is local',
        ),
      ];
    case '--src-type':
      return [
        assume(
          reader.next().split(',').includes('UNICAST') !== negate,
          'the client address is not local',
        ),
      ];
    case '--pkt-type':
      return [assume((reader.next() === 'unicast') !== negate, 'a login is sent to one host')];
    case '--mark':
      return [markMatch(reader.next(), negate)];
    case '--match-set':
      return [setMatch(reader.next(), reader.next(), negate, sets)];
    case '--rt-type':
    case '--fragid':
      reader.next();
      return [assume(negate, 'a login carries no such IPv6 extension header')];
    case '-f':
      return [assume(negate, 'the first packet is no later fragment')];
    case '--syn':
      return [assume(!negate, 'the first packet is a SYN')];
    case '--tcp-flags':
      return [flagsMatch(reader.next(), reader.next(), negate)];
    case '--set':
      return [assume(!negate, 'recent: the address is added')];
    case '--update':
    case '--rcheck':
    case '--remove':
      return [recentMatch(word, negate, reader)];
    case '--invert':
    case '--validmark':
    case '--loose':
    case '--accept-local':
      return [];
    default:
      return otherMatch(word, negate, reader);
  }
}

function otherMatch(word: string, negate: boolean, reader: WordReader): Match[] {
  const rate = rateOptions.get(word);
  if (rate !== undefined) {
    return [
      assume(rate !== negate, `${word} ${reader.next()}: one polite client is under the limit`),
    ];
  }
  if (details.has(word)) {
    if (!flagDetails.has(word)) {
      reader.next();
    }
    return [];
  }
  return [{ kind: 'unknown', text: `${negate ? '! ' : ''}${word} ${reader.rest()}`.trim() }];
}

// A module that stands without options still decides (`-m socket`); the ones here never do.
function moduleMatch(name: string): Match[] {
  if (name === 'rpfilter') {
    return [assume(false, 'the reverse path is taken to be right')];
  }
  if (name === 'socket') {
    return [{ kind: 'unknown', text: '-m socket' }];
  }
  return [];
}

function recentMatch(word: string, negate: boolean, reader: WordReader): Match {
  const start = `recent ${word}`;
  const rest = reader.rest();
  return negate
    ? { kind: 'unknown', text: `! ${start} ${rest}` }
    : assume(false, `${start}: a client that comes rarely is not on the list`);
}

function setMatch(name: string, direction: string, negate: boolean, sets: SetLookup): Match {
  const nets = sets(name);
  if (nets === null || direction !== 'src') {
    return { kind: 'unknown', text: `${negate ? '! ' : ''}--match-set ${name} ${direction}` };
  }
  return { kind: 'source', nets, negate };
}

function markMatch(text: string, negate: boolean): Match {
  const [value = '', mask = '0xffffffff'] = text.split('/');
  return { kind: 'mark', value: Number(value), mask: Number(mask), negate };
}

// A SYN has, of all flags, only SYN set (RFC 9293, section 3.5).
function flagsMatch(mask: string, set: string, negate: boolean): Match {
  const looked = mask === 'ALL' ? ['SYN'] : mask.split(',').filter((flag) => flag === 'SYN');
  const wanted = set === 'NONE' ? [] : set.split(',');
  return assume((looked.join() === wanted.join()) !== negate, 'the first packet is a SYN');
}

function assume(holds: boolean, text: string): Match {
  return { kind: 'assumed', holds, text };
}

// A service name other than ours would have to be looked up on the host.
function portMatch(text: string, negate: boolean): Match {
  const ranges = portRanges(text.replace(/\bssh\b/g, '22'));
  return ranges.some(({ first, last }) => Number.isNaN(first) || Number.isNaN(last))
    ? { kind: 'unknown', text: `${negate ? '! ' : ''}--dport ${text}` }
    : { kind: 'port', ranges, negate };
}

/** Reads `22`, `22,80`, `8000:8010`, `:1023`. */
export function portRanges(text: string): PortRange[] {
  return text.split(',').map((part) => {
    const [first = '', last] = part.split(':');
    return {
      first: first === '' ? 0 : Number(first),
      last: last === undefined ? Number(first) : last === '' ? 65535 : Number(last),
    };
  });
}
