#!/usr/bin/env bash
# boot-vm.sh LIB LAB NAME CGROUP KERNEL
# A host with a kernel of its own, behind a serial line. Becomes the emulator: the process stays the same.
set -euo pipefail

LIB=$1 LAB=$2 name=$3 cgroup=$4 kernel=$5
# shellcheck source=state.sh
source "$LIB/state.sh"
# shellcheck source=disk.sh
source "$LIB/disk.sh"
exec 2>"$dir/boot.log"

record_process "$dir/boot.pid" "$$"

place_kernel() {
  local version unit=$root/etc/systemd/system
  version=$(basename "$kernel"/lib/modules/*)
  mkdir -p "$root/lib/modules"
  cp -a "$kernel/lib/modules/$version" "$root/lib/modules/"
  chroot "$root" depmod "$version"
  printf '%s\n' virtio_pci virtio_net | place 644 root "$root/etc/modules-load.d/lab.conf"
  place 644 root "$unit/lab-network.service" <<UNIT
[Unit]
DefaultDependencies=no
After=systemd-modules-load.service systemd-sysctl.service
Before=network-pre.target ssh.service
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up; ip link set eth0 up; \
  ip address add $(recall "$info" address4)/24 dev eth0; ip address add $(recall "$info" address6)/64 dev eth0 nodad'

[Install]
WantedBy=multi-user.target
UNIT
  systemctl --root="$root" --quiet enable lab-network.service
}

# The base roots have no udev, and without it systemd waits for the terminal's device for ever.
place_getty() {
  local unit=serial-getty@.service
  grep -v '^BindsTo=\|^After=dev-' "$root/usr/lib/systemd/system/$unit" | place 644 root "$root/etc/systemd/system/$unit"
}

make_disk() {
  mkfs.ext4 -q -F -O ^has_journal -d "$root" "$dir/disk" 1G
  umount "$root" "$dir/mount"
}

# NVMe since Debian's cloud kernel has its driver built in: no initial RAM disk is needed.
# tcg, since guests hang where a virtual machine is given /dev/kvm and cannot use it.
become_vm() {
  local number
  number=$(recall "$info" number)
  exec nsenter --net="$LAB/net/switch" -- qemu-system-x86_64 \
    -accel tcg -cpu qemu64 -machine q35 -m 512 -nodefaults -no-user-config -display none \
    -kernel "$kernel"/boot/vmlinuz-* -append "root=/dev/nvme0n1 rw console=ttyS0,115200 net.ifnames=0 mitigations=off" \
    -drive "if=none,id=disk,file=$dir/disk,format=raw,cache=unsafe" -device nvme,drive=disk,serial=lab \
    -netdev "tap,id=net,ifname=port$number,script=no,downscript=no" \
    -device "virtio-net-pci,netdev=net,mac=$(printf '52:54:00:00:00:%02x' "$number"),romfile=" \
    -chardev "socket,id=line,path=$dir/serial,server=on,wait=off,logfile=$dir/serial.log" -serial chardev:line \
    </dev/null >>"$dir/boot.log" 2>&1 8>&-
}

mount_disk
mount_overlay
furnish
place_kernel
place_getty
make_disk
enter_cgroup
become_vm
