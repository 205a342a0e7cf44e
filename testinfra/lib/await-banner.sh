#!/usr/bin/env bash
# await-banner.sh ADDRESS PORT: returns when an SSH banner comes. The caller sets the bound.
while :; do
  if exec 3<>"/dev/tcp/$1/$2" && IFS= read -r -t 5 line <&3 && [[ $line == SSH-* ]]; then exit 0; fi
  exec 3>&-
  sleep 0.05
done 2>/dev/null
