# shellcheck shell=bash
# Every lab has one bridge in a namespace of its own. No interface ever stands in the machine's
# own namespace, so labs may use the same addresses and nothing can leave.

create_namespace() {
  : >"$LAB/net/$1"
  unshare --net="$LAB/net/$1" true
  in_namespace "$1" sh -e <<'SH'
ip link set lo up
# Addresses must be usable at once: no duplicate detection, no waiting for routers.
for set in all default; do
  echo 0 >/proc/sys/net/ipv6/conf/$set/accept_dad
  echo 0 >/proc/sys/net/ipv6/conf/$set/accept_ra
done
SH
}

remove_namespace() {
  [[ -e $LAB/net/$1 ]] || return 0
  # More than one mount can lie on the file after a crash.
  local _
  for _ in 1 2 3; do
    umount "$LAB/net/$1" 2>/dev/null || break
  done
  rm -f "$LAB/net/$1"
}

in_namespace() {
  local name=$1
  shift
  nsenter --net="$LAB/net/$name" -- "$@"
}

create_switch() {
  create_namespace switch
  in_namespace switch sh -e <<'SH'
ip link add br0 type bridge forward_delay 0
ip link set br0 up
nft add table bridge lab
nft -f - <<'NFT'
table bridge lab {
  # Cut links. A host that is cut and without power is in both sets.
  set cut { type ifname; }
  set power { type ifname; }
  # Neighbours still answer, as they would if the cut were further away.
  chain lost {
    ether type ip drop
    ether type ip6 meta l4proto != ipv6-icmp drop
  }
  chain way {
    type filter hook forward priority 0
    iifname @cut jump lost
    oifname @cut jump lost
    iifname @power jump lost
    oifname @power jump lost
  }
}
NFT
SH
}

# cut_link PORT[:SET]: from now on its packets vanish, both ways. Twice is as good as once.
cut_link() {
  in_namespace switch nft add element bridge lab "$(link_set "$1")" "{ \"${1%%:*}\" }"
}

# nft has no way to say "if it is there" before 1.1.
mend_link() {
  in_namespace switch nft add element bridge lab "$(link_set "$1")" "{ \"${1%%:*}\" }" \; \
    delete element bridge lab "$(link_set "$1")" "{ \"${1%%:*}\" }"
}

link_set() {
  case $1 in
    *:power) echo power ;;
    *) echo cut ;;
  esac
}

# attach NAMESPACE NUMBER [ADDRESS4] [ADDRESS6]: eth0 in the namespace, on the lab's bridge.
attach() {
  local name=$1 number=$2 address4=${3:-} address6=${4:-}
  in_namespace switch sh -e -s "$LAB/net/$name" "port$number" <<'SH'
ip link add "$2" type veth peer name eth0 netns "$1"
ip link set "$2" master br0 up
SH
  in_namespace "$name" sh -e -s "$address4" "$address6" <<'SH'
[ -n "$2" ] || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set eth0 up
[ -z "$1" ] || ip address add "$1/24" dev eth0
[ -z "$2" ] || ip address add "$2/64" dev eth0 nodad
SH
}

address4_of() {
  printf '10.77.0.%d\n' "$1"
}

address6_of() {
  printf 'fd77::%x\n' "$1"
}

# Neighbour discovery still works: what is dropped is what a bad router would drop.
drop_on_the_way() {
  case $1 in
    10.*) in_namespace switch nft add rule bridge lab way ip daddr "$1" drop ;;
    *) in_namespace switch nft add rule bridge lab way ip6 daddr "$1" meta l4proto != ipv6-icmp drop ;;
  esac
}

# A router between controller and lab; hosts see the router's address.
create_router() {
  local router=$1 inside=$2
  in_namespace "$router" sh -e -s "$LAB/net/$inside" <<'SH'
ip link add eth1 type veth peer name eth0 netns "$1"
ip address add 192.168.77.1/24 dev eth1
ip address add fd78::1/64 dev eth1 nodad
ip link set eth1 up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
nft -f - <<'NFT'
table inet lab {
  chain way_out { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }
}
NFT
SH
  in_namespace "$inside" sh -e <<'SH'
ip address add 192.168.77.2/24 dev eth0
ip address add fd78::2/64 dev eth0 nodad
ip link set eth0 up
ip route add 10.77.0.0/24 via 192.168.77.1
ip route add fd77::/64 via fd78::1
SH
}

# Whatever still runs in a namespace of this lab was started through the lab.
end_processes_in() {
  local inode pid
  inode=$(stat -L -c %i "$LAB/net/$1" 2>/dev/null) || return 0
  while IFS=/ read -r _ _ pid _; do
    [[ $pid == "$$" ]] || kill -KILL "$pid" 2>/dev/null || true
  done < <(find /proc/[0-9]*/ns/net -lname "net:\\[$inode\\]" 2>/dev/null)
}
