/** The folder in which sshd looks for relative names in `Include` (SSHDIR of the build). */
export const sshFolder = '/etc/ssh';

/** The pattern that sshd hands to glob(3) for one word of an `Include` line. */
export function includePattern(word: string): string {
  return word.startsWith('/') || word.startsWith('~') ? word : `${sshFolder}/${word}`;
}

/** Whether glob(3) without flags finds a path by a pattern: no braces, no leading dot, byte for byte. */
export function globMatches(pattern: string, path: string): boolean {
  const wanted = pattern.replace(/\/+/g, '/').split('/');
  const parts = path.replace(/\/+/g, '/').split('/');
  return (
    wanted.length === parts.length &&
    wanted.every((one, index) => componentMatches(one, parts[index] ?? ''))
  );
}

function componentMatches(pattern: string, name: string): boolean {
  if (name.startsWith('.') && !pattern.startsWith('.') && !pattern.startsWith('\\.')) {
    return false;
  }
  return matchFrom(tokens(pattern), name);
}

type Token =
  | { readonly type: 'any' }
  | { readonly type: 'one'; readonly takes: (char: string) => boolean };

// Greedy with one point to come back to, so that hostile patterns take no exponential time.
function matchFrom(pattern: readonly Token[], name: string): boolean {
  let at = 0;
  let index = 0;
  let star = -1;
  let mark = 0;
  while (at < name.length) {
    const token = pattern[index];
    if (token?.type === 'any') {
      star = index;
      mark = at;
      index += 1;
    } else if (token !== undefined && token.takes(name[at] ?? '')) {
      index += 1;
      at += 1;
    } else if (star >= 0) {
      index = star + 1;
      mark += 1;
      at = mark;
    } else {
      return false;
    }
  }
  return pattern.slice(index).every(({ type }) => type === 'any');
}

function tokens(pattern: string): Token[] {
  const found: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at] ?? '';
    const set = char === '[' ? bracket(pattern, at) : null;
    if (char === '*') {
      found.push({ type: 'any' });
    } else if (char === '?') {
      found.push({ type: 'one', takes: () => true });
    } else if (set !== null) {
      found.push({ type: 'one', takes: set.takes });
      at = set.end;
    } else {
      const literal = char === '\\' && at + 1 < pattern.length ? (pattern[(at += 1)] ?? '') : char;
      found.push({ type: 'one', takes: (one) => one === literal });
    }
  }
  return found;
}

function bracket(
  pattern: string,
  start: number,
): { takes: (char: string) => boolean; end: number } | null {
  const negated = pattern[start + 1] === '!' || pattern[start + 1] === '^';
  const first = start + (negated ? 2 : 1);
  const end = pattern.indexOf(']', first + 1);
  if (end < 0) {
    return null;
  }
  const ranges = [...pattern.slice(first, end).matchAll(/(.)-(.)|(.)/gs)].map(
    ([, low, high, one]) => [low ?? one ?? '', high ?? one ?? ''] as const,
  );
  return {
    takes: (char) => ranges.some(([low, high]) => char >= low && char <= high) !== negated,
    end,
  };
}
