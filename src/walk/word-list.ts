/** Whether a pattern or rule fits; `maybe` where it hangs on what nobody can look up here. */
export type Fits = 'yes' | 'no' | 'maybe';

/** The words of a list with commas or blanks between them. */
export function wordsOf(list: string | undefined): string[] {
  return (list ?? '').split(/[\s,]+/).filter((word) => word !== '');
}

/**
 * Whether a list of patterns fits: `a b EXCEPT c d EXCEPT e` is `(a b) without ((c d) without e)`, as
 * hosts_access(5) and access.conf(5) have it.
 */
export function fitsList(words: readonly string[], fits: (word: string) => Fits): Fits {
  const except = words.findIndex((word) => word.toUpperCase() === 'EXCEPT');
  const own = (except < 0 ? words : words.slice(0, except)).map(fits);
  const found: Fits = own.includes('yes') ? 'yes' : own.includes('maybe') ? 'maybe' : 'no';
  if (found === 'no' || except < 0) {
    return found;
  }
  const without = fitsList(words.slice(except + 1), fits);
  return without === 'yes' ? 'no' : without === 'maybe' ? 'maybe' : found;
}

/** Whether two patterns fit that must both fit. */
export function both(first: Fits, second: Fits): Fits {
  return first === 'no' || second === 'no'
    ? 'no'
    : first === 'maybe' || second === 'maybe'
      ? 'maybe'
      : 'yes';
}
