# shellcheck shell=bash
# Each runs once for every user of --user, in the user's home.

in_homes() {
  local script user
  script=$(cat)
  for user in $BREAK_USERS; do
    inside "$user" <<SH
home=\$(getent passwd "\$1" | cut -d: -f6)
cd "\$home"
$script
SH
  done
}

describe authorized-keys-missing 'authorized_keys is gone'
break_authorized_keys_missing() {
  in_homes <<<'rm .ssh/authorized_keys'
}

describe authorized-keys-empty 'authorized_keys is empty'
break_authorized_keys_empty() {
  in_homes <<<': >.ssh/authorized_keys'
}

# Characters lost in a paste leave a line that still looks like a key.
describe authorized-keys-corrupt "the operator's key lost characters; the other key is fine"
break_authorized_keys_corrupt() {
  in_homes <<<"sed -i '/operator@lab/s/ AAAA.\{20\}/ AAAA/' .ssh/authorized_keys"
}

describe authorized-keys-all-corrupt 'every key lost characters'
break_authorized_keys_all_corrupt() {
  in_homes <<<"sed -i 's/ AAAA.\{20\}/ AAAA/' .ssh/authorized_keys"
}

describe home-modes 'the home can be written by everyone'
break_home_modes() {
  in_homes <<<'chmod 777 .'
}

describe ssh-dir-modes '.ssh can be written by everyone'
break_ssh_dir_modes() {
  in_homes <<<'chmod 777 .ssh'
}

describe authorized-keys-modes 'authorized_keys can be written by everyone'
break_authorized_keys_modes() {
  in_homes <<<'chmod 666 .ssh/authorized_keys'
}

describe authorized-keys-owner 'authorized_keys belongs to another user'
break_authorized_keys_owner() {
  in_homes <<<'chown daemon:daemon .ssh/authorized_keys'
}
