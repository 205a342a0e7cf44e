import { readdirSync } from 'node:fs';
import { consoleOf, isRoot } from '../console/support.ts';
import { describeConformance, type Stand } from './suite.ts';

async function consoleStand(): Promise<Stand> {
  // Others may have a console open in this very moment.
  const mark = `conform${process.pid}`;
  const { host, route } = consoleOf({}, { mark, times: { quiet: 300, settle: 100 } });
  const mute = consoleOf(
    {},
    { command: 'stty raw -echo; exec cat >/dev/null', times: { quiet: 300, answer: 800 } },
  );
  return {
    route,
    breakConnection: async () => host.cut(),
    stuck: [{ phase: 'first answer', route: mute.route, code: 'route-timeout' }],
    leftThere: async () =>
      readdirSync('/run').filter((name) => name.startsWith(`remedy-console-${mark}`)),
    close: async () => {
      host.end();
      mute.host.end();
    },
  };
}

if (isRoot) {
  const isFull = process.env['REMEDY_FULL'] === '1';
  describeConformance('the console route, on a pseudo terminal', consoleStand, {
    ...(!isFull && { sizes: { programBytes: 64 * 1024, outputBytes: 256 * 1024 } }),
    timeoutMs: isFull ? 600_000 : 120_000,
    silenceMs: 1000,
    resumes: true,
  });
} else {
  process.stderr.write('SKIPPED: the conformance of the console route needs root\n');
}
