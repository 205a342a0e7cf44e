# shellcheck shell=bash
# The daemon keeps the keys it has loaded, so it is stopped first: a start finds what is left.

stop_sshd_and() {
  inside <<SH
systemctl stop ssh.socket ssh.service
cd /etc/ssh
$1
systemctl start ssh.service 2>/dev/null || true
# systemd tries a few times more by itself; the host is broken for good once it has given up.
tries=0
until systemctl is-failed --quiet ssh.service || [ "\$tries" -ge 100 ]; do
  tries=\$((tries + 1))
  sleep 0.1
done
SH
}

describe host-keys-missing 'the host keys are gone and sshd does not start'
break_host_keys_missing() {
  stop_sshd_and 'rm ssh_host_*'
}

describe host-keys-empty 'the host keys are empty and sshd does not start'
break_host_keys_empty() {
  # shellcheck disable=SC2016 # the loop runs on the host
  stop_sshd_and 'for key in ssh_host_*_key; do : >"$key"; done'
}

describe host-keys-corrupt 'the host keys hold garbage and sshd does not start'
break_host_keys_corrupt() {
  # shellcheck disable=SC2016 # the loop runs on the host
  stop_sshd_and 'for key in ssh_host_*_key; do head -c 400 /dev/urandom >"$key"; done'
}
