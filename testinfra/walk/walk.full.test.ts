import { testTable } from './table.ts';

testTable([
  { name: 'w12a', root: 'debian12', take: (index) => index % 2 === 0 },
  { name: 'w12b', root: 'debian12', take: (index) => index % 2 === 1 },
  { name: 'w13a', root: 'debian13', take: (index) => index % 2 === 0 },
  { name: 'w13b', root: 'debian13', take: (index) => index % 2 === 1 },
]);
