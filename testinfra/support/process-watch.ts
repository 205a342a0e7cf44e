import { fileURLToPath } from 'node:url';
import { start } from './process.ts';

/** A word that stood in the argv or the environment of a process. */
export interface Sight {
  readonly kind: 'argv' | 'environ';
  /** The name of the word. */
  readonly word: string;
  /** On a host; on the controller below remedy; or else the lab's own tools, and remedy itself. */
  readonly side: 'host' | 'child' | 'rig';
  readonly argv: string;
}

/** What a watch has seen. */
export interface Watched {
  readonly sights: readonly Sight[];
  /** Processes that were looked at when they began. */
  readonly seen: number;
  /** Processes that were gone before they could be looked at. */
  readonly missed: number;
}

/** Every process of the controllers and of all hosts, from its beginning on. */
export interface ProcessWatch {
  end(): Promise<Watched>;
}

const program = fileURLToPath(new URL('watch-processes.pl', import.meta.url));

/** Begins to watch all processes for words, by name. */
export async function watchProcesses(
  words: Readonly<Record<string, string>>,
): Promise<ProcessWatch> {
  let ready: () => void = () => undefined;
  const began = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const watch = start(['chrt', '--fifo', '50', 'perl', program], {
    stdin: Object.entries(words)
      .map((pair) => `${pair.join('\t')}\n`)
      .join(''),
    timeoutMs: 600_000,
    onLine: (line) => {
      if (line === 'ready') ready();
    },
  });
  const failed = watch.done.then((result) => {
    throw new Error(`the processes cannot be watched: ${result.stderr}`);
  });
  await Promise.race([began, failed]);
  failed.catch(() => undefined);
  return {
    async end() {
      watch.kill('SIGTERM');
      const { stdout, stderr } = await watch.done;
      const lines = stdout.split('\n').map((line) => line.split('\t'));
      const total = lines.find(([word]) => word === 'seen');
      if (total === undefined || stdout.includes('overrun')) {
        throw new Error(`the watch is not whole: ${stdout.slice(-500)}${stderr}`);
      }
      return { sights: lines.flatMap(toSight), seen: Number(total[1]), missed: Number(total[3]) };
    },
  };
}

function toSight([kind, word = '', side, , argv = '']: readonly string[]): Sight[] {
  return (kind === 'argv' || kind === 'environ') &&
    (side === 'host' || side === 'child' || side === 'rig')
    ? [{ kind, word, side, argv }]
    : [];
}
