/** A file of the host, byte by byte. */
export interface HostFile {
  readonly path: string;
  /** The bytes, one character each (latin1), so that an edit loses none. */
  readonly text: string;
  /** SHA-256 of the bytes, in hex. */
  readonly sha256: string;
}

/**
 * Shell text that prints files for `parseFiles`. Each begins with a line of digest, size in bytes and
 * path; the size, not the text, says where the file ends.
 *
 * @param patterns absolute paths, which may hold shell patterns of ours; never a value of a user's.
 */
export function printFiles(patterns: readonly string[]): string {
  return `for f in ${patterns.join(' ')}; do
  [ -f "$f" ] && [ -r "$f" ] || continue
  printf '%s %s %s\\n' "$(digest <"$f")" "$(wc -c <"$f" | tr -d ' ')" "$f"
  cat "$f"; echo
done`;
}

/** Reads what `printFiles` printed, as latin1. */
export function parseFiles(latin1: string): HostFile[] {
  const files: HostFile[] = [];
  let at = 0;
  for (;;) {
    const end = latin1.indexOf('\n', at);
    const header = /^([0-9a-f]{64}) (\d+) (.+)$/.exec(latin1.slice(at, Math.max(end, at)));
    if (end < 0 || header === null) {
      return files;
    }
    const body = end + 1;
    at = body + Number(header[2]) + 1;
    files.push({
      path: header[3] ?? '',
      sha256: header[1] ?? '',
      text: latin1.slice(body, at - 1),
    });
  }
}
