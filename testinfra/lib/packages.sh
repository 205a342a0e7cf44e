# shellcheck shell=bash
# What the machine itself must have.

machine_packages=(mmdebstrap debian-archive-keyring systemd-container dtach iproute2 nftables openssh-client openssl perl-base util-linux)

require_machine() {
  [[ $(uname -s) == Linux ]] || fail 'hosts are Linux namespaces: this is not Linux'
  ((EUID == 0)) || fail 'namespaces and mounts need root' 'run as root, or with sudo'
}

# Changes nothing: tests and the demo ask this before they begin.
command_able() {
  require_machine
  unshare --net --mount --pid --uts --ipc --fork true 2>/dev/null ||
    fail 'this machine does not let us make namespaces'
  [[ -e /sys/fs/cgroup/cgroup.procs || -e /sys/fs/cgroup/unified/cgroup.procs ]] ||
    fail 'control groups version 2 are not mounted'
  machine_has_tools || command -v apt-get >/dev/null ||
    fail "no apt-get here to install what is missing of ${machine_packages[*]}"
}

missing_packages() {
  local package
  for package in "${machine_packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || printf '%s\n' "$package"
  done
}

install_missing_packages() {
  command -v apt-get >/dev/null ||
    fail 'the lab installs Debian packages and there is no apt-get here' "it needs: ${machine_packages[*]}"
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

install_packages() {
  say "installing $*"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# What the unit tests use besides: command and package. A command that is there is left as it is.
test_tools=(shellcheck:shellcheck mksh:mksh busybox:busybox-static setfacl:acl setfattr:attr)

command_tools() {
  require_machine
  (($#)) || set -- "${test_tools[@]}"
  install_tools "$@"
}

# install_tools COMMAND:PACKAGE...
install_tools() {
  local tool missing=()
  for tool; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || fail "no apt-get here to install ${missing[*]}"
  install_packages "${missing[@]}"
}
