# shellcheck shell=bash
# A host's disk: the base root, and over it what makes it this host.
# Reads $LAB, $name and $cgroup of who sources this; gives $dir, $info and $root.
# shellcheck disable=SC2154

dir=$LAB/hosts/$name
info=$dir/info
root=$dir/mount/root

# Put a file where it belongs, whatever the base root has there.
place() {
  local mode=$1 owner=$2 path=$3
  mkdir -p "$(dirname "$path")"
  cat >"$path"
  chown "$owner:$owner" "$path"
  chmod "$mode" "$path"
}

mount_disk() {
  # The base is kept from removal for as long as this shell runs.
  exec 8>"$(recall "$info" base).lock"
  flock -s 8
  # Small on purpose: a full disk must be quick to make and cheap in memory.
  mount -t tmpfs -o size=256m,mode=755 remedy-lab "$dir/mount"
}

mount_overlay() {
  mkdir "$dir/mount"/{upper,work,root}
  if [[ -d $dir/mark ]]; then cp -a "$dir/mark/." "$dir/mount/upper/"; fi
  mount -t overlay -o "lowerdir=$(recall "$info" base),upperdir=$dir/mount/upper,workdir=$dir/mount/work" overlay "$root"
}

place_identity() {
  echo "$name" | place 644 root "$root/etc/hostname"
  # sudo waits for a name server if the host does not know its own name.
  printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n' "$name" | place 644 root "$root/etc/hosts"
  tr -d - </proc/sys/kernel/random/uuid | place 444 root "$root/etc/machine-id"
  rm -f "$root"/etc/ssh/ssh_host_*
  install -m 600 "$dir"/ssh_host_*_key "$root/etc/ssh/"
  install -m 644 "$dir"/ssh_host_*_key.pub "$root/etc/ssh/"
}

place_ports() {
  local port ports
  ports=$(recall "$info" ports)
  [[ $ports != 22 ]] || return 0
  for port in $ports; do echo "Port $port"; done | place 644 root "$root/etc/ssh/sshd_config.d/50-ports.conf"
}

place_accounts() {
  local user hash uid
  for user in root:/root admin:/home/admin; do
    uid=$(chroot "$root" id -u "${user%%:*}")
    install -d -m 700 -o "$uid" -g "$uid" "$root${user#*:}/.ssh"
    cat "$LAB/key.pub" "$LAB/key-other.pub" | place 600 "$uid" "$root${user#*:}/.ssh/authorized_keys"
  done
  # Debian's sudo leaves this at its first use by a member of a group named admin.
  place 644 "$uid" "$root/home/admin/.sudo_as_admin_successful" </dev/null
  hash=$(<"$LAB/password.hash")
  printf 'admin:%s\n' "$hash" | chroot "$root" chpasswd -e
}

place_sudo() {
  local rule=''
  case $(recall "$info" sudo) in
    nopasswd) rule='admin ALL=(ALL:ALL) NOPASSWD: ALL' ;;
    password) rule='admin ALL=(ALL:ALL) ALL' ;;
  esac
  # Debian's own sudoers sets use_pty.
  printf 'Defaults %suse_pty\n%s\n' "$([[ $(recall "$info" pty) == 1 ]] || echo '!')" "$rule" |
    place 440 root "$root/etc/sudoers.d/admin"
}

# What a fresh host is given beside its base root.
furnish() {
  place_identity
  place_ports
  place_accounts
  place_sudo
}

enter_cgroup() {
  mkdir -p "$cgroup"
  echo $$ >"$cgroup/cgroup.procs"
}
