import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Failure, FailureCode } from '../../../src/core/failure.ts';
import type { Result } from '../../../src/core/result.ts';
import type { Exit, Route, Session } from '../../../src/route/route.ts';
import { leftHere } from './traces.ts';

/** A route and what its surroundings can do. */
export interface Stand {
  readonly route: Route;
  /**
   * Ends the connection of the session that is open, as a line does that fails. Absent where there
   * is no connection.
   */
  readonly breakConnection?: () => Promise<void>;
  /** Makes the line whole again; absent where a broken one needs no mending. */
  readonly mend?: () => Promise<void>;
  /** The same route, each stuck in one phase, with a short limit for it. */
  readonly stuck: readonly StuckRoute[];
  /** Processes and files on the host that are there for this route, one line each. */
  readonly leftThere: () => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

/** A way in that does not come further than one phase. */
export interface StuckRoute {
  /** `connect`, `handshake`, `login`, `first answer`. */
  readonly phase: string;
  readonly route: Route;
  /** The code of the failure that names it. */
  readonly code: FailureCode;
}

/** What differs from route to route. */
export interface ConformanceOptions {
  /** Bytes of the long program and of the long output; 1 MiB and 10 MiB unless given. */
  readonly sizes?: { readonly programBytes: number; readonly outputBytes: number };
  /** The limit of each test, in milliseconds. */
  readonly timeoutMs?: number;
  /** Time without output after which a run is lost, where the test waits for that; milliseconds. */
  readonly silenceMs?: number;
  /**
   * How a program that a signal ended is told. A command that leads to a shell cannot tell its own
   * death from that of the shell: there it is `lost`, which claims nothing.
   */
  readonly signalIs?: 'signal' | 'lost';
  /** True where a program goes on over a new connection, and its end is told. */
  readonly resumes?: boolean;
}

const never = new AbortController().signal;
const idleMs = 60_000;

/** What came of a program. */
interface Ran {
  readonly result: Result<Exit, Failure>;
  readonly output: Buffer;
}

/**
 * Declares the tests that every route must pass. The tests of one route run one after the other, with
 * one session at a time, so that a line which carries only one can be tried.
 */
export function describeConformance(
  name: string,
  makeStand: () => Promise<Stand>,
  options: ConformanceOptions = {},
): void {
  const { programBytes, outputBytes } = options.sizes ?? {
    programBytes: 1024 * 1024,
    outputBytes: 10 * 1024 * 1024,
  };
  const { timeoutMs = 60_000, silenceMs = 300, signalIs = 'signal', resumes = false } = options;

  describe(`${name} conforms`, { timeout: timeoutMs }, () => {
    let stand: Stand;

    beforeAll(async () => {
      stand = await makeStand();
    });

    afterAll(async () => {
      await stand.close();
    });

    async function open(): Promise<Session> {
      const opened = await stand.route.open(never);
      if (!opened.ok) {
        throw new Error(JSON.stringify(opened.error, null, 2));
      }
      onTestFinished(async () => opened.value.close());
      return opened.value;
    }

    const limits = { timeout: timeoutMs / 2, interval: 100 };

    /** What is here when all of an earlier test is gone. */
    async function whenCalm(): Promise<readonly string[]> {
      await expect.poll(async () => stand.leftThere(), limits).toEqual([]);
      return leftHere();
    }

    async function expectNothingLeft(before: readonly string[]): Promise<void> {
      await expect.poll(async () => stand.leftThere(), limits).toEqual([]);
      await expect.poll(async () => withoutOnce(await leftHere(), before), limits).toEqual([]);
    }

    test('connects: a root shell, by the route that was asked for', async () => {
      const session = await open();
      expect(session.kind).toBe(stand.route.kind);
      expect(session.description).toBe(stand.route.description);
      expect(['root', 'sudo', 'sudo-password']).toContain(session.elevation);
    });

    test('programs run one after the other, each in a shell of its own', async () => {
      const session = await open();
      expect(textOf(await run(session, 'x=1; cd /; printf one'))).toBe('one');
      expect(textOf(await run(session, 'printf "%s" "${x-unset}"'))).toBe('unset');
      expect(textOf(await run(session, ':'))).toBe('');
    });

    test(`a program of ${size(programBytes)} arrives byte for byte`, async () => {
      const session = await open();
      const text = awkwardText(programBytes);
      const ran = await run(session, `sha256sum <<'remedy-end'\n${text}\nremedy-end`);
      expect(textOf(ran).slice(0, 64)).toBe(sha256(Buffer.from(`${text}\n`)));
    });

    test(`${size(outputBytes)} of output arrive byte for byte`, async () => {
      const session = await open();
      const program = `file=$(mktemp) && head -c ${outputBytes} /dev/urandom >"$file"
sha256sum <"$file"; cat "$file"; rm "$file"`;
      const { result, output } = await run(session, program);
      expect(result).toEqual({ ok: true, value: { type: 'code', code: 0 } });
      const bytes = output.subarray(output.indexOf('\n') + 1);
      expect(bytes.length).toBe(outputBytes);
      expect(sha256(bytes)).toBe(output.toString('latin1', 0, 64));
    });

    test('what goes to standard error is not output, however much it is', async () => {
      const session = await open();
      const flood = `head -c ${Math.ceil(outputBytes / 4)} /dev/zero | tr '\\0' x >&2`;
      const { result, output } = await run(session, `${flood}; echo done; exit 3`);
      expect(result).toEqual({ ok: true, value: { type: 'code', code: 3 } });
      expect(output.toString()).toBe('done\n');
      expect(session.errorOutput?.().length ?? 0).toBeLessThanOrEqual(8192);
    });

    test('there is nothing to read on standard input', async () => {
      const session = await open();
      expect(textOf(await run(session, 'cat; echo after'))).toBe('after\n');
    });

    test.each([0, 1, 42, 125, 255])('exit status %i', async (code) => {
      const session = await open();
      expect((await run(session, `exit ${code}`)).result).toEqual({
        ok: true,
        value: { type: 'code', code },
      });
    });

    test(`a program that a signal ended: ${signalIs}`, async () => {
      const session = await open();
      const { result } = await run(session, 'kill -KILL $$');
      expect(result).toMatchObject({
        ok: true,
        value: signalIs === 'signal' ? { type: 'signal', name: 'SIGKILL' } : { type: 'lost' },
      });
    });

    test('an abort beforehand: nothing is begun', async () => {
      const opened = await stand.route.open(AbortSignal.abort());
      expect(opened).toMatchObject({ ok: false, error: { code: 'interrupted' } });
      const session = await open();
      const { result, output } = await run(session, 'echo begun', AbortSignal.abort());
      expect(result).toMatchObject({ ok: false, error: { code: 'interrupted' } });
      expect(output.toString()).toBe('');
    });

    test('an abort in the midst of a program: lost, and the program ends', async () => {
      const here = await whenCalm();
      const session = await open();
      const controller = new AbortController();
      const result = await session.run('while :; do echo on; sleep 1; done', {
        onOutput: () => controller.abort(),
        signal: controller.signal,
        idleMs,
      });
      expect(result).toEqual({
        ok: true,
        value: { type: 'lost', because: 'it was stopped from here' },
      });
      await session.close();
      await expectNothingLeft(here);
    });

    test('a program that says nothing for too long is lost', async () => {
      const session = await open();
      const result = await session.run(`sleep ${Math.ceil((3 * silenceMs) / 1000) + 1}`, {
        onOutput: () => {},
        signal: never,
        idleMs: silenceMs,
      });
      expect(result).toEqual({
        ok: true,
        value: { type: 'lost', because: `no output for ${silenceMs / 1000} s` },
      });
    });

    test('each phase of coming in has its limit, and an abort ends the waiting', async () => {
      const here = await whenCalm();
      for (const { phase, route, code } of stand.stuck) {
        const opened = await route.open(never);
        expect(opened, phase).toMatchObject({ ok: false, error: { code } });
        const controller = new AbortController();
        setImmediate(() => controller.abort());
        const aborted = await route.open(controller.signal);
        expect(aborted, phase).toMatchObject({ ok: false, error: { code: 'interrupted' } });
      }
      await expectNothingLeft(here);
    });

    test(`a connection that breaks: the program ${resumes ? 'goes on' : 'is lost'}, and a new one can be opened`, async (context) => {
      const { breakConnection, mend } = stand;
      if (breakConnection === undefined) {
        context.skip('there is no connection that could break');
        return;
      }
      const session = await open();
      const chunks: Buffer[] = [];
      const result = await session.run('echo begun; sleep 2', {
        onOutput: (chunk) => {
          if (chunks.push(chunk) === 1) {
            void breakConnection();
          }
        },
        signal: never,
        idleMs,
      });
      expect(result).toMatchObject({ ok: true, value: { type: resumes ? 'code' : 'lost' } });
      expect(Buffer.concat(chunks).toString()).toBe('begun\n');
      await session.close();
      await mend?.();
      expect(textOf(await run(await open(), 'echo again'))).toBe('again\n');
    });

    test('closing leaves nothing behind, here or there', async () => {
      const here = await whenCalm();
      const used = await open();
      await run(used, 'echo used');
      await used.close();
      await expectNothingLeft(here);
      const unused = await open();
      await unused.close();
      await unused.close();
      await expectNothingLeft(here);
    });
  });
}

async function run(session: Session, program: string, signal = never): Promise<Ran> {
  const chunks: Buffer[] = [];
  const onOutput = (chunk: Buffer): void => {
    chunks.push(chunk);
  };
  const result = await session.run(program, { onOutput, signal, idleMs });
  return { result, output: Buffer.concat(chunks) };
}

/** The output of a program that must have ended well. */
function textOf({ result, output }: Ran): string {
  expect(result).toEqual({ ok: true, value: { type: 'code', code: 0 } });
  return output.toString();
}

/** What is there more often than before. */
function withoutOnce(now: readonly string[], before: readonly string[]): string[] {
  const left = [...before];
  return now.filter((one) => {
    const at = left.indexOf(one);
    return at < 0 || left.splice(at, 1).length === 0;
  });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Lines of all lengths, with whatever a shell, a terminal or a line of text could trip over. */
function awkwardText(bytes: number): string {
  const tricky = '\'"\\`$(id) ${HOME} !! %s # ~ * \t \r \u0003\u0004\u0011\u0013\u001b[2J é€😀 ';
  const parts: string[] = [];
  let left = bytes;
  for (let line = 0; left > 0; line += 1) {
    const length = [0, 1, 80, 4095, 4096, 20_000][line % 6] ?? 0;
    const text = tricky.repeat(Math.ceil(length / tricky.length)).slice(0, length);
    parts.push(`${line} ${text} `);
    left -= Buffer.byteLength(parts.at(-1) ?? '') + 1;
  }
  return parts.join('\n').replaceAll(/[\ud800-\udbff](?![\udc00-\udfff])/g, '?');
}

function size(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${bytes / 1024 / 1024} MB` : `${bytes / 1024} KB`;
}
