# A login as on a serial line: getty, login(1), and a shell. FAKE_USER, FAKE_PASSWORD, FAKE_SHELL.
trap 'exit 0' HUP
# A real one is not in the process group of the shell.
trap : INT
# As agetty(8) and login(1) do, before they ask: what was typed ahead is thrown away.
flush() { stty -icanon -echo min 0 time 0 && dd bs=8192 count=1 >/dev/null 2>&1; }
while flush; stty sane echo; do
  printf '\r\nDebian GNU/Linux 12 web1 ttyS0\r\n\r\nweb1 login: '
  IFS= read -r user || continue
  [ -n "$user" ] || continue
  flush
  stty sane -echo
  printf 'Password: '
  IFS= read -r password || continue
  stty echo
  printf '\n'
  if [ "$user" != "$FAKE_USER" ] || [ "$password" != "$FAKE_PASSWORD" ]; then
    sleep 1
    printf '\nLogin incorrect\n'
    continue
  fi
  printf 'Linux web1 6.1.0 #1 SMP\n\nYou have no mail, login: and Password: are words of this text. # $\n'
  export HISTFILE="$FAKE_HOME/history"
  eval "${FAKE_SHELL:-sh -i}"
done
