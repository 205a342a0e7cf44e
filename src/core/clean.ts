// ECMA-48 control strings (OSC, DCS, SOS, PM, APC) run to BEL or ST, CSI to a final byte.
const controlString =
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?/g;
const controlSequence = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?/g;
const otherEscape = /\u001b[ -/]*[0-~]?/g;
// C0 except tab and newline, DEL, C1, and the bidirectional controls that can reorder what is shown.
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Makes text from a host safe to show: escape sequences and control characters are removed, a lone
 * carriage return becomes a newline, and lines are cut at `maxLine` characters.
 */
export function cleanText(text: string, maxLine = 1000): string {
  const bare = withoutEscapes(text).replace(/\r\n?/g, '\n').replace(controls, '');
  return bare
    .split('\n')
    .map((line) => (line.length > maxLine ? `${line.slice(0, maxLine)}…` : line))
    .join('\n');
}

/** Text without its escape sequences; other control characters stay. */
export function withoutEscapes(text: string): string {
  return text.replace(controlString, '').replace(controlSequence, '').replace(otherEscape, '');
}

/** Like `cleanText`, for a place that has room for one line: newlines become spaces. */
export function cleanLine(text: string, maxLength = 300): string {
  const line = cleanText(text, Number.POSITIVE_INFINITY).replace(/\s+/g, ' ').trim();
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line;
}
