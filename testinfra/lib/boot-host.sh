#!/usr/bin/env bash
# boot-host.sh LIB LAB NAME CGROUP
# Runs on the host's console in a private mount namespace: the overlay ends with the host.
set -euo pipefail

LIB=$1 LAB=$2 name=$3 cgroup=$4
# shellcheck source=state.sh
source "$LIB/state.sh"
# shellcheck source=disk.sh
source "$LIB/disk.sh"
exec 2>"$dir/boot.log"

record_process "$dir/console.pid" "$PPID"
record_process "$dir/boot.pid" "$$"

# nspawn takes the folder that it shares with a host away again, but only from a file system in memory;
# where /run is on a disk, hosts that start and end beside each other would then fail now and then.
own_nspawn_folder() {
  mkdir -p /run/systemd/nspawn
  mount -t tmpfs -o mode=755 remedy-lab /run/systemd/nspawn
}

boot() {
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_LOCK=0 \
    systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --settings=no --boot \
    --network-namespace-path="$LAB/net/$name" --capability=CAP_NET_ADMIN,CAP_NET_RAW \
    --resolv-conf=off --timezone=off --link-journal=no \
    --machine="$(recall "$info" machine)" --hostname="$name" 8>&-
}

# The network namespace outlives the host, and the kernel's rules with it; a real reboot loses them.
lose_kernel_state() {
  nsenter --net="$LAB/net/$name" -- chroot "$root" /bin/sh <<'SH' >/dev/null 2>&1 || true
nft flush ruleset
for t in iptables-legacy ip6tables-legacy; do $t -P INPUT ACCEPT; $t -F; $t -X; done
ipset destroy
# What an ended process leaves of its connections.
ss -K
SH
  find "$cgroup" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || true
}

# The disk as it was when it was marked, or as it was new.
rewind() {
  umount "$root"
  rm -rf "$dir/mount"/{upper,work,root}
  mount_overlay
  if [[ ! -d $dir/mark ]]; then furnish; fi
}

own_nspawn_folder
mount_disk
mount_overlay
furnish
enter_cgroup
# 133 is a reboot from inside; "again" is left by who cut the power. The overlay stays, as a disk would.
while :; do
  status=0
  boot || status=$?
  ((status == 133)) || [[ -e $dir/again ]] || exit "$status"
  lose_kernel_state
  if [[ -e $dir/rewind ]]; then rewind; fi
  rm -f "$dir/again" "$dir/rewind"
done
