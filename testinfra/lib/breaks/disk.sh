# shellcheck shell=bash
# These shut no one out: they make the repair of something else hard.

describe readonly-root 'the root file system is read-only (login still works)'
break_readonly_root() {
  inside <<'SH'
# Logs that are open for writing keep the file system from turning read-only.
journalctl --relinquish-var
systemctl stop rsyslog.service syslog.socket
sync
# The newer mount call refuses to reconfigure an overlay.
LIBMOUNT_FORCE_MOUNT2=always mount -o remount,ro /
systemctl start rsyslog.service
SH
}

describe full-disk 'the root file system has no free block (login still works)'
break_full_disk() {
  inside <<'SH'
# Ever smaller pieces, so that not even a few bytes are left.
for size in 1M 4k; do
  dd if=/dev/zero bs=$size oflag=append conv=notrunc of=/var/tmp/filler status=none 2>/dev/null || :
done
SH
}

describe full-state 'the file system of /var/lib/remedy, its own, has no free block (login still works)'
break_full_state() {
  inside <<'SH'
mkdir -m 700 -p /var/lib/remedy
mount -t tmpfs -o size=16k,mode=700 state /var/lib/remedy
cat /dev/zero >/var/lib/remedy/filler 2>/dev/null || :
SH
}

# What stands on /etc/fstab and did not come: the mount point is there, and empty.
describe var-missing 'the file system of /var was not mounted: it is empty (login still works)'
break_var_missing() {
  inside <<<'mount -t tmpfs -o mode=755 empty /var'
}

describe readonly-var '/var is read-only (login still works)'
break_readonly_var() {
  inside <<'SH'
mount --bind /var /var
mount -o remount,bind,ro /var
SH
}
