import type { Root } from './lab.ts';

/** True in `npm run test:full`: every release is tried, where the short tier tries one of each kind. */
export const isFull = process.env['REMEDY_FULL'] === '1';

/** The releases that a test is repeated on. */
export const releases: readonly Root[] = isFull ? ['debian12', 'debian13'] : ['debian12'];

/** As `releases`, of hosts whose firewall is iptables alone. */
export const iptablesReleases: readonly Root[] = isFull
  ? ['debian12-iptables', 'debian13-iptables']
  : ['debian13-iptables'];
