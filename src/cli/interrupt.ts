import { writeSync } from 'node:fs';
import type { RunEvent } from '../core/event.ts';
import { settleWords } from '../run/apply-failure.ts';

/** The person's wish to stop. */
export interface Interrupt {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** 130 or 143 where a signal came, else null. */
  readonly status: number | null;
  /** Keeps in mind which run is armed, for the words of the second signal. */
  watch(event: RunEvent): void;
  stop(): void;
}

const statuses: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGINT: 130,
  SIGTERM: 143,
  SIGHUP: 129,
};

/**
 * The first signal stops at the next safe point and takes back what was begun. A second one leaves at
 * once: the guard on the host stays armed, and the words say how to settle it.
 */
export function watchInterrupts(): Interrupt {
  const controller = new AbortController();
  const names = Object.keys(statuses) as NodeJS.Signals[];
  let status: number | null = null;
  let armed: { readonly runId: string; readonly seconds: number } | null = null;
  // Between the sending of a stage and the host's word that it is armed, nobody knows.
  let sent = false;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = statuses[name] ?? 143;
    if (status !== null) {
      say(
        armed !== null
          ? leftWords(armed)
          : sent
            ? sentWords
            : 'Left at once. Nothing is armed on the host.',
      );
      // Nothing written is 130; changes that wait for their guard need a person.
      process.exit(armed === null && !sent ? code : 3);
    }
    status = code;
    say(
      armed === null
        ? 'Stopping; once more leaves at once.'
        : 'Stopping: what was begun is taken back. Once more leaves at once; the guard on the host then does it.',
    );
    controller.abort();
  };
  names.forEach((name) => process.on(name, onSignal));
  return {
    signal: controller.signal,
    get status() {
      return status;
    },
    watch(event) {
      if (event.type === 'phase' && event.phase === 'apply') {
        sent = true;
      } else if (event.type === 'armed') {
        armed = event;
      } else if (event.type === 'settled') {
        armed = null;
        sent = false;
      } else if (event.type === 'phase-failed' && event.phase === 'apply' && armed === null) {
        sent = false;
      }
    },
    stop: () => names.forEach((name) => process.off(name, onSignal)),
  };
}

const sentWords =
  'Left at once. The program may be on its way to the host. If it begins, it takes everything back by itself: nobody confirms it.\nTo see whether it has begun, and how it stands:\n    remedy status';

function leftWords({ runId, seconds }: { runId: string; seconds: number }): string {
  return `Left at once. The guard on the host is armed: unless run ${runId} is confirmed, it takes everything back within ${seconds} s after the last change.\n${settleWords(runId)}`;
}

// The terminal may be gone; that must not stop us.
function say(text: string): void {
  try {
    writeSync(process.stderr.fd, `\n${text}\n`);
  } catch {
    // Nobody is there to read it.
  }
}
