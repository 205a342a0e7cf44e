/** Trees of sshd configuration that are easy to misread, by what is odd about them. */
export interface Tree {
  readonly what: string;
  /** Text of sshd_config; `Port 22` and the like are not added. */
  readonly main: string;
  /** Further files below /etc/ssh, by relative path; a path may be absolute, too. */
  readonly files?: Readonly<Record<string, string>>;
}

const d = (name: string): string => `sshd_config.d/${name}.conf`;
const include = 'Include /etc/ssh/sshd_config.d/*.conf\n';

/** Every one of them is taken by sshd; what it refuses stands in the tests of the playbook. */
export const trees: readonly Tree[] = [
  { what: 'an empty file', main: '' },
  { what: 'only comments', main: '# Port 2222\n   # PasswordAuthentication no\n#\n' },
  { what: 'the first value wins', main: 'PasswordAuthentication no\nPasswordAuthentication yes\n' },
  {
    what: 'a drop-in that comes first wins',
    main: `${include}PasswordAuthentication no\nPermitRootLogin no\n`,
    files: { [d('50-cloud-init')]: 'PasswordAuthentication yes\n' },
  },
  {
    what: 'a drop-in that comes last loses',
    main: `PasswordAuthentication no\n${include}`,
    files: { [d('50-cloud-init')]: 'PasswordAuthentication yes\nPermitRootLogin yes\n' },
  },
  {
    what: 'drop-ins in byte order',
    main: include,
    files: {
      [d('9-nine')]: 'MaxAuthTries 9\n',
      [d('10-ten')]: 'MaxAuthTries 2\n',
      [d('B')]: 'MaxSessions 3\n',
      [d('a')]: 'MaxSessions 4\n',
      [d('_')]: 'LogLevel DEBUG\n',
      [d('Z')]: 'LogLevel ERROR\n',
    },
  },
  {
    what: 'hidden files and other endings are not found',
    main: include,
    files: {
      'sshd_config.d/.hidden.conf': 'PermitRootLogin no\n',
      'sshd_config.d/backup.conf~': 'PermitRootLogin yes\n',
      'sshd_config.d/note.txt': 'PasswordAuthentication no\n',
    },
  },
  {
    what: 'CRLF',
    main: `Include /etc/ssh/sshd_config.d/*.conf\r\nPasswordAuthentication no\r\nAllowUsers admin root\r\n\r\n`,
    files: { [d('crlf')]: 'PermitRootLogin yes\r\nMatch user admin\r\nX11Forwarding yes\r\n' },
  },
  { what: 'no newline at the end', main: 'PasswordAuthentication no' },
  {
    what: 'tabs, form feed, leading space',
    main: '\tPasswordAuthentication\tno\t\f\n  PermitRootLogin  yes  \n',
  },
  {
    what: 'equals signs',
    main: 'PasswordAuthentication=no\nPermitRootLogin = yes\nMaxAuthTries =3\nMaxSessions= 4\n',
  },
  {
    what: 'quotes and escapes',
    main: `PasswordAuthentication "no"\nBanner "/etc/issue net"\nAuthorizedKeysFile "/etc/ssh/keys/%u" '.ssh/other keys' .ssh/back\\\\slash\nAllowUsers "admin" 'root'\n`,
  },
  {
    what: 'a quoted keyword and odd case',
    main: '"PasswordAuthentication" no\nPERMITROOTLOGIN Yes\npubkeyAUTHENTICATION YES\n',
  },
  {
    what: 'comments behind values',
    main: 'PasswordAuthentication no # not here\nAllowUsers admin#x root #bob\nMatch user admin # the admin\nX11Forwarding yes\n',
  },
  {
    what: 'lists add up over lines and files',
    main: `AllowUsers admin\n${include}AllowUsers root@10.77.0.*\nDenyUsers bob\nAcceptEnv LANG\nAcceptEnv LC_* FOO\n`,
    files: { [d('users')]: 'AllowUsers carol dave\nDenyUsers eve mallory\n' },
  },
  {
    what: 'groups',
    main: 'AllowGroups ops adm?n\nAllowGroups root\nDenyGroups nobody\n',
  },
  {
    what: 'ports add up, addresses with and without a port',
    main: `Port 22\n${include}ListenAddress 0.0.0.0\nListenAddress [::1]:2200\nListenAddress 127.0.0.1:2201\nPort 2222\n`,
    files: { [d('port')]: 'Port 2022\nAddressFamily any\n' },
  },
  { what: 'one address family', main: 'AddressFamily inet\nPort 22\n' },
  {
    what: 'Match overrides what stands above and below it',
    main: 'PasswordAuthentication yes\nX11Forwarding no\nMatch user admin\nPasswordAuthentication no\nX11Forwarding yes\nMatch all\nMaxAuthTries 4\n',
  },
  {
    what: 'the first Match that fits wins',
    main: 'Match user admin\nPasswordAuthentication no\nMatch user adm*\nPasswordAuthentication yes\nMaxSessions 2\n',
  },
  {
    what: 'a list in a Match replaces the list',
    main: 'AllowUsers root admin\nDenyUsers bob\nMatch address 10.77.0.0/24\nAllowUsers carol\nAllowUsers admin\nMatch user root\nAllowUsers erin\n',
  },
  {
    what: 'a Match in an included file ends with it',
    main: `${include}PasswordAuthentication no\n`,
    files: { [d('match')]: 'Match user nobody\nPasswordAuthentication yes\n' },
  },
  {
    what: 'an Include inside of a Match',
    main: 'Match user admin\nInclude /etc/ssh/for-admin\nMatch user root\nInclude for-root\n',
    files: {
      'for-admin': 'X11Forwarding yes\nPermitTTY no\n',
      'for-root':
        'X11Forwarding yes\nMatch address 10.77.0.0/24\nMaxSessions 1\nMatch all\nMaxAuthTries 2\n',
    },
  },
  {
    what: 'a Match in an Include that stands before any Match',
    main: 'Include /etc/ssh/first\nX11Forwarding no\nMatch all\nMaxSessions 7\n',
    files: {
      first: 'Match user admin\nX11Forwarding yes\nInclude second\n',
      second: 'Match user root\nMaxAuthTries 1\nMatch user admin\nMaxAuthTries 2\n',
    },
  },
  {
    what: 'nested Includes, relative names, several words, classes of characters',
    main: 'Include "sshd_config.d/*.conf" /etc/ssh/extra/[ab]?.cfg nothing/*.here\n',
    files: {
      [d('one')]: 'include=deeper/*\nMaxAuthTries 5\n',
      'deeper/x': 'Include "/etc/ssh/deepest/with space"\nMaxSessions 5\n',
      'deepest/with space': 'PermitRootLogin no\nMaxAuthTries 3\n',
      'extra/a1.cfg': 'ClientAliveInterval 30\n',
      'extra/b2.cfg': 'ClientAliveInterval 31\nLogLevel VERBOSE\n',
      'extra/c3.cfg': 'LogLevel QUIET\n',
    },
  },
  {
    what: 'a file that is included twice',
    main: 'Include twice\nInclude twice\nInclude /etc/ssh/twic[e]\n',
    files: { twice: 'AllowUsers admin\nAcceptEnv A\n' },
  },
  {
    what: 'an Include whose target is not there',
    main: 'Include /etc/ssh/not-there.conf\nInclude not-there/*.conf\nPasswordAuthentication no\n',
  },
  {
    what: 'Match by group',
    main: 'Match group ops\nX11Forwarding yes\nMatch group !ops,*\nMaxSessions 2\nMatch group root,adm\nMaxAuthTries 3\n',
  },
  {
    what: 'Match by address: prefixes, patterns, refusals, IPv6',
    main: 'Match address 10.77.0.0/24,!10.77.0.9\nX11Forwarding yes\nMatch address 10.77.*\nMaxSessions 2\nMatch address fd77::/64\nMaxAuthTries 3\nMatch address *,!10.77.0.1\nLogLevel VERBOSE\n',
  },
  {
    what: 'Match by local address and port, several criteria',
    main: 'Match localaddress 10.77.0.0/24 localport 22\nX11Forwarding yes\nMatch localport 2222 user admin\nMaxSessions 2\nMatch user admin address 10.77.0.1 group ops\nMaxAuthTries 3\n',
  },
  {
    what: 'Match by host',
    main: 'Match host *.example.org,!bad.example.org\nX11Forwarding yes\nMatch host 10.77.*\nMaxSessions 2\nMatch HOST "CTL.example.ORG"\nMaxAuthTries 3\n',
  },
  {
    what: 'Match user lists with refusals and quotes',
    main: 'Match user "admin,!root"\nX11Forwarding yes\nMatch user !admin,*\nMaxSessions 2\nMatch User ???? Address 10.*\nMaxAuthTries 3\n',
  },
  {
    what: 'the rest of the line as it stands',
    main: 'ForceCommand /bin/echo "two  words" # no comment\nMatch user admin\nForceCommand internal-sftp -d "/a b"\nMatch user root\nForceCommand none\n',
  },
  {
    what: 'old names of options',
    main: 'ChallengeResponseAuthentication no\nPubkeyAcceptedKeyTypes ssh-ed25519\nKeepAlive no\nUsePrivilegeSeparation sandbox\nProtocol 2\n',
  },
  {
    what: 'new and old name: the first wins',
    main: 'KbdInteractiveAuthentication yes\nChallengeResponseAuthentication no\n',
  },
  {
    what: 'options of which the last line wins, and those that look so',
    main: 'IPQoS af21 cs1\nIPQoS ef\nFingerprintHash md5\nFingerprintHash sha256\nMaxStartups 3:30:60\nMaxStartups 10:20:30\n',
  },
  {
    what: 'authentication methods and keys files, first line only',
    main: 'AuthenticationMethods publickey,password publickey\nAuthenticationMethods publickey\nAuthorizedKeysFile .ssh/a .ssh/b\nAuthorizedKeysFile .ssh/c\nMatch user admin\nAuthenticationMethods publickey\nAuthorizedKeysFile /etc/ssh/keys/%u\n',
  },
  {
    what: 'PermitRootLogin by its other name',
    main: 'PermitRootLogin without-password\nMatch address fd77::/64\nPermitRootLogin prohibit-password\n',
  },
  {
    what: 'host keys add up',
    main: 'HostKey /etc/ssh/ssh_host_ed25519_key\nHostKey /etc/ssh/ssh_host_rsa_key\n',
  },
  {
    what: 'NUL bytes cut lines and glue the next one on',
    main: 'PasswordAuthentication no\nMaxAuthTries 3\0\0\0\n\nMaxSessions 4\n',
  },
  {
    what: 'a long tail of NUL bytes, as power loss leaves it',
    main: `PasswordAuthentication no\nPermitRootLogin yes\n${'\0'.repeat(3000)}`,
  },
  {
    what: 'blank lines in a Match, indented lines, Match all in between',
    main: 'Match user admin\n\n    X11Forwarding yes\n\n\t# comment\n    PasswordAuthentication no\nMatch all\n    PasswordAuthentication yes\n',
  },
];
