import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { nothingChanged, RunFailure, type Failure } from '../core/failure.ts';
import { Secret } from '../core/secret.ts';

/** True where a person can be asked: both ends are a terminal, and this is not CI. */
export function canAsk(): boolean {
  const ci = process.env['CI'] ?? '';
  return process.stdin.isTTY && process.stderr.isTTY && (ci === '' || ci === '0' || ci === 'false');
}

/** Asks a question that only "y" or "yes" answers with yes. */
export async function askYesNo(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await answered(terminal.question(`${question} [y/N] `), terminal);
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

/** Asks for a secret without showing it; null where nobody can be asked or nothing was given. */
export async function askSecret(prompt: string): Promise<Secret | null> {
  if (!canAsk()) {
    return null;
  }
  process.stderr.write(`${prompt.replace(/:?\s*$/, '')}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    const answer = await answered(terminal.question(''), terminal);
    return answer === '' ? null : new Secret(answer);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

// Ctrl-C ends the question, not the program: readline takes the signal while it reads. The end of
// the input (Ctrl-D) is an empty answer.
async function answered(question: Promise<string>, terminal: Interface): Promise<string> {
  const ended = new Promise<string>((resolve) => {
    terminal.once('close', () => resolve(''));
  });
  return Promise.race([question, ended]).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'AbortError') {
      throw new RunFailure(interruptedHere);
    }
    throw error;
  });
}

const interruptedHere: Failure = {
  code: 'interrupted',
  what: 'The run was interrupted.',
  why: 'The question was answered with Ctrl-C.',
  access: nothingChanged,
  todo: 'Run the same command again when you are ready.',
};

/** Takes a secret out of the environment, so that no child process inherits it. */
export function takeSecret(name: string): Secret | null {
  const value = process.env[name];
  delete process.env[name];
  return value === undefined || value === '' ? null : new Secret(value);
}
