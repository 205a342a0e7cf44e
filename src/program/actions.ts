/**
 * The shell functions that carry out and take back one action each. All of them: exit status 0 when
 * the host is as wanted, 3 when what was observed is no longer there (drift), else the tool's own.
 * `$R` is the run's folder, `$I` its id. The comments inside go to the host too.
 */
export const actionFunctions = String.raw`
# drift WHY: says on standard error that the host is not as it was observed.
drift() { printf 'changed since it was looked at: %s\n' "$1" >&2; return 3; }

# sum_of FILE: its digest, or "absent".
sum_of() { if [ -e "$1" ] || [ -L "$1" ]; then digest <"$1"; else echo absent; fi; }

# real_file FILE: where a link that root made points to; the place itself must be root's.
real_file() {
  rf=$1
  if [ -L "$rf" ]; then rf=$(readlink -f -- "$rf") || return 1; fi
  rf_dir=${'${rf%/*}'}
  [ "$(stat -c %u -- "${'${rf_dir:-/}'}")" = 0 ] || { echo "the folder of $rf is not root's" >&2; return 1; }
  printf '%s\n' "$rf"
}

# to_disk FILE: flushes a file before it is renamed into place.
to_disk() { sync -- "$1" 2>/dev/null || sync; }

# copy_with_all FROM TO: bytes, mode, owner, times, and ACL and label where the tools know them.
copy_with_all() {
  cp -a -- "$1" "$2" || return 1
  if have getfacl && have setfacl && ! cp --help 2>&1 | grep -q -- --preserve; then
    getfacl -p -- "$1" 2>/dev/null | setfacl --set-file=- -- "$2" 2>/dev/null
  fi
  return 0
}

# snapshot_file NUMBER FILE BEFORE: keeps the whole file, so that an undo needs nothing else.
snapshot_file() {
  # A change before this one makes the folder.
  if [ "$3" = absent ] && [ ! -e "${'${2%/*}'}" ]; then return 0; fi
  sn=$(real_file "$2") || return 1
  [ "$(sum_of "$sn")" = "$3" ] || { drift "$sn"; return 3; }
  [ "$3" != absent ] || return 0
  mkdir -p "$R/files" && copy_with_all "$sn" "$R/files/$1" && [ "$(digest <"$R/files/$1")" = "$3" ] && return 0
  echo "no copy of $sn could be kept in $R (is the disk full?)" >&2; return 1
}

# spare NUMBER FILE: a second name for the old file beside it. An undo by rename needs no room on the
# disk, and the file keeps every attribute it has. Where links are not possible the copy serves.
spare() {
  sp=${'${2%/*}'}/.remedy-$I-$1.old
  { ln -- "$2" "$sp" && printf '%s\n' "$sp" >>"$R/spares"; } 2>/dev/null || :
}

clear_spares() {
  [ -e "$R/spares" ] || return 0
  while IFS= read -r cs; do rm -f -- "$cs"; done <"$R/spares"
  rm -f -- "$R/spares"
}

# is_secret NUMBER: may nobody see what the change writes, or what was there?
is_secret() { case " ${'${SECRET-}'} " in *" $1 "*) return 0 ;; esac; return 1; }

# heard NUMBER COMMAND...: what a command says about a secret is not passed on: it may quote it.
heard() {
  hd=$1; shift
  if is_secret "$hd"; then "$@" >/dev/null 2>&1; else "$@"; fi
}

# untouched NUMBER: the file is another one's now, and we have not written: nothing is to be taken back.
untouched() { : >"$R/undone-$1"; }

# write_file NUMBER FILE BEFORE AFTER [GATE...]: replaces a file at once; content_NUMBER prints the new
# bytes. AFTER "absent" takes it away.
write_file() {
  wf_n=$1; wf_before=$3; wf_after=$4
  wf=$(real_file "$2") || return 1
  shift 4
  [ -e "$R/files/$wf_n" ] || snapshot_file "$wf_n" "$wf" "$wf_before" || { wf_status=$?; untouched "$wf_n"; return "$wf_status"; }
  [ "$(sum_of "$wf")" = "$wf_before" ] || { untouched "$wf_n"; drift "$wf"; return 3; }
  wf_tmp=${'${wf%/*}'}/.remedy-$I.tmp
  rm -f -- "$wf_tmp"
  if [ "$wf_after" = absent ]; then
    wf_tmp=
  elif [ "$wf_before" = absent ]; then
    if is_secret "$wf_n"; then wf_mask=077; else wf_mask=022; fi
    ( set -C; umask "$wf_mask"; : >"$wf_tmp" ) || return 1
  else
    ( set -C; umask 077; : >"$wf_tmp" ) && copy_with_all "$wf" "$wf_tmp" || { rm -f -- "$wf_tmp"; return 1; }
  fi
  if [ -n "$wf_tmp" ]; then
    if ! "content_$wf_n" >"$wf_tmp" || [ "$(digest <"$wf_tmp")" != "$wf_after" ]; then
      echo "the new bytes of $wf could not be written (is the disk full?)" >&2
      rm -f -- "$wf_tmp"; return 1
    fi
    to_disk "$wf_tmp"
  fi
  if [ $# -gt 0 ] && ! heard "$wf_n" "$@" "${'${wf_tmp:-/dev/null}'}"; then
    echo "refused by the check: $* (the file was not touched)" >&2
    [ -z "$wf_tmp" ] || rm -f -- "$wf_tmp"
    return 1
  fi
  [ "$(sum_of "$wf")" = "$wf_before" ] || { rm -f -- "$wf_tmp"; untouched "$wf_n"; drift "$wf"; return 3; }
  # One that goes has none: its folder may be ours and must be empty to go, too.
  [ "$wf_before" = absent ] || [ "$wf_after" = absent ] || spare "$wf_n" "$wf"
  if [ -n "$wf_tmp" ]; then mv -f -- "$wf_tmp" "$wf" || { rm -f -- "$wf_tmp"; return 1; }
  else rm -f -- "$wf" || return 1; fi
  if [ "$wf_before" = absent ] && have restorecon; then restorecon "$wf" 2>/dev/null; fi
  to_disk "${'${wf%/*}'}"
}

# unwrite_file NUMBER FILE BEFORE AFTER: brings the old file back, unless someone edited it since.
unwrite_file() {
  uf=$(real_file "$2") || return 1
  rm -f -- "${'${uf%/*}'}/.remedy-$I.tmp"
  [ "$(sum_of "$uf")" != "$3" ] || return 0
  [ "$(sum_of "$uf")" = "$4" ] || { show_edit "$1" "$uf"; drift "$uf"; return 3; }
  if [ "$3" = absent ]; then rm -f -- "$uf"; to_disk "${'${uf%/*}'}"; return; fi
  uf_old=${'${uf%/*}'}/.remedy-$I-$1.old
  if [ "$(sum_of "$uf_old")" != "$3" ]; then
    uf_old=${'${uf%/*}'}/.remedy-$I.tmp
    copy_with_all "$R/files/$1" "$uf_old" && to_disk "$uf_old" || { rm -f -- "$uf_old"; return 1; }
  fi
  [ "$(sum_of "$uf_old")" = "$3" ] && mv -f -- "$uf_old" "$uf" && to_disk "${'${uf%/*}'}"
}

# show_edit NUMBER FILE: what someone else changed in a file since we wrote it.
show_edit() {
  if have diff && have "content_$1" && ! is_secret "$1"; then
    "content_$1" | diff -u - "$2" | tail -n +3 | head -n 30
  fi
}

# set_attributes DIR DIR_INODE NAME INODE UID GID MODE NEW_UID NEW_GID NEW_MODE
# The user may be swapping links in this very moment. A folder is entered first, compared, and then
# changed as ".", which is the folder that was entered and no other. A file is given away only by
# "chown -h", which follows no link, and only where the kernel forbids users to make hard links to
# files that are not theirs; its mode is set as its owner, who can reach nothing that is not his.
set_attributes() (
  cd -P -- "$1" || exit 3
  [ "$(stat -c %d:%i .)" = "$2" ] || { drift "$1"; exit 3; }
  sa=./$3; [ "$3" != . ] || sa=.
  if [ "$(sa_state "$sa")" = "$4 $8 $9 ${'${10}'}" ]; then exit 0; fi
  [ "$(sa_state "$sa")" = "$4 $5 $6 $7" ] || { drift "$1/$3"; exit 3; }
  if [ "$5:$6" != "$8:$9" ] && [ "$sa" != . ] && [ "$(cat /proc/sys/fs/protected_hardlinks 2>/dev/null)" != 1 ]; then
    echo 'fs.protected_hardlinks is off: the owner cannot be changed safely' >&2; exit 1
  fi
  if sa_set "$sa" "$8" "$9" "${'${10}'}" "$5" "$6" && [ "$(sa_state "$sa")" = "$4 $8 $9 ${'${10}'}" ]; then exit 0; fi
  sa_now=$(sa_state "$sa")
  sa_set "$sa" "$5" "$6" "$7" "$8" "$9" 2>/dev/null
  case $sa_now in "$4 "*) exit 1 ;; *) drift "$1/$3"; exit 3 ;; esac
)

# sa_set ENTRY UID GID MODE OLD_UID OLD_GID. Five digits of a mode clear setgid too, which chmod keeps for
# a folder. The mode of a file is set as one of its two owners, never as root for a file that a user had
# or gets: chmod follows links. The folder may be closed to one of the two.
sa_set() {
  if [ "$1" = . ]; then chown -h "$2:$3" . && chmod "00$4" .; return; fi
  if [ "$5" != 0 ] && [ "$2" != "$5" ]; then
    if as_user "$5" "$6" chmod "00$4" "$1" 2>/dev/null; then chown -h "$2:$3" "$1"; return; fi
    [ "$2" != 0 ] || { echo "its owner (user id $5) cannot set the mode of $1" >&2; return 1; }
  fi
  chown -h "$2:$3" "$1" && as_user "$2" "$3" chmod "00$4" "$1"
}

# sa_state ENTRY: identity of a folder, or of a plain file with one name.
sa_state() {
  if [ "$1" != . ]; then
    [ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %h -- "$1")" = 1 ] || { echo 'not a plain file'; return; }
  fi
  stat -c '%d:%i %u %g %a' -- "$1"
}

# as_user UID GID COMMAND...
as_user() {
  au_uid=$1; au_gid=$2; shift 2
  if [ "$au_uid" = 0 ]; then "$@"; return; fi
  # The setpriv of busybox cannot change users.
  if have setpriv && setpriv --reuid=0 --regid=0 --clear-groups -- true 2>/dev/null; then
    setpriv "--reuid=$au_uid" "--regid=$au_gid" --clear-groups -- "$@"; return
  fi
  au_name=$(getent passwd "$au_uid" | cut -d : -f 1)
  if [ -n "$au_name" ] && have runuser; then runuser -u "$au_name" -- "$@"; return; fi
  if [ -n "$au_name" ] && have su; then su -s /bin/sh "$au_name" -c 'exec "$@"' sh "$@"; return; fi
  echo 'neither setpriv, runuser nor su can act as the owner: the mode cannot be set safely' >&2
  return 1
}

# nft_delete FAMILY TABLE CHAIN COMMENT: deletes our own rules; others may have come and gone meanwhile.
nft_delete() {
  nd=$(nft_handles "$@") || return
  for nd_handle in $nd; do nft delete rule "$1" "$2" "$3" handle "$nd_handle" || return; done
  [ -z "$(nft_handles "$@")" ] || { echo "a rule of ours is still in $1 $2 $3" >&2; return 1; }
}

# nft_handles FAMILY TABLE CHAIN COMMENT: a chain that is gone has no rules of ours.
nft_handles() {
  nh=$(nft -a list chain "$1" "$2" "$3" 2>/dev/null) || { nft list tables >/dev/null; return; }
  printf '%s\n' "$nh" | grep -F "comment \"$4\"" | sed -n 's/.*# handle \([0-9][0-9]*\)$/\1/p'
}

# firewalld_remove runtime|permanent ZONE REMOVAL: somebody may have stopped firewalld meanwhile (exit
# status 252, firewall-cmd(1)): what is live has gone with it, and the files are changed without it.
firewalld_remove() {
  if [ "$1" = permanent ]; then set -- --permanent "$2" "$3"; else set -- "" "$2" "$3"; fi
  limit 120 firewall-cmd ${'${1:+"$1"}'} "--zone=$2" "$3"; fr_status=$?
  [ "$fr_status" -eq 252 ] || return "$fr_status"
  [ -n "$1" ] || return 0
  case $3 in
    --remove-service=*) limit 120 firewall-offline-cmd "--zone=$2" "--remove-service-from-zone=${'${3#*=}'}" ;;
    *) limit 120 firewall-offline-cmd "--zone=$2" "$3" ;;
  esac
}

# move_file FROM TO: never over something. One that is moved already stays.
move_file() {
  if [ -e "$2" ] || [ -L "$2" ]; then
    if [ -e "$1" ] || [ -L "$1" ]; then drift "$2"; return 3; fi
    return 0
  fi
  mv -- "$1" "$2" && to_disk "${'${2%/*}'}"
}

# mend_ufw: ufw was killed at work. Its files come first, so the kernel's rules are made from them anew.
# Each start of ufw tries in a chain of its own what the kernel can do; one that was killed leaves it.
mend_ufw() {
  mu_4=$(ufw_test_chains iptables); mu_6=$(ufw_test_chains ip6tables)
  limit 120 ufw reload || return
  for mu in $mu_4; do iptables -w -F "$mu" && iptables -w -X "$mu"; done 2>/dev/null
  for mu in $mu_6; do ip6tables -w -F "$mu" && ip6tables -w -X "$mu"; done 2>/dev/null
  return 0
}

ufw_test_chains() { "$1" -w -S 2>/dev/null | sed -n 's/^-N \(ufw6*-caps-test[a-z0-9_]*\)$/\1/p'; }

# make_host_key FILE TYPE ASIDE: a fresh pair; a bad pair is moved aside first and never deleted.
make_host_key() {
  mk_new=$1.remedy-new
  rm -f -- "$mk_new" "$mk_new.pub"
  ssh-keygen -q -t "$2" -N '' -C '' -f "$mk_new" </dev/null && chmod 644 "$mk_new.pub" || return 1
  for mk in "$1" "$1.pub"; do
    if [ -n "$3" ] && { [ -e "$mk" ] || [ -L "$mk" ]; }; then
      : >"$R/aside-${'${mk##*/}'}" && mv -f -- "$mk" "$mk.$3" || return 1
    fi
  done
  to_disk "$mk_new"
  digest <"$mk_new" >"$R/made-${'${1##*/}'}" && digest <"$mk_new.pub" >"$R/made-${'${1##*/}'}.pub" || return 1
  mv -f -- "$mk_new.pub" "$1.pub" && mv -f -- "$mk_new" "$1" || return 1
  if have restorecon; then restorecon "$1" "$1.pub" 2>/dev/null; fi
  sync
}

# unmake_host_key FILE ASIDE: takes the fresh pair away and puts the old one back, as far as it was made.
# A key that someone else made since stays.
unmake_host_key() {
  rm -f -- "$1.remedy-new" "$1.remedy-new.pub"
  uk_status=0
  for uk in "$1" "$1.pub"; do unmake_key_file "$uk" "$uk.$2" || uk_status=$?; done
  return "$uk_status"
}

unmake_key_file() {
  uf_made=$(cat "$R/made-${'${1##*/}'}" 2>/dev/null); uf_now=$(sum_of "$1")
  if [ -e "$2" ] || [ -L "$2" ]; then
    [ -e "$R/aside-${'${1##*/}'}" ] || return 0
    case $uf_now in absent|"$uf_made") mv -f -- "$2" "$1" ;; *) drift "$1"; return 3 ;; esac
  elif [ -n "$uf_made" ] && [ ! -e "$R/aside-${'${1##*/}'}" ]; then
    case $uf_now in absent) ;; "$uf_made") rm -f -- "$1" ;; *) drift "$1"; return 3 ;; esac
  fi
}
`;
