import type { Emit } from '../core/event.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Route, RouteKind, Session } from '../route/route.ts';

/** One route that was tried, in the order of trying. */
export interface RouteAttempt {
  readonly kind: RouteKind;
  readonly description: string;
  /** Why it did not open; null for the one that was taken. */
  readonly failure: Failure | null;
}

/** The session that could be opened, and by which route. */
export interface OpenRoute {
  readonly route: Route;
  readonly session: Session;
  readonly tried: readonly RouteAttempt[];
}

/** No route opened. */
export interface NoRoute {
  readonly failure: Failure;
  readonly tried: readonly RouteAttempt[];
}

/** Tries the routes in the order given, each once; the first that opens is taken. */
export async function openRoute(
  routes: readonly Route[],
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<OpenRoute, NoRoute>> {
  const tried: RouteAttempt[] = [];
  const failures: { route: Route; failure: Failure }[] = [];
  for (const route of routes) {
    const { kind, description } = route;
    emit({ type: 'phase', phase: 'connect', detail: description });
    const session = await route.open(signal);
    tried.push({ kind, description, failure: session.ok ? null : session.error });
    if (session.ok) {
      const root = {
        root: 'as root',
        sudo: 'root by sudo',
        'sudo-password': 'root by sudo with a password',
      }[session.value.elevation];
      emit({ type: 'phase-done', phase: 'connect', detail: `${description} (${root})` });
      return ok({ route, session: session.value, tried });
    }
    emit({ type: 'phase-failed', phase: 'connect', failure: session.error });
    failures.push({ route, failure: session.error });
    if (session.error.code === 'interrupted') {
      break;
    }
  }
  return fail({ failure: joinFailures(failures), tried });
}

function joinFailures(failures: readonly { route: Route; failure: Failure }[]): Failure {
  const last = failures.at(-1);
  if (failures.length === 1 && last !== undefined) {
    return last.failure;
  }
  if (last?.failure.code === 'interrupted') {
    return last.failure;
  }
  // A refused key or password needs a person more than a closed door does.
  const worst = failures.find(({ failure }) => needsPerson(failure)) ?? last;
  return {
    code: worst?.failure.code ?? 'internal',
    what: `None of the ${failures.length} routes opened.`,
    why: failures
      .map(({ route, failure }) => `${route.description}: ${failure.what} ${failure.why}`)
      .join('\n'),
    access: nothingChanged,
    todo: worst?.failure.todo ?? '',
  };
}

function needsPerson({ code }: Failure): boolean {
  return (
    code.startsWith('host-key') ||
    code === 'auth-failed' ||
    code === 'key-unusable' ||
    code === 'no-sudo' ||
    code === 'sudo-password'
  );
}
