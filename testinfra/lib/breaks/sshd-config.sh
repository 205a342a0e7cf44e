# shellcheck shell=bash

describe sshd-config-refused 'sshd was restarted on four lines that it refuses, in two files'
break_sshd_config_refused() {
  inside <<'SH'
printf 'MaxSessions many\n' >/etc/ssh/sshd_config.d/50-limits.conf
printf 'Nonsense yes\nPermitRootLogin\nMatch address 10.77.0.9/8\n  PasswordAuthentication no\n' >>/etc/ssh/sshd_config
systemctl restart ssh.service || :
systemctl stop ssh.service
SH
}

describe sshd-config-nul 'sshd_config holds NUL bytes only, as a loss of power leaves it; sshd is down'
break_sshd_config_nul() {
  inside <<'SH'
systemctl stop ssh.socket ssh.service
size=$(wc -c </etc/ssh/sshd_config)
head -c "$size" /dev/zero >/etc/ssh/sshd_config
SH
}

describe sshd-config-missing 'sshd_config is gone, and sshd is down'
break_sshd_config_missing() {
  inside <<'SH'
systemctl stop ssh.socket ssh.service
rm /etc/ssh/sshd_config
SH
}

describe allow-users 'AllowUsers in a drop-in names nobody that is here'
break_allow_users() {
  inside <<'SH'
printf 'AllowUsers somebody\n' >/etc/ssh/sshd_config.d/10-access.conf
systemctl reload ssh.service
SH
}

describe deny-users 'DenyUsers names root and admin'
break_deny_users() {
  inside <<'SH'
printf '\nDenyUsers guest root admin\n' >>/etc/ssh/sshd_config
systemctl reload ssh.service
SH
}

describe allow-groups 'AllowGroups names a group that nobody is in'
break_allow_groups() {
  inside <<'SH'
groupadd ssh-users
printf 'AllowGroups ssh-users\n' >/etc/ssh/sshd_config.d/10-access.conf
systemctl reload ssh.service
SH
}
