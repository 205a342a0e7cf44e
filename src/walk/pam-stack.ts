import type { Pam, PamFile } from '../facts/pam.ts';

/** What PAM is asked at a login: may the password pass, may the account log in, can a session open. */
export type PamTask = 'auth' | 'account' | 'session';

/** One module of a stack, in the order in which libpam asks it. */
export interface PamEntry {
  readonly task: PamTask;
  /** What becomes of each answer: `ok`, `done`, `bad`, `die`, `ignore`, `reset`, or modules to skip. */
  readonly actions: Readonly<Record<string, string>>;
  readonly module: string;
  readonly args: readonly string[];
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** How many `substack` lines it stands below: `done` and `die` end only their own stack. */
  readonly level: number;
}

/** A stack, or why libpam refuses all of the service. */
export type PamStack =
  | { readonly ok: true; readonly entries: readonly PamEntry[] }
  | { readonly ok: false; readonly by: string };

const tasks = ['auth', 'account', 'session', 'password'] as const;

// pam.conf(5): the four old words and what they stand for.
const words: Readonly<Record<string, string>> = {
  required: 'success=ok new_authtok_reqd=ok ignore=ignore default=bad',
  requisite: 'success=ok new_authtok_reqd=ok ignore=ignore default=die',
  sufficient: 'success=done new_authtok_reqd=done default=ignore',
  optional: 'success=ok new_authtok_reqd=ok default=ignore',
};

const maxDepth = 16;

/**
 * The stack of one task, with everything that it includes, as libpam builds it (pam_handlers.c). A
 * service without a file, or without a line for the task, uses that of `other`.
 */
export function readStack(pam: Pam, task: PamTask): PamStack {
  const own = readService(pam, 'sshd', task, 0, 0);
  if (!own.ok || own.entries.length > 0) {
    return own;
  }
  return readService(pam, 'other', task, 0, 0);
}

function readService(
  pam: Pam,
  name: string,
  task: PamTask,
  level: number,
  depth: number,
): PamStack {
  const file = pam.services[name];
  if (file === undefined || file === null) {
    // libpam fails as a whole where an included file is not there; only `sshd` itself may be missing.
    return depth === 0
      ? { ok: true, entries: [] }
      : { ok: false, by: `the PAM service ${name} is included, and there is no such file` };
  }
  const entries: PamEntry[] = [];
  for (const { line, text } of joinLines(file)) {
    const read = readLine(text);
    const where = `${file.path}:${line}`;
    if (read.kind === 'include') {
      if (read.task !== null && read.task !== task) {
        // What another task includes must be there all the same.
        if (pam.services[read.name] === undefined || pam.services[read.name] === null) {
          return { ok: false, by: `${where}: there is no PAM service ${read.name}` };
        }
        continue;
      }
      if (depth >= maxDepth) {
        return { ok: false, by: `${where}: PAM services include each other without end` };
      }
      const inner = readService(pam, read.name, task, read.substack ? level + 1 : level, depth + 1);
      if (!inner.ok) {
        return { ok: false, by: `${where}: ${inner.by}` };
      }
      entries.push(...inner.entries);
    } else if (read.task === task) {
      entries.push({ ...read.entry, task, file: file.path, line, text: text.trim(), level });
    }
  }
  return { ok: true, entries };
}

function joinLines(file: PamFile): { line: number; text: string }[] {
  const joined: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | null = null;
  for (const { line, text } of file.lines) {
    const bare: string = withoutComment(text);
    const whole: { line: number; text: string } =
      open === null ? { line, text: bare } : { line: open.line, text: `${open.text} ${bare}` };
    open = null;
    if (bare.endsWith('\\')) {
      open = { line: whole.line, text: whole.text.slice(0, -1) };
    } else if (whole.text.trim() !== '') {
      joined.push(whole);
    }
  }
  return open === null ? joined : [...joined, open];
}

// A # begins a comment unless it stands inside of brackets or a word.
function withoutComment(text: string): string {
  return text.replace(/(^|\s)#.*$/, '').trimEnd();
}

type ReadLine =
  | {
      readonly kind: 'include';
      /** Null for `@include`, which takes the lines of every task. */
      readonly task: string | null;
      readonly name: string;
      readonly substack: boolean;
    }
  | {
      readonly kind: 'module';
      readonly task: string;
      readonly entry: Pick<PamEntry, 'actions' | 'module' | 'args'>;
    };

function readLine(text: string): ReadLine {
  const at = /^\s*@include\s+(\S+)/.exec(text);
  if (at !== null) {
    return { kind: 'include', task: null, name: at[1] ?? '', substack: false };
  }
  const [, type = '', control = '', rest = ''] =
    /^\s*-?(\S+)(?:\s+(\[[^\]]*\]|\S+))?(?:\s+(.*))?$/.exec(text) ?? [];
  const named = tasks.find((one) => one === type.toLowerCase());
  if (named === undefined) {
    // libpam takes what it cannot read for a module of `auth` that always fails.
    return failing('auth', text);
  }
  const lower = control.toLowerCase();
  if (lower === 'include' || lower === 'substack') {
    return {
      kind: 'include',
      task: named,
      name: rest.split(/\s/)[0] ?? '',
      substack: lower === 'substack',
    };
  }
  const actions = readActions(control);
  const [module = '', ...args] = splitArguments(rest);
  return actions === null || module === ''
    ? failing(named, text)
    : { kind: 'module', task: named, entry: { actions, module, args } };
}

function failing(task: string, text: string): ReadLine {
  return {
    kind: 'module',
    task,
    entry: { actions: { default: 'bad' }, module: unreadable, args: [text.trim()] },
  };
}

/** The name of a module that stands for a line which libpam cannot read: it always fails. */
export const unreadable = '(unreadable)';

function readActions(control: string): Record<string, string> | null {
  const list = control.startsWith('[') ? control.slice(1, -1) : words[control.toLowerCase()];
  if (list === undefined) {
    return null;
  }
  const actions: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const pair of list.trim().split(/\s+/)) {
    const [, answer, action] =
      /^([a-z_]+)=(ok|done|bad|die|ignore|reset|\d{1,3})$/.exec(pair) ?? [];
    if (answer === undefined || action === undefined) {
      return null;
    }
    actions[answer] = action;
  }
  return actions;
}

// pam.d(5): an argument in brackets may hold blanks.
function splitArguments(text: string): string[] {
  return (text.match(/\[(?:[^\]\\]|\\.)*\]|\S+/g) ?? []).map((word) =>
    word.startsWith('[') && word.endsWith(']') ? word.slice(1, -1) : word,
  );
}
