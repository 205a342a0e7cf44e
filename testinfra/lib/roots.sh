# shellcheck shell=bash
# Base roots: one directory tree per release and flavour, shared read-only by all hosts.

root_names=(debian12 debian13 debian12-iptables debian13-iptables)

root_packages=(
  systemd systemd-sysv dbus libpam-systemd login passwd
  openssh-server openssh-client sudo
  iproute2 procps kmod acl attr
  python3 python3-systemd dash mksh busybox-static netcat-openbsd
  nftables iptables ipset fail2ban firewalld rsyslog
  at libfaketime
)

# ufw and iptables-persistent exclude each other as packages: hence two flavours.
flavour_package() {
  case $1 in
    *-iptables) echo iptables-persistent ;;
    *) echo ufw ;;
  esac
}

root_suite() {
  case $1 in
    debian12*) echo bookworm ;;
    debian13*) echo trixie ;;
  esac
}

check_root() {
  [[ " ${root_names[*]} " == *" $1 "* ]] || fail "there is no root '$1'" "roots: ${root_names[*]}"
}

root_key() {
  { root_suite "$1"; flavour_package "$1"; printf '%s\n' "${root_packages[@]}"; declare -f build_root customise_root; } |
    sha256sum | cut -c1-12
}

root_path() {
  printf '%s/%s.%s\n' "$CACHE" "$1" "$(root_key "$1")"
}

command_setup() {
  local wanted=()
  while (($#)); do
    case $1 in
      --root) check_root "${2:?--root needs a name}"; wanted+=("$2"); shift 2 ;;
      -h | --help) echo "usage: lab setup [--root ${root_names[*]}]..."; return ;;
      *) fail "lab setup does not know '$1'" 'usage: lab setup [--root ROOT]...' ;;
    esac
  done
  ((${#wanted[@]})) || wanted=("${root_names[@]}")
  require_machine
  ensure_roots "${wanted[@]}"
}

# Cheap when all is there: no lock, no package query.
ensure_roots() {
  local root missing=()
  for root; do
    [[ -d $(root_path "$root") ]] || missing+=("$root")
  done
  if ((${#missing[@]} == 0)) && machine_has_tools; then return 0; fi
  mkdir -p "$CACHE"
  (
    flock 9
    install_missing_packages
    for root in "${missing[@]}"; do
      [[ -d $(root_path "$root") ]] || build_root "$root"
      remove_old_roots "$root"
    done
  ) 9>"$CACHE/lock"
}

machine_has_tools() {
  local tool
  for tool in mmdebstrap systemd-nspawn dtach ip nft ssh ssh-keygen openssl perl nsenter setpriv; do
    command -v "$tool" >/dev/null || return 1
  done
}

build_root() {
  local root=$1 path log
  path=$(root_path "$root")
  log=$CACHE/$root.log
  say "building $root (about a minute; log: $log)"
  rm -rf "$path.partial"
  if ! mmdebstrap --variant=minbase --include="$(IFS=,; echo "${root_packages[*]}"),$(flavour_package "$root")" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$(root_suite "$root")" "$path.partial" >"$log" 2>&1 9>&-; then
    tail -n 15 "$log" >&2
    rm -rf "$path.partial"
    fail "building $root failed"
  fi
  customise_root "$path.partial" >>"$log" 2>&1 || fail "preparing $root failed" "see $log"
  mv "$path.partial" "$path"
}

customise_root() {
  local dir=$1 unit generator
  chroot "$dir" useradd --create-home --shell /bin/bash --user-group admin
  chroot "$dir" ssh-keygen -A
  : >"$dir/etc/resolv.conf"
  sed -i 's/^ENABLED=.*/ENABLED=no/' "$dir/etc/ufw/ufw.conf" 2>/dev/null || true
  # Firewalls, fail2ban and atd are started by the breaks only.
  for unit in firewalld fail2ban ufw nftables netfilter-persistent atd ssh.socket systemd-networkd; do
    systemctl --root="$dir" --quiet disable "$unit" 2>/dev/null || true
  done
  systemctl --root="$dir" --quiet enable ssh.service rsyslog.service
  systemctl --root="$dir" set-default multi-user.target
  # Slow, useless in a container, or a clock-driven change in the middle of a test.
  systemctl --root="$dir" mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    fstrim.timer logrotate.timer man-db.timer systemd-tmpfiles-clean.timer systemd-networkd-wait-online.service \
    getty@tty1.service systemd-firstboot.service systemd-udevd.service systemd-pstore.service \
    e2scrub_reap.service systemd-binfmt.service systemd-timesyncd.service
  # Each of them is a process at every boot and at every daemon-reload, and finds nothing in a container.
  mkdir -p "$dir/etc/systemd/system-generators"
  for generator in bless-boot cryptsetup debug gpt-auto hibernate-resume integritysetup rc-local run system-update tpm2 \
    veritysetup; do
    ln -s /dev/null "$dir/etc/systemd/system-generators/systemd-$generator-generator"
  done
}

# A root in use is held by a shared lock for as long as one of its hosts runs.
remove_old_roots() {
  local root=$1 current old
  current=$(root_path "$root")
  for old in "$CACHE/$root".????????????; do
    [[ -d $old && $old != "$current" ]] || continue
    if flock -n "$old.lock" rm -rf "$old"; then
      rm -f "$old.lock"
    else
      say "keeping $old: a host still uses it"
    fi
  done
}
