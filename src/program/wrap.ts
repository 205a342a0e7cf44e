import { InvalidValue } from '../core/invalid-value.ts';

/**
 * Makes a program of function definitions and a body. The shell reads the whole brace group before it
 * runs any of it, so a text that was cut off by a lost connection runs nothing; standard input is
 * closed to the body, so that no command can eat the rest of the text.
 */
export function wrapProgram(functions: string, body: string): string {
  const program = `{\n${functions}\nmain() {\n${body}\n}\nmain "$@" 3<&0 </dev/null\nexit\n}\n`;
  if (program.includes('\0')) {
    throw new InvalidValue('a program holds a NUL byte');
  }
  return program;
}
