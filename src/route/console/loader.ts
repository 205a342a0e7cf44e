import { agentLines, loaderLines, type AgentOptions } from './agent.ts';
import type { Answers } from './answers.ts';
import { posixCrc } from './check.ts';
import type { UpFrame } from './frame.ts';
import type { Line } from './line.ts';

const maxInFlight = 1100;
const startMs = 15_000;

/** A line and what comes back over it. */
export interface LoaderWay {
  readonly line: Line;
  readonly answers: Answers;
  /** How long the loader's first word is waited for, and each word after it, in milliseconds. */
  readonly firstMs: number;
  readonly nextMs: number;
}

/**
 * Types the loader into the shell that reads the line now, and brings it the agent, line by line. Gives
 * the agent's first words; null where it did not come so far.
 */
export async function loadAgent(way: LoaderWay, options: AgentOptions): Promise<UpFrame | null> {
  const { line, answers } = way;
  const lines = agentLines(options);
  const text = lines.map((one) => `${one}\n`).join('');
  const run = `run ${text.length}`;
  line.type(`${loaderLines(options.nonce).join('\r')}\r`);
  let wanted = await answers.nextNumber(way.firstMs);
  let sent = 0;
  let quiet = 0;
  let refused = 0;
  while (wanted !== null && quiet < 4 && refused < 4) {
    if (wanted === lines.length) {
      // Without cksum on the host the second number is empty.
      const crc = refused % 2 === 0 ? ` ${posixCrc(Buffer.from(text, 'latin1'))}` : '';
      line.type(`${run}${crc}\r`);
      const hello = await answers.next(
        ({ verb }) => verb === 'P',
        quiet === 0 ? way.nextMs : startMs,
      );
      if (hello !== null) {
        return hello;
      }
    } else {
      sent = sendFrom(line, lines, wanted, sent);
    }
    const next = await answers.nextNumber(way.nextMs);
    if (next === null) {
      quiet += 1;
      sent = wanted;
      // What is left of a damaged line ends here.
      line.type('\r');
      continue;
    }
    quiet = 0;
    if (next === 0 && wanted === lines.length) {
      refused += 1;
    }
    // The same one wanted again: what came after it was thrown away.
    sent = next <= wanted ? next : sent;
    wanted = next;
  }
  return null;
}

/** Sends lines until enough is on its way; gives the number of the next one. */
function sendFrom(line: Line, lines: readonly string[], wanted: number, sent: number): number {
  let next = Math.max(sent, wanted);
  let inFlight = lines.slice(wanted, next).join('').length;
  while (next < lines.length && inFlight < maxInFlight) {
    const one = lines[next] ?? '';
    line.type(`${next} ${one.length} ${one}\r`);
    inFlight += one.length;
    next += 1;
  }
  return next;
}
