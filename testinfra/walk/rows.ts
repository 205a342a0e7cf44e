import type { Layer } from '../../src/walk/link.ts';

/** What a login meets: it works, a layer keeps it out, or nobody can tell from the facts. */
export type Expected = 'ok' | Layer | { readonly unknown: Layer; readonly works: boolean };

/** One way to break a host, and back. */
export interface Row {
  readonly name: string;
  readonly break: string;
  readonly undo: string;
  readonly root: Expected;
  readonly admin: Expected;
  /** The facts that the row can change; without it, all are read anew. */
  readonly facts?: readonly string[];
  /** What is different on Debian 13. */
  readonly debian13?: Pair;
}

type Pair = readonly [root: Expected, admin: Expected];

const keys = '/home/admin/.ssh/authorized_keys';
const restart =
  'systemctl reset-failed ssh.service ssh.socket 2>/dev/null; systemctl restart ssh.service';

function row(name: string, [root, admin]: Pair, breaks: string, undo: string): Row {
  return { name, root, admin, break: breaks, undo };
}

/** Lines of a drop-in that sshd reads. */
function config(name: string, pair: Pair, lines: string, before = '', after = ''): Row {
  return row(
    name,
    pair,
    `${before}\nprintf '%b' '${lines.replaceAll('\n', '\\n')}\\n' >/etc/ssh/sshd_config.d/50-row.conf\n${restart}`,
    `${after}\nrm -f /etc/ssh/sshd_config.d/50-row.conf\n${restart}`,
  );
}

const personal = ['accounts', 'account', 'login-paths', 'login-path', 'pam', 'sshd-daemon'];

/** A change that only the facts about accounts can show. */
function ownFacts(one: Row): Row {
  return { ...one, facts: personal };
}

/** A change of admin's home, .ssh or keys, which are kept beside and put back. */
function home(name: string, admin: Expected, breaks: string): Row {
  return ownFacts(
    row(
      name,
      ['ok', admin],
      `rm -rf /root/home; cp -a /home/admin /root/home; ${breaks}`,
      'rm -rf /home/admin; cp -a /root/home /home/admin',
    ),
  );
}

/** A change of files that are kept beside and put back. */
function files(name: string, pair: Pair, paths: string, breaks: string, after = ':'): Row {
  return row(
    name,
    pair,
    `rm -rf /root/kept; mkdir /root/kept; cp -a --parents ${paths} /root/kept; ${breaks}`,
    `rm -rf ${paths}; cp -a /root/kept/. /; ${after}`,
  );
}

function pam(name: string, pair: Pair, breaks: string): Row {
  return ownFacts(files(name, pair, '/etc/pam.d /etc/security', breaks));
}

function account(name: string, pair: Pair, breaks: string): Row {
  return ownFacts(files(name, pair, '/etc/passwd /etc/shadow /etc/group /etc/gshadow', breaks));
}

/** What OpenSSH 10 looks at only when it starts. */
function late(one: Row): Row {
  return { ...one, debian13: fine };
}

const bothOut = (layer: Layer): Pair => [layer, layer];
const fine: Pair = ['ok', 'ok'];
const adminOut = (layer: Layer): Pair => ['ok', layer];

const lists: readonly Row[] = [
  config('AllowUsers without root', ['authentication', 'ok'], 'AllowUsers admin'),
  config(
    'AllowUsers with hosts',
    adminOut('authentication'),
    'AllowUsers root@10.77.0.1 admin@192.0.2.*',
  ),
  config('AllowUsers by pattern', ['authentication', 'ok'], 'AllowUsers ad*'),
  config('AllowGroups', adminOut('authentication'), 'AllowGroups root'),
  config('AllowGroups of both', fine, 'AllowGroups root admin'),
  config('DenyUsers', adminOut('authentication'), 'DenyUsers admin'),
  config('DenyUsers of a net', adminOut('authentication'), 'DenyUsers admin@10.77.0.0/24'),
  config('DenyUsers of another net', fine, 'DenyUsers admin@192.0.2.0/24'),
  config('DenyGroups', adminOut('authentication'), 'DenyGroups admin'),
  config(
    'AllowUsers and AllowGroups',
    bothOut('authentication'),
    'AllowUsers admin\nAllowGroups root',
  ),
];

const methods: readonly Row[] = [
  config('PermitRootLogin no', ['authentication', 'ok'], 'PermitRootLogin no'),
  config(
    'PermitRootLogin forced-commands-only',
    ['authentication', 'ok'],
    'PermitRootLogin forced-commands-only',
  ),
  config('PubkeyAuthentication no', bothOut('authentication'), 'PubkeyAuthentication no'),
  config(
    'AuthenticationMethods password',
    bothOut('authentication'),
    'AuthenticationMethods password',
  ),
  config(
    'AuthenticationMethods with one that fits',
    fine,
    'AuthenticationMethods publickey password',
  ),
  config(
    'AuthenticationMethods of two steps',
    [
      { unknown: 'authentication', works: false },
      { unknown: 'authentication', works: false },
    ],
    'AuthenticationMethods publickey,password',
  ),
  config(
    'a Match for admin',
    adminOut('authentication'),
    'Match User admin\nPubkeyAuthentication no',
  ),
  config(
    'a Match for the net',
    bothOut('authentication'),
    'Match Address 10.77.0.0/24\nAllowUsers nobody',
  ),
  config('a Match that swallows a line', fine, 'Match User nobody\nDenyUsers admin'),
  config(
    'a drop-in that loses to an earlier one',
    fine,
    'PubkeyAuthentication no',
    'echo PubkeyAuthentication yes >/etc/ssh/sshd_config.d/40-first.conf',
    'rm /etc/ssh/sshd_config.d/40-first.conf',
  ),
  config(
    'PubkeyAcceptedAlgorithms without ed25519',
    bothOut('authentication'),
    'PubkeyAcceptedAlgorithms rsa-sha2-512',
  ),
  config(
    'RevokedKeys that is not there',
    bothOut('authentication'),
    'RevokedKeys /etc/ssh/revoked',
  ),
];

const keyPlaces: readonly Row[] = [
  config('AuthorizedKeysFile none', bothOut('authentication'), 'AuthorizedKeysFile none'),
  config(
    'AuthorizedKeysFile with %u',
    ['authentication', 'ok'],
    'AuthorizedKeysFile /etc/ssh/keys/%u',
    `mkdir /etc/ssh/keys; cp ${keys} /etc/ssh/keys/admin; chmod 644 /etc/ssh/keys/admin`,
    'rm -r /etc/ssh/keys',
  ),
  config(
    'AuthorizedKeysFile in a folder that others may write to',
    bothOut('authentication'),
    'AuthorizedKeysFile /etc/ssh/keys/%u',
    `mkdir /etc/ssh/keys; cp ${keys} /etc/ssh/keys/admin; chmod 644 /etc/ssh/keys/admin; chmod 777 /etc/ssh/keys`,
    'rm -r /etc/ssh/keys',
  ),
  config(
    'AuthorizedKeysFile of several',
    fine,
    'AuthorizedKeysFile .ssh/nothing .ssh/authorized_keys',
  ),
  config('AuthorizedKeysFile with %h', fine, 'AuthorizedKeysFile %h/.ssh/authorized_keys'),
  home('a home that others may write to', 'authentication', 'chmod 757 /home/admin'),
  config(
    'the same without StrictModes',
    fine,
    'StrictModes no',
    'chmod 757 /home/admin',
    'chmod 755 /home/admin',
  ),
  home('a home that its own group may write to', 'ok', 'chmod 775 /home/admin'),
  row(
    'a home that a group of two may write to',
    adminOut('authentication'),
    'chmod 775 /home/admin; usermod -aG admin games',
    'chmod 755 /home/admin; gpasswd -d games admin',
  ),
  home('.ssh of another account', 'authentication', 'chown games /home/admin/.ssh'),
  home('.ssh that only root may enter', 'authentication', 'chown root /home/admin/.ssh'),
  home('authorized_keys that all may write to', 'authentication', `chmod 666 ${keys}`),
  home('no authorized_keys', 'authentication', `rm ${keys}`),
  home('authorized_keys that is a folder', 'authentication', `rm ${keys}; mkdir ${keys}`),
  home('authorized_keys of root, readable', 'ok', `chown root:root ${keys}; chmod 644 ${keys}`),
  home(
    'authorized_keys of root, not readable',
    'authentication',
    `chown root:root ${keys}; chmod 600 ${keys}`,
  ),
  home('a link within the home', 'ok', `mv ${keys} /home/admin/keys; ln -s ../keys ${keys}`),
  home(
    'a link to a folder that all may write to',
    'authentication',
    `mv ${keys} /var/tmp/keys; ln -s /var/tmp/keys ${keys}`,
  ),
  home('no key but noise', 'authentication', `echo noise >${keys}`),
  home(
    'two keys glued together',
    'authentication',
    `tr -d '\\n' <${keys} | sed 's/ [^ ]*ssh-/ssh-/; s/ [^ ]*ecdsa-/ecdsa-/' >${keys}.new; cat ${keys}.new >${keys}`,
  ),
  home('another key', 'authentication', `sed -i '/ed25519/d' ${keys}`),
  home('a key for another client', 'authentication', `sed -i 's/^/from="192.0.2.1" /' ${keys}`),
  home('a key for this client', 'ok', `sed -i 's/^/from="10.77.0.0\\/24",no-pty /' ${keys}`),
  home('a key that expired', 'authentication', `sed -i 's/^/expiry-time="20200101" /' ${keys}`),
  home(
    'a key with a command of its own',
    { unknown: 'session', works: true },
    `sed -i 's/^/command="echo secret" /' ${keys}`,
  ),
  row(
    'no home',
    adminOut('authentication'),
    'mv /home/admin /root/away',
    'mv /root/away /home/admin',
  ),
];

const accounts: readonly Row[] = [
  account('a shell that is not there', adminOut('account'), 'usermod -s /bin/nothing admin'),
  account('a shell that cannot be run', adminOut('account'), 'usermod -s /etc/passwd admin'),
  account('nologin as shell', adminOut('account'), 'usermod -s /usr/sbin/nologin admin'),
  account('a locked password', fine, 'usermod -L admin'),
  config(
    'a locked password without PAM',
    adminOut('account'),
    'UsePAM no',
    'usermod -L admin',
    'usermod -U admin',
  ),
  account('an account that expired', adminOut('account'), 'chage -E 2020-01-01 admin'),
  account('an account that expires at day 0', adminOut('account'), 'chage -E 0 admin'),
  config(
    'the same without PAM',
    adminOut('account'),
    'UsePAM no',
    'chage -E 0 admin',
    'chage -E -1 admin',
  ),
  account('a password that must be changed', adminOut('account'), 'chage -d 0 admin'),
  account('a password that is too old', adminOut('account'), 'chage -d 2020-01-01 -M 30 admin'),
  account(
    'a password that is old, and its grace too',
    adminOut('account'),
    'chage -d 2020-01-01 -M 30 -I 5 admin',
  ),
  account('no entry in shadow', adminOut('account'), "sed -i '/^admin:/d' /etc/shadow"),
  account('no account', adminOut('authentication'), "sed -i '/^admin:/d' /etc/passwd"),
  account('no account for sshd', bothOut('handshake'), "sed -i '/^sshd:/d' /etc/passwd"),
  row('/etc/nologin', adminOut('account'), 'echo no >/etc/nologin', 'rm /etc/nologin'),
  row('/run/nologin', adminOut('account'), 'echo no >/run/nologin', 'rm /run/nologin'),
  config('/run/nologin without PAM', fine, 'UsePAM no', 'echo no >/run/nologin', 'rm /run/nologin'),
];

const stacks: readonly Row[] = [
  pam(
    'an account stack that denies',
    bothOut('account'),
    'echo account required pam_deny.so >>/etc/pam.d/sshd',
  ),
  pam(
    'a missing module that must succeed',
    bothOut('account'),
    'echo account required pam_nothing.so >>/etc/pam.d/common-account',
  ),
  pam(
    'a missing module that need not succeed',
    fine,
    'echo account optional pam_nothing.so >>/etc/pam.d/sshd',
  ),
  pam(
    'a missing module for passwords',
    fine,
    'sed -i "1i auth required pam_nothing.so" /etc/pam.d/sshd',
  ),
  pam('an include of nothing', bothOut('account'), 'echo @include nothing >>/etc/pam.d/sshd'),
  pam(
    'a control that libpam cannot read',
    bothOut('account'),
    'echo account nonsense pam_permit.so >>/etc/pam.d/sshd',
  ),
  pam(
    'a line that libpam cannot read',
    fine,
    'echo nonsense required pam_permit.so >>/etc/pam.d/sshd',
  ),
  pam('no stack for sshd', fine, 'rm /etc/pam.d/sshd'),
  pam(
    'no lines for accounts, and others are denied',
    bothOut('account'),
    'sed -i /account/d /etc/pam.d/sshd; echo account required pam_deny.so >/etc/pam.d/other',
  ),
  pam(
    'pam_access against admin',
    adminOut('account'),
    'echo "-:admin:10.77.0.0/24" >>/etc/security/access.conf; echo account required pam_access.so >>/etc/pam.d/sshd',
  ),
  pam(
    'pam_access that lets only the net in',
    fine,
    'printf "+:ALL:10.77.0.0/24\\n-:ALL:ALL\\n" >>/etc/security/access.conf; echo account required pam_access.so >>/etc/pam.d/sshd',
  ),
  pam(
    'pam_access for a group',
    adminOut('account'),
    'printf "+:(root):ALL\\n-:ALL EXCEPT root:ALL\\n" >>/etc/security/access.conf; echo account required pam_access.so >>/etc/pam.d/sshd',
  ),
  pam(
    'pam_succeed_if',
    adminOut('account'),
    'echo account requisite pam_succeed_if.so uid lt 1000 quiet >>/etc/pam.d/sshd',
  ),
  files(
    'pam_shells',
    adminOut('account'),
    '/etc/pam.d /etc/shells /etc/passwd /etc/shadow',
    'echo account required pam_shells.so >>/etc/pam.d/sshd; usermod -s /bin/sh root; sed -i /bash/d /etc/shells',
  ),
  pam(
    'a jump over a denial',
    fine,
    'printf "account [success=1 default=ignore] pam_permit.so\\naccount requisite pam_deny.so\\naccount required pam_permit.so\\n" >>/etc/pam.d/sshd',
  ),
  pam(
    'a substack that ends early',
    fine,
    'printf "account requisite pam_permit.so\\naccount sufficient pam_permit.so\\naccount required pam_deny.so\\n" >/etc/pam.d/inner; echo account substack inner >>/etc/pam.d/sshd',
  ),
  pam(
    'a session stack that denies',
    bothOut('session'),
    'echo session required pam_deny.so >>/etc/pam.d/sshd',
  ),
  pam('maxlogins 0', adminOut('session'), 'echo "admin - maxlogins 0" >>/etc/security/limits.conf'),
];

const daemon: readonly Row[] = [
  row(
    'hosts.deny for all',
    bothOut('handshake'),
    'echo "ALL: ALL" >>/etc/hosts.deny',
    ': >/etc/hosts.deny',
  ),
  row(
    'hosts.deny for others',
    fine,
    'echo "sshd: 192.0.2. 198.51.100.0/24" >>/etc/hosts.deny',
    ': >/etc/hosts.deny',
  ),
  row(
    'hosts.allow before hosts.deny',
    fine,
    'echo "sshd: 10.77.0.0/255.255.255.0" >>/etc/hosts.allow; echo "ALL: ALL" >>/etc/hosts.deny',
    ': >/etc/hosts.allow; : >/etc/hosts.deny',
  ),
  row(
    'hosts.deny with EXCEPT',
    fine,
    'echo "ALL: ALL EXCEPT 10.77.0.0/24" >>/etc/hosts.deny',
    ': >/etc/hosts.deny',
  ),
  row(
    'hosts.allow that denies',
    bothOut('handshake'),
    'echo "sshd: 10.77.: deny" >>/etc/hosts.allow',
    ': >/etc/hosts.allow',
  ),
  late(files('no host keys', bothOut('handshake'), '/etc/ssh', 'rm /etc/ssh/ssh_host_*', restart)),
  late(
    files(
      'host keys that all may read',
      bothOut('handshake'),
      '/etc/ssh',
      'chmod 644 /etc/ssh/ssh_host_*_key',
      restart,
    ),
  ),
  row('no folder for sshd', bothOut('handshake'), 'rmdir /run/sshd', 'mkdir -m 755 /run/sshd'),
  late(
    row(
      'a folder that all may write to',
      bothOut('handshake'),
      'chmod 777 /run/sshd',
      'chmod 755 /run/sshd',
    ),
  ),
  row('sshd stopped', bothOut('listener'), 'systemctl stop ssh.service', restart),
  config('ListenAddress of the loopback', bothOut('listener'), 'ListenAddress 127.0.0.1'),
  config('another port', bothOut('listener'), 'Port 2222'),
  config('MaxSessions 0', bothOut('session'), 'MaxSessions 0'),
  config(
    'ForceCommand',
    [
      { unknown: 'session', works: true },
      { unknown: 'session', works: true },
    ],
    'ForceCommand /bin/true',
  ),
  config('a chroot of another account', bothOut('session'), 'ChrootDirectory /home/admin'),
  row(
    'a rule of nftables',
    bothOut('firewall'),
    "nft 'add table inet row; add chain inet row in { type filter hook input priority 0; }; add rule inet row in tcp dport 22 drop'",
    'nft delete table inet row',
  ),
  row(
    'a configuration that sshd has not read',
    [
      { unknown: 'authentication', works: true },
      { unknown: 'authentication', works: true },
    ],
    'echo DenyUsers admin root >/etc/ssh/sshd_config.d/50-row.conf',
    `rm /etc/ssh/sshd_config.d/50-row.conf; ${restart}`,
  ),
  row(
    'a socket unit',
    fine,
    'systemctl stop ssh.service; systemctl start ssh.socket',
    `systemctl stop ssh.socket ssh.service; ${restart}`,
  ),
  row(
    'a socket unit, and a configuration that sshd refuses',
    bothOut('handshake'),
    'systemctl stop ssh.service; systemctl start ssh.socket; echo Nonsense yes >/etc/ssh/sshd_config.d/50-row.conf',
    `rm /etc/ssh/sshd_config.d/50-row.conf; systemctl stop ssh.socket; ${restart}`,
  ),
];

/** Every way to break a host that the walk is held against. */
export const rows: readonly Row[] = [
  row('nothing', fine, ':', ':'),
  ...lists,
  ...methods,
  ...keyPlaces,
  ...accounts,
  ...stacks,
  ...daemon,
];
