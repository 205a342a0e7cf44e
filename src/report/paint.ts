/** Colours for a terminal, or none. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** The colours; without `color` the text comes back as it is. */
export function createPaint(color: boolean): Paint {
  const wrap = (open: number, close: number) => (text: string) =>
    color ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    cyan: wrap(36, 39),
  };
}

/**
 * Whether to colour: `NO_COLOR` (no-color.org) wins over `FORCE_COLOR`, which wins over the terminal.
 */
export function wantsColor(
  environment: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') {
    return false;
  }
  const forced = environment['FORCE_COLOR'];
  return forced === undefined
    ? isTerminal && environment['TERM'] !== 'dumb'
    : forced !== '0' && forced !== 'false';
}
