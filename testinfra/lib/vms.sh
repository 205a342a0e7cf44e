# shellcheck shell=bash
# Virtual machines: hosts with a kernel of their own, reached by a true serial line.

vm_tools=(qemu-system-x86_64:qemu-system-x86 mkfs.ext4:e2fsprogs socat:socat)

# Only what a host needs: the whole tree would triple its disk.
kernel_modules=(drivers/virtio drivers/net/virtio_net.ko drivers/net/net_failover.ko net crypto lib)

kernel_path() {
  printf '%s/kernel.%s\n' "$CACHE" "$({ declare -f build_kernel; printf '%s\n' "${kernel_modules[@]}"; } | sha256sum | cut -c1-12)"
}

ensure_kernel() {
  mkdir -p "$CACHE"
  (
    flock 9
    install_tools "${vm_tools[@]}"
    [[ -d $(kernel_path) ]] || build_kernel
  ) 9>"$CACHE/lock"
}

# The package is unpacked, not installed: nothing of it has to run.
build_kernel() {
  local path log=$CACHE/kernel.log part from
  path=$(kernel_path)
  say "fetching a kernel (log: $log)"
  rm -rf "$path.whole" "$path.partial"
  mmdebstrap --variant=extract --include=linux-image-cloud-amd64 bookworm "$path.whole" >"$log" 2>&1 9>&- ||
    fail 'fetching a kernel failed' "see $log"
  from=$(echo "$path.whole"/lib/modules/*)
  mkdir -p "$path.partial/boot" "$path.partial/lib/modules/$(basename "$from")"
  cp "$path.whole"/boot/vmlinuz-* "$path.partial/boot/"
  for part in "${kernel_modules[@]}"; do
    (cd "$from" && cp -a --parents "kernel/$part" "$path.partial/lib/modules/$(basename "$from")/")
  done
  cp "$from"/modules.builtin* "$from"/modules.order "$path.partial/lib/modules/$(basename "$from")/"
  rm -rf "$path.whole"
  mv "$path.partial" "$path"
}

is_vm() {
  [[ $(recall "$LAB/hosts/$1/info" vm) == 1 ]]
}

require_container() {
  ! is_vm "$1" || fail "$1 is a virtual machine: the lab does not $2 it" 'a host without --vm can do that'
}

attach_tap() {
  in_namespace switch ip tuntap add "port$1" mode tap
  in_namespace switch ip link set "port$1" master br0 up
}

start_vm() {
  unshare --mount --propagation private -- \
    setsid --fork bash "$LIB/boot-vm.sh" "$LIB" "$LAB" "$1" "$(host_cgroup "$1")" "$(kernel_path)" \
    </dev/null >/dev/null 2>&1 7>&- 9>&-
}

vm_has_line() {
  [[ -S $LAB/hosts/$1/serial ]] && recorded_process "$LAB/hosts/$1/boot.pid" >/dev/null
}

await_vm() {
  wait_until 60 vm_has_line "$1" || fail "$1 did not start in 60 s" "see $LAB/hosts/$1/boot.log"
  (($2)) || return 0
  in_namespace ctl timeout 180 bash "$LIB/await-banner.sh" "$(recall "$LAB/hosts/$1/info" address4)" 22 ||
    fail "sshd on $1 does not answer" "see $LAB/hosts/$1/serial.log"
}

# There is no way in but the host's own: its sshd.
exec_in_vm() {
  local name=$1
  shift
  run_in_controller ctl ssh -F "$LAB/ssh_config" -o ConnectTimeout=20 -l root -- "$name" "${*@Q}"
}

remove_vm() {
  in_namespace switch ip link delete "port$(recall "$LAB/hosts/$1/info" number)" 2>/dev/null || true
}
