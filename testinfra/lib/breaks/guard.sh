# shellcheck shell=bash
# What the undo on the host could stand on is taken away. Login still works.

describe no-systemd-run 'systemd-run is not there (login still works)'
break_no_systemd_run() {
  inside <<<'mv /usr/bin/systemd-run /usr/bin/systemd-run.away'
}

describe at-only 'no systemd-run, but at, with its daemon running (login still works)'
break_at_only() {
  inside <<'SH'
mv /usr/bin/systemd-run /usr/bin/systemd-run.away
systemctl --quiet enable --now atd
SH
}

describe loop-only 'neither systemd-run nor at (login still works)'
break_loop_only() {
  inside <<'SH'
mv /usr/bin/systemd-run /usr/bin/systemd-run.away
mv /usr/bin/at /usr/bin/at.away
SH
}

# By default root's own logins are spared.
describe kill-user-processes 'logind ends what admin leaves behind, root by sudo too (login still works)'
break_kill_user_processes() {
  inside <<'SH'
mkdir -p /etc/systemd/logind.conf.d
printf '[Login]\nKillUserProcesses=yes\n' >/etc/systemd/logind.conf.d/kill.conf
rm -f /var/lib/systemd/linger/*
systemctl restart systemd-logind
SH
}

describe no-guard 'neither systemd-run nor at, and logind ends what admin leaves behind (login still works)'
break_no_guard() {
  break_loop_only
  break_kill_user_processes
}
