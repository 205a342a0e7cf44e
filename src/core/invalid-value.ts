/** Thrown where a value from outside cannot be used at all; the caller turns it into a Failure. */
export class InvalidValue extends Error {
  override readonly name = 'InvalidValue';
}
