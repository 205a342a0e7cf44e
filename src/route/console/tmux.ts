const keysEach = 200;

/** The commands that type bytes into a pane: tmux(1), `send-keys -H`. */
export function sendKeys(pane: string, bytes: Buffer): string[] {
  const commands: string[] = [];
  for (let at = 0; at < bytes.length; at += keysEach) {
    const hex = [...bytes.subarray(at, at + keysEach)].map((byte) =>
      byte.toString(16).padStart(2, '0'),
    );
    commands.push(`send-keys -t ${pane} -H ${hex.join(' ')}`);
  }
  return commands;
}

/**
 * Reads the lines of control mode and gives the output of one pane: tmux(1), CONTROL MODE, `%output`, with
 * characters below space and the backslash as three octal digits.
 */
export function fromControlMode(pane: string): (bytes: Buffer) => Buffer[] {
  const start = `%output ${pane} `;
  let pending = '';
  return (bytes) => {
    const lines = (pending + bytes.toString('latin1')).split('\n');
    pending = lines.pop() ?? '';
    return lines.flatMap((line) =>
      line.startsWith(start) ? [Buffer.from(unescape(line.slice(start.length)), 'latin1')] : [],
    );
  };
}

function unescape(text: string): string {
  return text
    .replace(/\r$/, '')
    .replace(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
}
