import { describe, expect, it } from 'vitest';
import { didYouMean, suggest } from '../../src/core/suggest.ts';

describe('suggest', () => {
  it.each([
    ['ufw-rul', 'ufw-rule'],
    ['UFW-Rule', 'ufw-rule'],
    ['prot', 'port'],
    ['uwf', 'ufw'],
  ])('finds what was meant by %s', (word, expected) => {
    expect(suggest(word, ['service', 'ufw-rule', 'port', 'ufw'])).toBe(expected);
  });

  it.each(['', 'banana', 'x', 'a'.repeat(5000)])('stays silent about %j', (word) => {
    expect(suggest(word, ['service', 'ufw-rule', 'port'])).toBeNull();
  });

  it('makes a question of it', () => {
    expect(didYouMean('prot', ['port'])).toBe(' Did you mean «port»?');
    expect(didYouMean('banana', ['port'])).toBe('');
  });
});
