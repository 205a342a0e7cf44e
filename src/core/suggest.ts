import leven from 'leven';

/** Words longer than this are no typing mistake, and comparing them would cost time. */
const longestWord = 100;

/** The candidate that was probably meant, or null where none is near enough to be worth saying. */
export function suggest(word: string, candidates: Iterable<string>): string | null {
  if (word.length === 0 || word.length > longestWord) {
    return null;
  }
  const wanted = word.toLowerCase();
  const allowed = Math.max(word.length <= 3 ? 1 : 2, Math.floor(word.length / 3));
  let nearest: string | null = null;
  let shortest = allowed + 1;
  for (const candidate of candidates) {
    const distance = measure(wanted, candidate.toLowerCase(), shortest);
    if (distance < shortest) {
      nearest = candidate;
      shortest = distance;
    }
  }
  return nearest;
}

/** Two letters swapped, as in `uwf` for `ufw`, count little more than one mistake. */
function measure(wanted: string, candidate: string, maxDistance: number): number {
  const distance = leven(wanted, candidate, { maxDistance: Math.max(3, maxDistance) });
  return distance === 2 && letters(wanted) === letters(candidate) ? 1.5 : distance;
}

function letters(word: string): string {
  return Array.from(word).toSorted().join('');
}

/** ` Did you mean «open-port»?` with its leading space, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const nearest = suggest(word, candidates);
  return nearest === null ? '' : ` Did you mean «${nearest}»?`;
}
