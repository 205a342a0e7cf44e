import type { FactRequest } from '../facts/fact.ts';
import { commonFunctions, environment } from './runtime.ts';
import { wrapProgram } from './wrap.ts';

/** Longest output of one part, in bytes; what is longer is cut, and the fact is then unknown. */
export const partCap = 4 * 1024 * 1024;

// Only the descriptors 3 to 9 are portable, one for each job but the last; one is kept for parts.
const maxJobs = 6;

// Each part is framed by lines that begin with the run's token: B, the output, X with the exit
// status, the error text, Z. A process more for each part is what a slow host notices: only what may be
// of any length has its output cut there.
const observeFunctions = String.raw`
part() {
  echo; line "$T B $1"
  { part_e=$("p$1" 2>&1 >&9); } 9>&1
  part_end "$1" "$?"
}
long_part() {
  echo; line "$T B $1"
  { part_e=$( { { ( "p$1" ); printf '\n%s' "$?" >&2; } | head -c ${partCap} >&9; } 2>&1 | tail -c 2000 ); } 9>&1
  part_s=${'${part_e##*'}
${'}'}
  part_e=${'${part_e%'}
${'*}'}
  part_end "$1" "$part_s"
}
part_end() {
  echo; line "$T X $1 $2"
  if [ ${'${#part_e}'} -gt 2000 ]; then line "$part_e" | tail -c 2000; else line "$part_e"; fi
  echo; line "$T Z $1"
}
`;

/** Where each numbered part of an observation belongs. */
export interface PartAddress {
  readonly key: string;
  readonly part: string;
}

/** A read-only program and the key to its records. */
export interface Observation {
  readonly program: string;
  readonly parts: readonly PartAddress[];
}

/**
 * Compiles fact requests into one read-only program. Slow facts run beside each other, each with a
 * pipe of its own, so that their outputs cannot mix; equal requests are gathered once.
 *
 * @param token the run's random token in hex; it frames the records.
 */
export function compileObservation(requests: readonly FactRequest[], token: string): Observation {
  const unique = [...new Map(requests.map((request) => [request.key, request])).values()];
  const parts: PartAddress[] = [];
  const functions: string[] = [];
  const jobs = toJobs(unique).map((job) =>
    job.flatMap((request) =>
      request.reads.map((read) => {
        parts.push({ key: request.key, part: read.part });
        const number = parts.length - 1;
        functions.push(`p${number}() {\n${read.sh}\n}`);
        return `${read.long === true ? 'long_part' : 'part'} ${number}`;
      }),
    ),
  );
  const jobText = jobs.map((job, index) => `j${index}() {\n${job.join('\n')}\n:\n}`);
  const body = `T=${token}\n${parallel(jobs.length)}\necho; line "$T done"`;
  return {
    program: wrapProgram(
      [environment, commonFunctions, observeFunctions, ...functions, ...jobText].join('\n'),
      body,
    ),
    parts,
  };
}

function toJobs(requests: readonly FactRequest[]): FactRequest[][] {
  const slow = requests.filter((request) => request.slow);
  const jobs: FactRequest[][] = [requests.filter((request) => !request.slow)];
  for (const [index, request] of slow.entries()) {
    const job = 1 + (index % (maxJobs - 1));
    jobs[job] = [...(jobs[job] ?? []), request];
  }
  return jobs;
}

// j0 | { exec 3<&0; j1 | { exec 4<&0; cat <&3; cat <&4; }; }: job after job is drained in order.
function parallel(count: number): string {
  const drain = Array.from({ length: count }, (_, index) => `cat <&${index + 3}`).join('; ');
  let text = drain;
  for (let index = count - 1; index >= 0; index -= 1) {
    text = `j${index} </dev/null | { exec ${index + 3}<&0; ${text}; }`;
  }
  return text;
}
