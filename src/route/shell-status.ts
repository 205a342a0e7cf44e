import type { Exit } from './route.ts';

// The same numbers on all that Linux runs on.
const signals: Readonly<Record<number, string>> = {
  129: 'SIGHUP',
  130: 'SIGINT',
  131: 'SIGQUIT',
  132: 'SIGILL',
  134: 'SIGABRT',
  135: 'SIGBUS',
  136: 'SIGFPE',
  137: 'SIGKILL',
  139: 'SIGSEGV',
  141: 'SIGPIPE',
  142: 'SIGALRM',
  143: 'SIGTERM',
};

/**
 * How a program ended, by the status that a shell gives it: above 128 stands a signal (POSIX, XCU
 * 2.8.2). A program that ends so by itself cannot be told from one that a signal ended.
 */
export function exitOfStatus(status: number): Exit {
  const name = signals[status];
  return name === undefined ? { type: 'code', code: status } : { type: 'signal', name };
}
