import { setTimeout as pause } from 'node:timers/promises';
import type { Result } from '../core/result.ts';
import type { Route, Session } from '../route/route.ts';
import type { NoRoute, OpenRoute, RouteAttempt } from './open-route.ts';

/** Opens one of the routes anew. */
export type Reopen = (signal: AbortSignal) => Promise<Result<OpenRoute, NoRoute>>;

/** Whether a session that another route opened is one on the same host. */
export type HostCheck = (session: Session, signal: AbortSignal) => Promise<boolean>;

const betweenMs = 2000;

/**
 * The way in that a run came by. Where the connection is lost it can be opened again: the host goes on
 * by itself, but a run must be confirmed, or told to take itself back.
 */
export class Connection {
  readonly route: Route;
  /** The routes that were tried first, and the one that was taken. */
  readonly tried: readonly RouteAttempt[];
  readonly #reopen: Reopen;
  #session: Session;
  #lost = false;
  #isSameHost: HostCheck | null = null;

  constructor(opened: OpenRoute, reopen: Reopen) {
    this.route = opened.route;
    this.tried = opened.tried;
    this.#session = opened.session;
    this.#reopen = reopen;
  }

  get session(): Session {
    return this.#session;
  }

  /** From now on a session by another route must be one on the same host. */
  mustBeSame(check: HostCheck): void {
    this.#isSameHost = check;
  }

  /** Says that the session is of no use any more; the next `restore` opens another. */
  markLost(): void {
    this.#lost = true;
  }

  /**
   * A session that works as far as is known: opens one where the last was lost, again and again until
   * `untilMs` (of `performance.now()`).
   */
  async restore(untilMs: number, signal: AbortSignal): Promise<Session | null> {
    while (this.#lost) {
      await this.#session.close();
      const left = untilMs - performance.now();
      if (left <= 0 || signal.aborted) {
        return null;
      }
      const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(left))]);
      const opened = await this.#reopen(limit);
      if (opened.ok && (await this.#mayUse(opened.value, limit))) {
        this.#session = opened.value.session;
        this.#lost = false;
        continue;
      }
      if (opened.ok) {
        await opened.value.session.close();
      }
      await pause(betweenMs, undefined, { signal: limit }).catch(() => undefined);
    }
    return this.#session;
  }

  async #mayUse({ route, session }: OpenRoute, signal: AbortSignal): Promise<boolean> {
    return route === this.route || this.#isSameHost === null || this.#isSameHost(session, signal);
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}
