import { agentLines, loaderLines, type AgentOptions } from './agent.ts';
import type { Answers } from './answers.ts';
import { posixCrc } from './check.ts';
import type { UpFrame } from './frame.ts';
import type { Line } from './line.ts';

const maxInFlight = 1100;
const giveUpAfter = 5;
const mostRefused = 12;
const leastMs = 300;

/** A line and what comes back over it. */
export interface LoaderWay {
  readonly line: Line;
  readonly answers: Answers;
  /** How long the loader's first word is waited for, in milliseconds. */
  readonly firstMs: number;
}

/**
 * Types the loader into the shell that reads the line now, and brings it the agent, line by line. Gives
 * the agent's first words; null where it did not come so far.
 */
export async function loadAgent(way: LoaderWay, options: AgentOptions): Promise<UpFrame | null> {
  const { line, answers } = way;
  const lines = agentLines(options);
  const typed = performance.now();
  line.type(`${loaderLines(options.nonce).join('\r')}\r`);
  let wanted = await answers.nextNumber(way.firstMs);
  const nextMs = Math.max(leastMs, 4 * (performance.now() - typed));
  let sent = 0;
  let quiet = 0;
  let refused = 0;
  // A loader that was damaged may answer, and never take a line.
  let stalled = 0;
  while (wanted !== null && quiet < giveUpAfter && refused < mostRefused && stalled < mostRefused) {
    if (wanted === lines.length) {
      // Said again where the agent's first words were lost: it answers to this with them.
      line.type(`${runLine(lines, refused)}\r`);
      const hello = await answers.next(({ verb }) => verb === 'P', nextMs * (1 + quiet));
      if (hello !== null) {
        return hello;
      }
    } else {
      sent = sendFrom(line, lines, wanted, sent);
    }
    const next = await nextWanted(way, wanted, wanted === lines.length ? 0 : nextMs * (1 + quiet));
    if (next === null) {
      quiet += 1;
      sent = wanted;
      // What is left of a damaged line ends here.
      line.type('\r');
      continue;
    }
    if (next === lines.length && wanted === lines.length) {
      refused += 1;
      // Wrong in the same way again and again: a line has come otherwise than it was sent.
      if (refused % 4 === 0) {
        line.type('new\r');
      }
    }
    quiet = 0;
    stalled = next > wanted ? 0 : stalled + 1;
    sent = next <= wanted ? next : sent;
    wanted = next;
  }
  return null;
}

/** The line that lets the loader run what it has; without cksum on the host the value must be empty. */
function runLine(lines: readonly string[], refused: number): string {
  const text = lines.map((one) => `${one}\n`).join('');
  const crc = refused % 4 < 3 ? ` ${posixCrc(Buffer.from(text, 'latin1'))}` : '';
  return `run ${text.length}${crc}`;
}

/** The number that the loader wants next; null where it is silent. */
async function nextWanted(
  { answers }: LoaderWay,
  wanted: number,
  timeoutMs: number,
): Promise<number | null> {
  const said = await answers.nextNumber(timeoutMs);
  if (said === null || said > wanted) {
    return said;
  }
  // What comes behind a line that was thrown away is thrown away, too: the last word on it counts.
  await answers.quiet(120);
  return (await answers.nextNumber(0)) ?? said;
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
