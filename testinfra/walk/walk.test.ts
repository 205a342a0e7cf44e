import { testTable } from './table.ts';

// Every second row, each on one release; walk.full.test.ts takes all on both.
testTable([
  { name: 'even', root: 'debian12', take: (index) => index % 4 === 0 },
  { name: 'odd', root: 'debian12', take: (index) => index % 4 === 3 },
  { name: 'newer', root: 'debian13', take: (index) => index % 8 === 1 },
]);
