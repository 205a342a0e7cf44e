import { scenarios } from './scenarios.ts';
import { describeKills } from './short.ts';

// The short form, but minutes long: a guard waits twice as long as a run needs, and by console that is long.
describeKills('console', scenarios);
