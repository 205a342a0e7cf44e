# shellcheck shell=bash

describe ufw-enable 'ufw enabled, with no rule: everything is refused by policy'
break_ufw_enable() {
  inside <<'SH'
systemctl --quiet enable ufw
ufw --force enable
SH
}

describe ufw-deny-source 'ufw allows 22, but a rule before it denies our address'
break_ufw_deny_source() {
  # shellcheck disable=SC2086 # one word per address
  inside $BREAK_FROM <<'SH'
systemctl --quiet enable ufw
for from; do ufw deny from "$from"; done
ufw allow 22/tcp
ufw --force enable
SH
}

describe firewalld-no-ssh 'firewalld runs and its default zone, public, lacks the service ssh'
break_firewalld_no_ssh() {
  inside <<'SH'
firewall-offline-cmd --zone=public --remove-service-from-zone=ssh
systemctl --quiet enable --now firewalld
firewall-cmd --state
SH
}

describe firewalld-drop-zone 'firewalld has the interface in zone drop'
break_firewalld_drop_zone() {
  inside <<'SH'
firewall-offline-cmd --zone=drop --add-interface=eth0
systemctl --quiet enable --now firewalld
firewall-cmd --state
SH
}

describe firewalld-drop-source 'firewalld has our address as a source of zone drop'
break_firewalld_drop_source() {
  # shellcheck disable=SC2086 # one word per address
  inside $BREAK_FROM <<'SH'
for from; do firewall-offline-cmd --zone=drop --add-source="$from"; done
systemctl --quiet enable --now firewalld
firewall-cmd --state
SH
}

describe firewalld-over-ufw 'firewalld started over an active ufw: ufw is emptied, its policy drop stays (debian12 only)'
break_firewalld_over_ufw() {
  [[ $(recall "$LAB/hosts/$BREAK_HOST/info" root) == debian12 ]] ||
    fail 'firewalld-over-ufw shuts no one out here: firewalld 2 leaves the rules of ufw alone' 'use --root debian12'
  inside <<'SH'
systemctl --quiet enable ufw
ufw allow 22/tcp
ufw --force enable
systemctl --quiet enable --now firewalld
firewall-cmd --state
SH
}

describe nft-two-tables 'nftables.service: one table accepts 22, the chain of another drops it'
break_nft_two_tables() {
  inside <<'SH'
cat >/etc/nftables.conf <<'NFT'
#!/usr/sbin/nft -f

flush ruleset

table inet base {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 22 accept
	}
}

table inet strict {
	chain input {
		type filter hook input priority filter + 10; policy drop;
		ct state established,related accept
		iif "lo" accept
		meta l4proto ipv6-icmp accept
	}
}
NFT
systemctl --quiet enable nftables
systemctl restart nftables
SH
}

describe nft-deny-source 'nftables.service: our address is dropped before 22 is accepted'
break_nft_deny_source() {
  local from rules=''
  for from in $BREAK_FROM; do
    if is_ipv6 "$from"; then
      rules+=$'\t\tip6 saddr '"$from"$' tcp dport 22 drop\n'
    else
      rules+=$'\t\tip saddr '"$from"$' drop\n'
    fi
  done
  inside "$rules" <<'SH'
cat >/etc/nftables.conf <<NFT
#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
$1		tcp dport 22 accept
	}
}
NFT
systemctl --quiet enable nftables
systemctl restart nftables
SH
}

describe iptables-reject-last 'iptables: established and lo are accepted, the last rule rejects all'
break_iptables_reject_last() {
  inside <<'SH'
for family in iptables ip6tables; do
  case $family in
    iptables) with=icmp-host-prohibited ;;
    ip6tables)
      with=icmp6-adm-prohibited
      ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
      ;;
  esac
  $family -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
  $family -A INPUT -i lo -j ACCEPT
  $family -A INPUT -j REJECT --reject-with $with
done
if command -v netfilter-persistent; then
  netfilter-persistent save 2>/dev/null
  systemctl --quiet enable netfilter-persistent
fi
SH
}

describe iptables-deny-source 'iptables: our address is dropped before 22 is accepted'
break_iptables_deny_source() {
  # shellcheck disable=SC2086 # one word per address
  inside $BREAK_FROM <<'SH'
for from; do
  case $from in
    *:*) ip6tables -A INPUT -s "$from" -p tcp --dport 22 -j DROP ;;
    *) iptables -A INPUT -s "$from" -j DROP ;;
  esac
done
for family in iptables ip6tables; do $family -A INPUT -p tcp --dport 22 -j ACCEPT; done
if command -v netfilter-persistent; then
  netfilter-persistent save 2>/dev/null
  systemctl --quiet enable netfilter-persistent
fi
SH
}
