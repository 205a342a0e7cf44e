import type * as Library from '@lydell/node-pty';
import { quoteArgv, type Argv } from '../../core/quote.ts';
import type { Wire } from './wire.ts';

/** script(1) of util-linux gives its command a terminal; it starts with no size, which some refuse. */
export function underScript(argv: Argv): Argv {
  const command = `stty rows 24 cols 250 2>/dev/null; exec ${quoteArgv(argv)}`;
  return ['script', '-qefc', command, '/dev/null'];
}

/**
 * A command on a terminal of its own, by `@lydell/node-pty` where a person has installed that. Null where
 * it is not there or cannot work here: script(1) is used then.
 */
export async function openPty(
  argv: Argv,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Wire | null> {
  const library = await loadLibrary();
  if (library === null) {
    return null;
  }
  const [command, ...words] = argv;
  const name = environment['TERM'] ?? 'vt220';
  const options = { name, rows: 24, cols: 250, env: { ...environment }, encoding: null };
  const terminal = library.spawn(command, words, options);
  const closed = new Promise<string>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      const how = signal === undefined || signal === 0 ? `status ${exitCode}` : `signal ${signal}`;
      resolve(`its command ended with ${how}`);
    });
  });
  return {
    // What is typed at a console is ASCII.
    write: (bytes) => terminal.write(bytes.toString('latin1')),
    // Without an encoding it gives bytes, whatever its types say.
    onData: (listener) => void terminal.onData((data: unknown) => listener(data as Buffer)),
    closed,
    close: async () => {
      terminal.kill('SIGHUP');
      await closed;
    },
  };
}

// Its binaries are for glibc: on another C library they load, and crash at the first use.
async function loadLibrary(): Promise<typeof Library | null> {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (process.platform === 'linux' && header?.glibcVersionRuntime === undefined) {
    return null;
  }
  return import('@lydell/node-pty').catch(() => null);
}
