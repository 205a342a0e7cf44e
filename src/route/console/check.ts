/**
 * Check values of lines on a console. Which of the two the host can make it says itself: `cksum` where
 * the tool is there, else a sum that a shell makes by its builtins alone.
 */
export type CheckKind = 'cksum' | 'sum';

/** The characters that may stand in a checked line, in the order in which the shell counts them. */
export const checkAlphabet =
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= -_.,:;@%^*()[]{}|<>?\\~#';

// CRC-32 with the polynomial 0x04C11DB7, most significant bit first.
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) {
    crc = (crc << 1) ^ (crc & 0x80000000 ? 0x04c11db7 : 0);
  }
  return crc >>> 0;
});

/** The check value of a line of ASCII text, as the host prints it. */
export function checkValue(kind: CheckKind, text: string): string {
  return kind === 'cksum' ? String(posixCrc(Buffer.from(text, 'latin1'))) : shellSum(text);
}

/** The CRC of cksum(1): POSIX.1-2017, XCU, `cksum`. */
export function posixCrc(bytes: Uint8Array): number {
  let crc = 0;
  const step = (byte: number): void => {
    crc = ((crc << 8) ^ (crcTable[((crc >>> 24) ^ byte) & 0xff] ?? 0)) >>> 0;
  };
  for (const byte of bytes) {
    step(byte);
  }
  for (let length = bytes.length; length > 0; length = Math.floor(length / 256)) {
    step(length % 256);
  }
  return ~crc >>> 0;
}

/** Two sums, the second over the first (Fletcher), so that bytes that changed places are seen too. */
function shellSum(text: string): string {
  let first = 0;
  let second = 0;
  for (const character of text) {
    const at = checkAlphabet.indexOf(character);
    first = (first + (at < 0 ? checkAlphabet.length : at) + 1) % 4093;
    second = (second + first) % 4093;
  }
  return `${first}.${second}`;
}
