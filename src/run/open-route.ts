import type { Emit } from '../core/event.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Route, Session } from '../route/route.ts';

/** The session that could be opened, and by which route. */
export interface OpenRoute {
  readonly route: Route;
  readonly session: Session;
}

/** Tries the routes in the order given; the first that opens is taken. */
export async function openRoute(
  routes: readonly Route[],
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<OpenRoute, Failure>> {
  const failures: { route: Route; failure: Failure }[] = [];
  for (const route of routes) {
    emit({ type: 'phase', phase: 'connect', detail: route.description });
    const session = await route.open(signal);
    if (session.ok) {
      const root = {
        root: 'as root',
        sudo: 'root by sudo',
        'sudo-password': 'root by sudo with a password',
      }[session.value.elevation];
      emit({ type: 'phase-done', phase: 'connect', detail: `${route.description} (${root})` });
      return ok({ route, session: session.value });
    }
    emit({ type: 'phase-failed', phase: 'connect', failure: session.error });
    failures.push({ route, failure: session.error });
    if (session.error.code === 'interrupted') {
      break;
    }
  }
  return fail(joinFailures(failures));
}

function joinFailures(failures: readonly { route: Route; failure: Failure }[]): Failure {
  const last = failures.at(-1);
  if (failures.length === 1 && last !== undefined) {
    return last.failure;
  }
  // A refused key or password needs a person more than a closed door does.
  const worst =
    failures.find(
      ({ failure }) => failure.code.startsWith('host-key') || failure.code === 'auth-failed',
    ) ?? last;
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
