import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/core/event.ts';
import type { Failure } from '../../src/core/failure.ts';
import { fail, ok } from '../../src/core/result.ts';
import type { Route, Session } from '../../src/route/route.ts';
import { Connection } from '../../src/run/connection.ts';
import { openRoute, type NoRoute, type OpenRoute } from '../../src/run/open-route.ts';
import { failure } from '../report/support/result.ts';

const never = new AbortController().signal;

/** A route that opens, or fails as told; it notes each try in `calls`. */
function routeNamed(description: string, calls: string[], shut: Partial<Failure> | null): Route {
  const session: Session = {
    kind: 'ssh',
    description,
    connection: null,
    elevation: 'root',
    run: async () => ok({ type: 'code', code: 0 }),
    close: async () => undefined,
  };
  return {
    kind: 'ssh',
    description,
    open: async () => {
      calls.push(description);
      return shut === null ? ok(session) : fail(failure(shut));
    },
  };
}

async function open(
  routes: readonly (readonly [string, Partial<Failure> | null])[],
): Promise<{ calls: string[]; events: RunEvent[]; opened: OpenRoute | NoRoute }> {
  const calls: string[] = [];
  const events: RunEvent[] = [];
  const made = routes.map(([name, shut]) => routeNamed(name, calls, shut));
  const result = await openRoute(made, (event) => events.push(event), never);
  return { calls, events, opened: result.ok ? result.value : result.error };
}

const refused = { code: 'connection-refused', what: 'It is shut.' } as const;

describe('the order of routes', () => {
  it('tries each once, takes the first that opens, and says why the others did not', async () => {
    const { calls, events, opened } = await open([
      ['first', refused],
      ['second', { code: 'exec-failed', what: 'No such command.' }],
      ['third', null],
      ['fourth', null],
    ]);
    expect(calls).toEqual(['first', 'second', 'third']);
    expect(opened.tried).toMatchObject([
      { kind: 'ssh', description: 'first', failure: { code: 'connection-refused' } },
      { description: 'second', failure: { code: 'exec-failed' } },
      { description: 'third', failure: null },
    ]);
    expect(events.map(({ type }) => type)).toEqual([
      'phase',
      'phase-failed',
      'phase',
      'phase-failed',
      'phase',
      'phase-done',
    ]);
    expect(events.at(-1)).toMatchObject({ detail: 'third (as root)' });
  });

  it('the failure of a single route is left as it is', async () => {
    const { opened } = await open([['only', refused]]);
    expect('failure' in opened && opened.failure).toEqual(failure(refused));
  });

  it('where none opens, all are named, and what needs a person decides', async () => {
    const { opened } = await open([
      ['first', { code: 'sudo-password', what: 'Wrong.', why: 'sudo said no', todo: 'Ask.' }],
      ['second', refused],
    ]);
    expect('failure' in opened && opened.failure).toMatchObject({
      code: 'sudo-password',
      what: 'None of the 2 routes opened.',
      why: 'first: Wrong. sudo said no\nsecond: It is shut. Why it did.',
      todo: 'Ask.',
    });
  });

  it('stops at once where the person stopped it', async () => {
    const { calls, opened } = await open([
      ['first', refused],
      ['second', { code: 'interrupted' }],
      ['third', null],
    ]);
    expect(calls).toEqual(['first', 'second']);
    expect('failure' in opened && opened.failure.code).toBe('interrupted');
  });

  it.each([
    ['the same host', true, 'second'],
    ['another host', false, null],
  ])('a connection that comes back by another route: %s', async (_, same, expected) => {
    const calls: string[] = [];
    const [first, second] = ['first', 'second'].map((name) => routeNamed(name, calls, null));
    const open = async (route: Route | undefined): Promise<OpenRoute> => {
      const result = await openRoute(route === undefined ? [] : [route], () => undefined, never);
      if (!result.ok) {
        throw new Error('nothing opened');
      }
      return result.value;
    };
    const connection = new Connection(await open(first), async () => ok(await open(second)));
    connection.mustBeSame(async () => same);
    connection.markLost();
    const restored = await connection.restore(performance.now() + 100, never);
    expect(restored?.description ?? null).toBe(expected);
  });

  it('a connection remembers what was tried', async () => {
    const { opened } = await open([
      ['first', refused],
      ['second', null],
    ]);
    if ('failure' in opened) {
      throw new Error('nothing opened');
    }
    const connection = new Connection(opened, async () => fail({ failure: failure(), tried: [] }));
    expect(connection.tried.map(({ description }) => description)).toEqual(['first', 'second']);
  });
});
