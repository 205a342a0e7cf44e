const zeroWidth = /[\p{Mn}\p{Me}\u200b-\u200d\u2060\ufeff]/u;
const emoji = /\p{Emoji_Presentation}/u;

// The ranges of East Asian Width W and F (UAX #11) that terminals draw in two cells.
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x17000, 0x18cff],
  [0x1b000, 0x1b2ff],
  [0x20000, 0x3fffd],
];

/** How many terminal cells a text takes. The text holds no control characters. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    width += characterWidth(character);
  }
  return width;
}

function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) {
    return 1;
  }
  if (zeroWidth.test(character)) {
    return 0;
  }
  const wide = emoji.test(character) || wideRanges.some(([from, to]) => code >= from && code <= to);
  return wide ? 2 : 1;
}
