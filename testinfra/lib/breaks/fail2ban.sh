# shellcheck shell=bash

describe fail2ban-two-jails 'fail2ban has banned our address in two jails, sshd and recidive'
break_fail2ban_two_jails() {
  # shellcheck disable=SC2086 # one word per address
  inside $BREAK_FROM <<'SH'
cat >/etc/fail2ban/jail.local <<'CONF'
[DEFAULT]
bantime = 1h
banaction = nftables
banaction_allports = nftables[type=allports]

[sshd]
enabled = true

[recidive]
enabled = true
bantime = 1w
CONF
# A jail does not start without its log.
touch /var/log/auth.log /var/log/fail2ban.log
systemctl --quiet enable --now fail2ban
poll() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || return 1
    sleep 0.05
  done
}
jails_ready() {
  fail2ban-client status sshd >/dev/null 2>&1 && fail2ban-client status recidive >/dev/null 2>&1
}
# The ban is asked for at once and made a moment later.
banned_twice() {
  [ "$(nft list ruleset | grep -oF -- "$1" | wc -l)" -ge 2 ]
}
poll jails_ready
for from; do
  fail2ban-client set sshd banip "$from"
  fail2ban-client set recidive banip "$from"
  poll banned_twice "$from"
done
SH
}
