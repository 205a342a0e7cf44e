/** Finds the binary; on a login without /usr/sbin in its PATH too. */
export const findSshd = `sshd_path() { for b in "$(command -v sshd)" /usr/sbin/sshd /usr/local/sbin/sshd /usr/lib/ssh/sshd; do [ -x "$b" ] && { printf '%s\\n' "$b"; return; }; done; return 1; }`;

/**
 * Shell functions that ask sshd something. Debian's /run/sshd is made by the unit and gone while it is
 * stopped; sshd -t and -T then complain about that alone, so they run once more with a /run of their
 * own, which nobody else sees and which ends with them.
 *
 * `sshd_say ARGS` prints both streams, `sshd_quiet ARGS` only the answer; both exit as sshd does.
 */
export const runSshd = String.raw`${findSshd}
sshd_lone() {
  have unshare && unshare -m true 2>/dev/null || return 125
  limit 20 unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$@"' sh "$@"
}
sshd_say() {
  ss_bin=$(sshd_path) || return 127
  ss_out=$(limit 20 "$ss_bin" "$@" 2>&1); ss_status=$?
  case $ss_out in
    *'Missing privilege separation directory: /run/sshd'*)
      ss_again=$(sshd_lone "$ss_bin" "$@" 2>&1); ss_code=$?
      [ "$ss_code" = 125 ] || { ss_out=$ss_again; ss_status=$ss_code; } ;;
  esac
  printf '%s\n' "$ss_out"; return "$ss_status"
}
sshd_quiet() {
  sq_bin=$(sshd_path) || return 127
  sq_out=$(limit 20 "$sq_bin" "$@" 2>/dev/null) || sq_out=$(sshd_lone "$sq_bin" "$@" 2>/dev/null) || return
  printf '%s\n' "$sq_out"
}`;

/** A client for `sshd -T -C`: without one, sshd 9.2 and 10.0 refuse a file with `Match localport`. */
export const fullClient = 'user=root,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22';
