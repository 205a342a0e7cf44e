/**
 * The shell functions of the guard: the armed undo that fires unless the run is confirmed. It is a
 * process of its own outside the login that brought it, with its deadline in seconds since boot, so
 * that neither a set clock nor a daemon-reload moves it; and a boot unit, so that a reboot while
 * armed reverts.
 */
export const guardFunctions = String.raw`
# --collect came with systemd 236.
systemd_can_run() {
  [ -d /run/systemd/system ] && have systemd-run || return 1
  sv=$(systemd-run --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9][0-9]*\).*/\1/p')
  [ "${'${sv:-0}'}" -ge 236 ]
}

# dies_with_login: would logind end what we start when the login ends? Then no detaching helps.
dies_with_login() {
  dl=$(cat /proc/self/cgroup 2>/dev/null)
  case $dl in */user-0.slice/*) return 1 ;; */session-*.scope*) ;; *) return 1 ;; esac
  dl=$(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses 2>/dev/null)
  [ "$dl" != 'b false' ]
}

# detach VERB: starts "program VERB" outside this login, by the first way that works; says which.
detach() {
  if systemd_can_run; then
    if [ "$1" = guard ]; then
      systemd-run --quiet --collect "--unit=remedy-guard-$I" -p IgnoreOnIsolate=yes -p Restart=on-failure \
        -p RestartSec=1 -p StartLimitIntervalSec=0 -p TimeoutStopSec=30 sh "$R/program" guard >>"$R/start" 2>&1 </dev/null
    else
      systemd-run --quiet --collect "--unit=remedy-$1-$I" -p TimeoutStopSec=30 sh "$R/program" "$1" >>"$R/start" 2>&1 </dev/null
    fi && { DETACHED='systemd-run'; return 0; }
  fi
  # at starts its jobs outside the login; its own clock is not used.
  if have at && printf 'exec sh %s/program %s\n' "$R" "$1" | at now >>"$R/start" 2>&1; then
    DETACHED='at'
    wait_for is_up "$1" 5 && return 0
  fi
  if dies_with_login; then
    echo 'no systemd-run, no at, and logind ends all processes of a login (KillUserProcesses)' >>"$R/start"
    return 1
  fi
  DETACHED='loop'
  if have setsid; then setsid sh "$R/program" "$1" >/dev/null 2>>"$R/start" </dev/null &
  else ( trap '' HUP PIPE; exec sh "$R/program" "$1" >/dev/null 2>>"$R/start" </dev/null ) & fi
}

# is_up VERB: has that process said who it is, and does it run?
is_up() {
  case $1 in apply) alive "$R/applier" || grep -q " end " "$R/journal" ;; *) alive "$R/$1" ;; esac
}

# wait_for TEST ARG SECONDS: looks five times a second where sleep can do that.
wait_for() {
  wf_until=$(( $(uptime_s) + $3 ))
  until "$1" "$2"; do
    [ "$(uptime_s)" -lt "$wf_until" ] || return 1
    sleep 0.2 2>/dev/null || sleep 1
  done
}

# arm: from here on the run takes itself back unless it is confirmed.
arm() {
  arm_boot || return 1
  set_deadline "$LEASE" || { say refuse guard "$R cannot be written"; return 1; }
  sync
  detach guard || { say refuse guard "no guard can run here: $(tail -n 3 "$R/start" | tr '\n' ' ')"; return 1; }
  wait_for is_up guard 20 || { say refuse guard "the guard did not start: $(tail -n 3 "$R/start" | tr '\n' ' ')"; return 1; }
  to_state prepared armed || { say refuse guard "$R cannot be written"; return 1; }
  echo "$DETACHED $BOOT_GUARD" >"$R/guarded-by"
  say armed "$DETACHED" "$BOOT_GUARD"
}

# arm_boot: what starts with the next boot, before the network and sshd: files go back at once, the
# rest when the daemons are there. No daemon-reload is needed: a boot reads its units anew.
arm_boot() {
  BOOT_GUARD=none
  [ -d /run/systemd/system ] || { arm_cron; return; }
  ab=/etc/systemd/system
  { boot_unit early >"$ab/remedy-boot-$I.service" && boot_unit late >"$ab/remedy-boot-late-$I.service" &&
    mkdir -p "$ab/sysinit.target.wants" "$ab/multi-user.target.wants" &&
    ln -sf "../remedy-boot-$I.service" "$ab/sysinit.target.wants/" &&
    ln -sf "../remedy-boot-late-$I.service" "$ab/multi-user.target.wants/"; } 2>>"$R/start" || {
    say refuse guard "no unit can be placed in $ab, so a reboot would not take the changes back: $(tail -n 1 "$R/start")"; return 1; }
  BOOT_GUARD=unit
}

arm_cron() {
  [ -d /etc/cron.d ] && { pidof cron || pidof crond; } >/dev/null 2>&1 || return 0
  printf '@reboot root sh %s/program boot late\n' "$R" >"/etc/cron.d/remedy-$I" && BOOT_GUARD=cron
}

boot_unit() {
  echo '[Unit]'
  echo "Description=remedy takes back run $I, which nobody confirmed"
  if [ "$1" = early ]; then
    echo 'DefaultDependencies=no'
    echo "RequiresMountsFor=$R /etc /usr"
    echo 'After=local-fs.target'
    echo 'Before=network-pre.target ufw.service firewalld.service nftables.service netfilter-persistent.service iptables.service ssh.service ssh.socket sshd.service sshd.socket fail2ban.service sysinit.target shutdown.target'
    echo 'Conflicts=shutdown.target'
    echo 'Wants=network-pre.target'
  else
    echo 'After=ufw.service firewalld.service nftables.service netfilter-persistent.service iptables.service ssh.service ssh.socket sshd.service sshd.socket fail2ban.service dbus.service'
  fi
  echo "ConditionPathExists=$R/program"
  echo '[Service]'
  echo 'Type=oneshot'
  echo "ExecStart=/bin/sh $R/program boot $1"
  echo '[Install]'
  if [ "$1" = early ]; then echo 'WantedBy=sysinit.target'; else echo 'WantedBy=multi-user.target'; fi
}

disarm() {
  for da in "remedy-boot-$I.service" "remedy-boot-late-$I.service"; do
    rm -f -- "/etc/systemd/system/$da" "/etc/systemd/system/sysinit.target.wants/$da" "/etc/systemd/system/multi-user.target.wants/$da"
  done
  rm -f -- "/etc/cron.d/remedy-$I"
}

# The guard looks once a second: it takes over where a process died, and fires at the deadline.
guard() {
  trap '' HUP PIPE INT
  # A shutdown must not wait for us: the boot unit goes on.
  trap 'exit 0' TERM
  identify "$R/guard" || exit 1
  until settled; do
    case $(state) in
      prepared) alive "$R/applier" || give_up ;;
      armed)
        if [ "$(seconds_left)" -eq 0 ]; then begin_revert 'nobody confirmed in time'
        elif applier_died; then begin_revert 'the program that makes the changes died'; fi ;;
      reverting) alive "$R/reverter" || revert_now ;;
    esac
    settled || sleep 1
  done
  # Whoever settled it may have been killed before he could tidy up.
  tidy
}

# applier_died: it is gone, and had not made all changes. In this order: it may end well in between.
applier_died() { ! alive "$R/applier" && [ ! -e "$R/applied" ]; }

# give_up: the applier died before its first write.
give_up() { to_state prepared reverted && finish reverted; }

# boot early|late: the machine was started anew before the run was settled. Files go back before
# anything reads them; what needs a daemon goes back when the daemons are there.
boot() {
  forget_secrets
  [ "$(state)" != prepared ] || give_up
  to_state armed reverting && say revert 'the machine was started anew'
  if settled; then tidy; return; fi
  claim reverter || return
  if [ "$1" = early ]; then
    take_back_in_order $UNDO_FILES
    [ -z "$UNDO_REST" ] || return 0
  fi
  take_back
}
`;
