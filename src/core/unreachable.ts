/** Makes a switch exhaustive: the compiler refuses a call with a case that was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
