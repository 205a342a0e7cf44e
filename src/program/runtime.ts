/**
 * The shell functions that every program starts with: POSIX sh for dash, bash, mksh and busybox ash.
 * The comments inside go to the host too, for the person who reads the program there.
 */
export const commonFunctions = String.raw`
# line TEXT: one line of output, by the shell itself: mksh has no printf of its own, and an external
# one would show the run's token to every user of the host.
line() {
  if [ -n "${'${KSH_VERSION-}'}" ]; then print -r -- "$1"; else printf '%s\n' "$1"; fi
}

# put TEXT: its bytes, where \0OOO stands for one; by the shell itself too, since it may be a secret.
put() {
  if [ -n "${'${KSH_VERSION-}'}" ]; then print -n -- "$1"; else printf %b "$1"; fi
}

have() { command -v "$1" >/dev/null 2>&1; }

# limit SECONDS COMMAND...: ends a command that hangs, where the host can.
limit() {
  limit_s=$1; shift
  if [ -n "$limit_works" ]; then timeout "$limit_s" "$@"; else "$@"; fi
}
# Once, and not where it is used: there it would cost two processes each time.
limit_works=
if have timeout && timeout 5 true 2>/dev/null; then limit_works=yes; fi

# digest: SHA-256 of standard input in hex.
digest() {
  if have sha256sum; then sha256sum | cut -d ' ' -f 1
  elif have openssl; then openssl dgst -sha256 -r | cut -d ' ' -f 1
  elif have shasum; then shasum -a 256 | cut -d ' ' -f 1
  else return 127; fi
}
`;

/** Sets what a login, sudo or systemd-run leaves different from host to host. */
export const environment = String.raw`
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
LC_ALL=C; LANG=C; HOME=${'${HOME:-/root}'}
PYTHONDONTWRITEBYTECODE=1
export PATH LC_ALL LANG HOME PYTHONDONTWRITEBYTECODE
unset LANGUAGE GREP_OPTIONS CDPATH 2>/dev/null
`;
