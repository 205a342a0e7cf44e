import type { Failure } from '../../core/failure.ts';
import { notContacted } from '../../core/failure.ts';
import { cleanLine } from '../../core/clean.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import type { ConsoleAddress } from './address.ts';

/** A kind of console that is reached by its maker's documented command. */
export interface Preset {
  readonly name: string;
  /** What stands after the colon. */
  readonly form: string;
  readonly pattern: RegExp;
  /** The address from the groups of `pattern`. */
  readonly address: (groups: Readonly<Record<string, string>>) => ConsoleAddress;
  /** What it needs, how many may use it, how it is left: for the person whose console does not open. */
  readonly hint: string;
  /** Whether its command was run by our tests, or is taken from its maker's documentation. */
  readonly seen: 'run here' | 'from documentation';
}

const command = (pty: boolean, ...argv: [string, ...string[]]): ConsoleAddress => ({
  type: 'command',
  argv,
  pty,
});

// Without `-e none`, `-tt` arms the escape character of ssh(1), and shell text may begin with it.
const ssh = (...words: string[]): ConsoleAddress =>
  command(false, 'ssh', '-tt', '-e', 'none', '-o', 'ServerAliveInterval=15', ...words);

const word = '[A-Za-z0-9][A-Za-z0-9._-]{0,120}';

/** All presets. */
export const presets: readonly Preset[] = [
  {
    name: 'ec2',
    form: 'INSTANCE@REGION',
    pattern: /^(?<id>i-[0-9a-f]{8,20})@(?<region>[a-z]{2}(?:-[a-z]+)+-\d)$/,
    address: ({ id = '', region = '' }) =>
      ssh('--', `${id}.port0@serial-console.ec2-instance-connect.${region}.aws`),
    hint: 'EC2: first, not more than 60 s before: aws ec2-instance-connect send-serial-console-ssh-public-key --instance-id INSTANCE --serial-port 0 --ssh-public-key file://KEY.pub. The account must allow the serial console. One session at a time; it is free 30 s after it was left.',
    seen: 'from documentation',
  },
  {
    name: 'gcp',
    form: 'VM[@ZONE]',
    pattern: new RegExp(`^(?<vm>${word})(?:@(?<zone>[a-z0-9-]+))?$`),
    address: ({ vm = '', zone }) =>
      command(
        false,
        ...(['gcloud', 'compute', 'connect-to-serial-port', vm, '--port=1'] as const),
        ...(zone === undefined ? [] : [`--zone=${zone}`]),
      ),
    hint: 'Google Cloud: the VM needs the metadata serial-port-enable=TRUE, and a user with a password.',
    seen: 'from documentation',
  },
  {
    name: 'azure',
    form: 'GROUP/VM',
    pattern: /^(?<group>[A-Za-z0-9_().-]{1,90})\/(?<vm>[A-Za-z0-9][A-Za-z0-9._-]{0,63})$/,
    address: ({ group = '', vm = '' }) =>
      command(true, 'az', 'serial-console', 'connect', '-g', group, '-n', vm),
    hint: 'Azure: boot diagnostics must be on (they keep all output). Whoever comes later pushes the earlier one off. The extension: az extension add --name serial-console.',
    seen: 'from documentation',
  },
  {
    name: 'oci',
    form: 'CONNECTION/INSTANCE@REGION',
    pattern:
      /^(?<connection>ocid1\.[a-z0-9._-]+)\/(?<instance>ocid1\.[a-z0-9._-]+)@(?<region>[a-z0-9-]+)$/,
    address: ({ connection = '', instance = '', region = '' }) =>
      ssh(
        '-o',
        `ProxyCommand=ssh -W %h:%p -p 443 ${connection}@instance-console.${region}.oci.oraclecloud.com`,
        '--',
        instance,
      ),
    hint: 'Oracle Cloud: make the connection first: oci compute instance-console-connection create. One at a time; a session that was cut blocks the next one until it times out.',
    seen: 'from documentation',
  },
  {
    name: 'linode',
    form: 'USER@DATACENTER/LABEL',
    pattern: new RegExp(`^(?<user>${word})@(?<place>[a-z0-9-]+)/(?<label>${word})$`),
    address: ({ user = '', place = '', label = '' }) =>
      ssh('--', `${user}@lish-${place}.linode.com`, label),
    hint: 'Linode: Lish wants an SSH key of your account. To end a session that is stuck: the command kill in Lish.',
    seen: 'from documentation',
  },
  {
    name: 'libvirt',
    form: 'DOMAIN',
    pattern: new RegExp(`^(?<domain>${word})$`),
    address: ({ domain = '' }) => command(true, 'virsh', 'console', domain),
    hint: 'libvirt: one at a time («Active console session exists»); virsh console --force DOMAIN takes it over. Set LIBVIRT_DEFAULT_URI for another machine.',
    seen: 'from documentation',
  },
  {
    name: 'proxmox',
    form: 'VMID',
    pattern: /^(?<id>\d{3,9})$/,
    address: ({ id = '' }) => ({ type: 'unix', path: `/var/run/qemu-server/${id}.serial0` }),
    hint: 'Proxmox: run this on the node of the VM, as root. The VM needs a serial port: qm set VMID -serial0 socket. One reader at a time.',
    seen: 'from documentation',
  },
  {
    name: 'incus',
    form: 'NAME',
    pattern: new RegExp(`^(?<name>(?:${word}:)?${word})$`),
    address: ({ name = '' }) => command(true, 'incus', 'console', name),
    hint: "Incus: one at a time; --force takes it over. For a container --exec 'incus exec NAME -- sh' is better.",
    seen: 'from documentation',
  },
  {
    name: 'ipmi',
    form: '[USER@]HOST',
    pattern: /^(?:(?<user>[A-Za-z0-9_.-]+)@)?(?<host>[A-Za-z0-9][A-Za-z0-9.:-]*)$/,
    address: ({ user = 'ADMIN', host = '' }) =>
      command(
        false,
        ...(['ipmitool', '-I', 'lanplus', '-H', host, '-U', user, '-E', '-e', '^'] as const),
        'sol',
        'activate',
      ),
    hint: 'IPMI: the password is read from IPMI_PASSWORD. Usually one session («SOL payload already active»); to free it: ipmitool … sol deactivate.',
    seen: 'from documentation',
  },
  {
    name: 'ilo',
    form: '[USER@]HOST',
    pattern: /^(?<host>(?:[A-Za-z0-9_.-]+@)?[A-Za-z0-9][A-Za-z0-9.:-]*)$/,
    address: ({ host = '' }) => ssh('--', host, 'vsp'),
    hint: 'HPE iLO: the firmware must route the serial port to it. One at a time («already in use»).',
    seen: 'from documentation',
  },
  {
    name: 'idrac',
    form: '[USER@]HOST',
    pattern: /^(?<host>(?:[A-Za-z0-9_.-]+@)?[A-Za-z0-9][A-Za-z0-9.:-]*)$/,
    address: ({ host = '' }) => ssh('--', host, 'console com2'),
    hint: 'Dell iDRAC: serial over LAN must be on, with the speed of the getty.',
    seen: 'from documentation',
  },
  {
    name: 'conserver',
    form: 'NAME',
    pattern: new RegExp(`^(?<name>${word})$`),
    address: ({ name = '' }) => command(false, 'console', name),
    hint: 'conserver: one may write; others only watch, and what they type is thrown away. console -w NAME tells who is there.',
    seen: 'run here',
  },
  {
    name: 'tmux',
    form: 'PANE',
    pattern: /^(?<pane>[%@=:.A-Za-z0-9_][%@=:.A-Za-z0-9_-]{0,79})$/,
    address: ({ pane = '' }) => ({ type: 'tmux', pane }),
    hint: 'tmux: the pane must show the console, with nobody else typing in it.',
    seen: 'run here',
  },
];

const prefix = /^(?<name>[a-z0-9]+):(?!\/\/)(?<rest>.*)$/s;

/** The preset that a value of `--console` names; null where it names none. */
export function presetOf(text: string): Preset | null {
  const name = prefix.exec(text)?.groups?.['name'];
  return presets.find((preset) => preset.name === name) ?? null;
}

/** The address of a preset; null where the text names none. */
export function presetAddress(text: string): Result<ConsoleAddress, Failure> | null {
  const preset = presetOf(text);
  if (preset === null) {
    return null;
  }
  const groups = preset.pattern.exec(text.slice(preset.name.length + 1))?.groups;
  return groups === undefined
    ? fail({
        code: 'usage',
        what: `--console ${JSON.stringify(cleanLine(text, 200))} cannot be used.`,
        why: `It does not have the form ${preset.name}:${preset.form}.`,
        access: notContacted,
        todo: preset.hint,
      })
    : ok(preset.address(groups as Record<string, string>));
}
