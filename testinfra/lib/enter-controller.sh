#!/usr/bin/env bash
# enter-controller.sh LAB CONTROLLER-DIR CHECKOUT CMD...
# Runs in a private mount namespace: these mounts are seen by CMD only and end with it.
set -euo pipefail

LAB=$1 dir=$2 CHECKOUT=$3
shift 3

while IFS='=' read -r key value; do
  case $key in
    uid) uid=$value ;;
    user) user=$value ;;
  esac
done <"$dir/info"

mount --bind "$LAB/hosts.txt" /etc/hosts
mount --bind "$dir/passwd" /etc/passwd
mount --bind "$dir/group" /etc/group
mount --bind "$dir/nsswitch" /etc/nsswitch.conf

export HOME=$dir/home USER=$user LOGNAME=$user
unset XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_RUNTIME_DIR SSH_AUTH_SOCK SUDO_USER SUDO_UID SUDO_GID
if ((uid == 0)); then exec "$@"; fi

# The checkout and node may lie below a directory that this user cannot enter.
mount --rbind "$CHECKOUT" "$dir/checkout"
mount --bind "$(readlink -f "$(command -v node)")" "$dir/bin/node"
export PATH=$dir/bin:/usr/local/bin:/usr/bin:/bin
(setpriv --reuid "$uid" --regid "$uid" --clear-groups test -x .) 2>/dev/null || cd "$HOME"
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@"
