import type { PamEntry } from './pam-stack.ts';

/** What a module answers: PAM's word for it, and why; `null` where nobody can tell. */
export interface PamAnswer {
  /** `success`, `ignore`, `perm_denied`, `acct_expired`, `new_authtok_reqd`, `module_unknown` … */
  readonly says: string | null;
  readonly why: string;
}

/** What a whole stack comes to. */
export interface PamResult {
  /** PAM's word for the answer of the stack; null where it hangs on a module nobody can judge. */
  readonly says: string | null;
  /** The module that decides, and why. */
  readonly by: string;
}

interface State {
  readonly index: number;
  readonly impression: 'none' | 'good' | 'bad';
  readonly status: string;
  /** The answer that set the status. */
  readonly by: string;
  /** The last answer that was passed over and was no success: often the reason for a denial behind it. */
  readonly hint: string;
}

/** Most ways that are followed; more modules that nobody can judge make the stack unknown. */
const maxWays = 256;

/**
 * Runs a stack as libpam does (_pam_dispatch_aux in pam_dispatch.c). A module that nobody can judge
 * may succeed or fail: both ways are followed, and only where they differ is the result unknown.
 */
export function runStack(
  entries: readonly PamEntry[],
  judge: (entry: PamEntry) => PamAnswer,
): PamResult {
  const ends: State[] = [];
  const doubts: string[] = [];
  let open: State[] = [
    { index: 0, impression: 'none', status: 'perm_denied', by: 'no module decides', hint: '' },
  ];
  let steps = 0;
  while (open.length > 0) {
    steps += 1;
    const [state, ...rest] = open;
    open = rest;
    if (state === undefined) {
      break;
    }
    if (steps > maxWays * 32 || open.length > maxWays) {
      return { says: null, by: 'too many PAM modules cannot be judged' };
    }
    const entry = entries[state.index];
    if (entry === undefined) {
      ends.push(state);
      continue;
    }
    const answer = judge(entry);
    if (answer.says === null) {
      doubts.push(describe(entry, answer.why));
      open.push(
        step(entries, state, entry, 'success', answer.why),
        step(entries, state, entry, failure(entry), answer.why),
      );
    } else {
      open.push(step(entries, state, entry, answer.says, answer.why));
    }
  }
  return conclude(ends, doubts);
}

function failure(entry: PamEntry): string {
  return entry.task === 'session' ? 'session_err' : 'perm_denied';
}

function conclude(ends: readonly State[], doubts: readonly string[]): PamResult {
  const results = ends.map((end) => ({
    says: end.status === 'success' && end.impression !== 'good' ? 'perm_denied' : end.status,
    by: end.by,
  }));
  const [first] = results;
  if (first === undefined) {
    return { says: null, by: 'PAM has no stack for this' };
  }
  const allPass = results.every(({ says }) => says === 'success');
  const allFail = results.every(({ says }) => says !== 'success');
  return allPass || allFail
    ? (results.find(({ by }) => !doubts.includes(by)) ?? first)
    : { says: null, by: doubts[0] ?? first.by };
}

function step(
  entries: readonly PamEntry[],
  state: State,
  entry: PamEntry,
  says: string,
  why: string,
): State {
  const action = entry.actions[says] ?? entry.actions['default'] ?? 'bad';
  const by = describe(entry, why);
  const next = { ...state, index: state.index + 1 };
  switch (action) {
    case 'ignore':
      return ['success', 'ignore'].includes(says) || why === '' ? next : { ...next, hint: why };
    case 'reset':
      return { ...next, impression: 'none', status: 'perm_denied', by };
    case 'ok':
    case 'done': {
      const free =
        state.impression === 'none' || (state.impression === 'good' && state.status === 'success');
      const taken =
        free && says !== 'ignore'
          ? { ...next, impression: 'good' as const, status: says, by }
          : next;
      return action === 'done' && taken.impression !== 'bad' ? leave(entries, taken, entry) : taken;
    }
    case 'bad':
    case 'die': {
      const failed: State =
        state.impression === 'bad'
          ? next
          : {
              ...next,
              impression: 'bad',
              status: says === 'ignore' || says === 'success' ? 'perm_denied' : says,
              by: why === '' && state.hint !== '' ? describe(entry, state.hint) : by,
            };
      return action === 'die' ? leave(entries, failed, entry) : failed;
    }
    default:
      return jump(entries, next, entry, Number(action), by);
  }
}

// The decision ends the stack that the module stands in; a substack's caller goes on.
function leave(entries: readonly PamEntry[], state: State, entry: PamEntry): State {
  let index = state.index;
  while (index < entries.length && (entries[index]?.level ?? 0) >= entry.level) {
    index += 1;
  }
  return { ...state, index: entry.level === 0 ? entries.length : index };
}

function jump(
  entries: readonly PamEntry[],
  state: State,
  entry: PamEntry,
  count: number,
  by: string,
): State {
  let { index } = state;
  let left = count;
  while (left > 0 && index < entries.length && (entries[index]?.level ?? 0) >= entry.level) {
    // A whole substack counts as one module.
    do {
      index += 1;
    } while (index < entries.length && (entries[index]?.level ?? 0) > entry.level);
    left -= 1;
  }
  return left > 0
    ? { ...state, index, impression: 'bad', status: 'perm_denied', by }
    : { ...state, index };
}

function describe(entry: PamEntry, why: string): string {
  return `${entry.file}:${entry.line}: ${entry.text}${why === '' ? '' : `: ${why}`}`;
}
