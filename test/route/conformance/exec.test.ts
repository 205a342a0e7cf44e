import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createExecRoute } from '../../../src/route/exec.ts';
import type { Argv } from '../../../src/core/quote.ts';
import type { Route } from '../../../src/route/route.ts';
import { makeMark } from './mark.ts';
import { describeConformance, type Stand } from './suite.ts';

async function execStand(): Promise<Stand> {
  const mark = makeMark();
  const pidFile = join(mark.folder, 'pid');
  const route = (argv: Argv, replyMs?: number): Route =>
    createExecRoute({
      argv,
      environment: mark.environment,
      sudoPassword: null,
      askSudoPassword: async () => null,
      ...(replyMs === undefined ? {} : { replyMs }),
    });
  return {
    route: route(['sh', '-c', `echo $$ >'${pidFile}'; exec sh`]),
    breakConnection: async () => {
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
    },
    stuck: [{ phase: 'first answer', route: route(['sleep', '60'], 300), code: 'route-timeout' }],
    leftThere: async () => mark.left(),
    close: async () => mark.remove(),
  };
}

describeConformance('the exec route', execStand, { signalIs: 'lost' });
