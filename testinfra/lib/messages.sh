# shellcheck shell=bash
# What is said to the person or test that calls the lab. Always on stderr: stdout is for results.

say() {
  printf 'lab: %s\n' "$*" >&2
}

# fail WHAT [WHAT-TO-DO]
fail() {
  say "$1"
  [[ -z ${2:-} ]] || printf '     %s\n' "$2" >&2
  exit 1
}

# Names end up in paths, host names and interface lists, so they are plain words.
check_name() {
  [[ $2 =~ ^[a-z0-9][a-z0-9-]{0,39}$ ]] ||
    fail "the $1 '$2' is not a plain name" 'use small letters, digits and "-", at most 40'
}
