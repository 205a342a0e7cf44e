# shellcheck shell=bash

describe sshd-stopped 'sshd is stopped, but comes back with the next boot'
break_sshd_stopped() {
  inside <<'SH'
systemctl stop ssh.socket ssh.service
SH
}

describe sshd-disabled 'sshd is stopped and disabled'
break_sshd_disabled() {
  inside <<'SH'
systemctl --quiet disable --now ssh.socket ssh.service
SH
}

describe sshd-masked 'sshd is stopped and masked'
break_sshd_masked() {
  inside <<'SH'
systemctl stop ssh.socket ssh.service
systemctl --quiet disable ssh.service
systemctl --quiet mask ssh.service
SH
}
