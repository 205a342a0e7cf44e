import { isFull } from '../support/tier.ts';
import { scenarioNamed, scenarios } from './scenarios.ts';
import { describeKills } from './short.ts';

// What differs from ssh is how a run begins, is followed and comes back: one scenario shows that.
describeKills('console', isFull ? scenarios : [scenarioNamed('open-port')]);
