# shellcheck shell=bash
# These shut no one out: they come in the way of a repair.

describe dpkg-lock "another process holds dpkg's locks (login still works)"
break_dpkg_lock() {
  inside <<'SH'
systemd-run --quiet --unit=dpkg-holder --description='holds the locks of dpkg' --service-type=notify -p NotifyAccess=all python3 -c '
import fcntl, subprocess, time
files = [open("/var/lib/dpkg/" + name, "w") for name in ("lock-frontend", "lock")]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
subprocess.run(["systemd-notify", "--ready"])
time.sleep(86400)'
SH
}

describe sudo-taken-away 'admin may do nothing by sudo any more (login still works)'
break_sudo_taken_away() {
  inside <<<'rm -f /etc/sudoers.d/admin'
}

# The clock is the machine's and cannot be set in a host. A library that lies about it (libfaketime) kills
# sshd and hangs systemd-run, so only the tools by which a shell program asks for the time are lied to.
describe clock-back 'date, find and at are told a clock that is a year behind (login still works)'
break_clock_back() {
  inside <<'SH'
fake="LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME=-365d DONT_FAKE_MONOTONIC=1"
for tool in date find at; do
  path=$(command -v "$tool")
  mv "$path" "$path.true"
  printf '#!/bin/sh\nexec env %s %s.true "$@"\n' "$fake" "$path" >"$path"
  chmod 755 "$path"
done
SH
}
