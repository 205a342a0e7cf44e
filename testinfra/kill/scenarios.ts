/** A broken host, and the run that repairs it while something is killed. */
export interface Scenario {
  readonly name: string;
  readonly playbooks: readonly string[];
  readonly vars: readonly string[];
  readonly user: 'root' | 'admin';
  /** Breaks a new host for good: what a reboot keeps. `$1` is the controller's address. */
  readonly breakIt: string;
  /** Breaks it after each boot, and waits until all that boots is there. `$1` as above. */
  readonly afterBoot: string;
  /** The ports where the user gets in: before, and when all is repaired. */
  readonly portsBefore: readonly number[];
  readonly portsAfter: readonly number[];
}

/** Where root always gets in: a second sshd, as people keep it for such days. */
export const rescuePort = 2200;

const poll = `
poll() { tries=0; until "$@"; do tries=$((tries + 1)); [ "$tries" -lt 400 ] || return 1; sleep 0.05; done; }
`;

// Its own configuration, so that a broken one of the other cannot stop it.
const rescueSshd = `
printf '%s\\n' 'Port ${rescuePort}' 'PidFile none' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'UsePAM yes' >/etc/back_door_sshd_config
printf '%s\\n' '[Unit]' 'Description=A second way in' 'After=network.target' \
  '[Service]' 'ExecStart=/usr/sbin/sshd -D -f /etc/back_door_sshd_config' 'KillMode=process' \
  'RuntimeDirectory=sshd' 'RuntimeDirectoryPreserve=yes' 'Restart=on-failure' \
  '[Install]' 'WantedBy=multi-user.target' >/etc/systemd/system/back-door.service
systemctl --quiet enable --now back-door.service
`;

// Rejects, where ufw by itself drops: a refused probe costs no five seconds.
const ufw = (ports: readonly number[]): string => `
systemctl --quiet enable ufw
ufw default reject incoming
${ports.map((port) => `ufw allow ${port}/tcp`).join('\n')}
ufw --force enable
`;

// On Debian /run/sshd goes with an ssh.service that fails, and every other sshd is dead then, too.
const pinned = `
mkdir -p /etc/systemd/system/back-door.service.d
printf '%s\\n' '[Service]' "ExecStartPre=/bin/sh -c 'mountpoint -q /run/sshd || mount --bind /run/sshd /run/sshd'" \
  >/etc/systemd/system/back-door.service.d/pin.conf
`;

const badConfig = `
echo 'PermitRootLogin maybe' >/etc/ssh/sshd_config.d/40-first.conf
echo 'NoSuchKeyword yes' >/etc/ssh/sshd_config.d/60-second.conf
`;

const ban = `
printf '%s\\n' '[DEFAULT]' 'bantime = 1d' 'banaction = nftables' '[sshd]' 'enabled = true' >/etc/fail2ban/jail.local
touch /var/log/auth.log
systemctl --quiet enable --now fail2ban
${poll}
poll fail2ban-client status sshd >/dev/null 2>&1
fail2ban-client set sshd banip "$1"
`;

/** A host is up before all of its services answer. */
export const awaitRescue = `${poll}
listens() { ss -Hltn "sport = :$1" | grep -q .; }
poll listens ${rescuePort}
`;

const awaitBan = `
banned() { nft list ruleset | grep -qF -- "$1"; }
poll banned "$1"
`;

// systemd tries a few times.
const awaitGivenUp = `
poll systemctl is-failed --quiet ssh.service
`;

const scenario = (given: Pick<Scenario, 'name' | 'playbooks'> & Partial<Scenario>): Scenario => ({
  vars: [],
  user: 'root',
  afterBoot: '',
  portsBefore: [],
  portsAfter: [22],
  ...given,
  breakIt: `${rescueSshd}${given.breakIt ?? ''}`,
});

export const scenarios: readonly Scenario[] = [
  scenario({ name: 'open-port', playbooks: ['open-port'], breakIt: ufw([rescuePort]) }),
  scenario({
    name: 'set-port',
    playbooks: ['set-port'],
    vars: ['port=2222'],
    breakIt: ufw([22, rescuePort]),
    portsBefore: [22],
    portsAfter: [2222],
  }),
  scenario({
    name: 'fix-sshd-config',
    playbooks: ['fix-sshd-config', 'start-sshd'],
    breakIt: `${pinned}${badConfig}`,
    afterBoot: awaitGivenUp,
  }),
  scenario({
    name: 'five steps',
    playbooks: [
      'fix-authorized-keys',
      'open-port',
      'start-sshd',
      'fix-sshd-config',
      'unban-address',
    ],
    user: 'admin',
    breakIt: [
      'chmod 777 /home/admin',
      ufw([rescuePort]),
      ban,
      badConfig,
      'systemctl --quiet disable --now ssh.service',
    ].join('\n'),
    afterBoot: awaitBan,
  }),
];

/** The scenario of that name. */
export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no scenario ${name}`);
  return found;
}
