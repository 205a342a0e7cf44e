import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalRoute } from '../../../src/route/local.ts';
import { describeConformance, type Stand } from './suite.ts';
import { makeMark } from './mark.ts';

async function localStand(): Promise<Stand> {
  const mark = makeMark();
  const options = { sudoPassword: null, askSudoPassword: async () => null };
  // A shell that never answers stands before the real one.
  const folder = join(mark.folder, 'bin');
  mkdirSync(folder);
  writeFileSync(join(folder, 'sh'), '#!/bin/sh\nexec sleep 60\n');
  chmodSync(join(folder, 'sh'), 0o755);
  const deaf = { ...mark.environment, PATH: `${folder}:${process.env['PATH'] ?? ''}` };
  return {
    route: createLocalRoute({ ...options, environment: mark.environment }),
    stuck: [
      {
        phase: 'first answer',
        route: createLocalRoute({ ...options, environment: deaf, replyMs: 300 }),
        code: 'route-timeout',
      },
    ],
    leftThere: async () => mark.left(),
    close: async () => mark.remove(),
  };
}

describeConformance('the local route', localStand);
