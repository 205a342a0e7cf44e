import { quote } from '../core/quote.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';
import { parseFiles, printFiles, type HostFile } from './files.ts';

/** The socket units that may hold sshd's port, by name, and who else has a say in it. */
export interface SocketUnits {
  readonly units: Readonly<Record<string, SocketUnit>>;
  /** Path of a generator that makes the socket's addresses of sshd's configuration (Ubuntu ≥ 24.04). */
  readonly generator: string | null;
}

/** One socket unit as systemd has it loaded. */
export interface SocketUnit {
  readonly listen: readonly SocketAddress[];
  /** systemd.socket(5) BindIPv6Only: `default`, `both`, `ipv6-only`. */
  readonly bindIpv6Only: string;
  /** The service that it starts; null where it starts one for each connection. */
  readonly service: string | null;
  /** Its drop-ins on disk, in all folders of systemd. */
  readonly dropIns: readonly HostFile[];
  /** Whether the administrator's folder for its drop-ins is there. */
  readonly folder: boolean;
}

/** An address of a socket unit, as `systemctl show` prints it. */
export interface SocketAddress {
  /** `[::]:22`, `0.0.0.0:22`, or a path. */
  readonly address: string;
  /** Null for what is no TCP port. */
  readonly port: number | null;
  /** `Stream`, `Datagram`, `FIFO` … */
  readonly kind: string;
}

/** The names that a socket unit for SSH has: Debian and Ubuntu say ssh, the others sshd. */
export const socketNames = ['ssh.socket', 'sshd.socket'] as const;

/** Where the administrator's units and drop-ins are. */
export const adminFolder = '/etc/systemd/system';

// Folders of units in the order of systemd.unit(5); in the first that has a name, it counts.
const folders = [
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
  '/run/systemd/transient',
  '/run/systemd/generator.early',
  adminFolder,
  '/run/systemd/system',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/run/systemd/generator.late',
] as const;

// A link to /dev/null in an earlier folder masks a generator of that name (systemd.generator(7)).
const generatorSh = `for d in /run /etc /usr/local/lib /usr/lib /lib; do
  g=$d/systemd/system-generators/sshd-socket-generator
  [ -e "$g" ] || [ -L "$g" ] || continue
  [ -f "$g" ] && [ -x "$g" ] && printf '%s\\n' "$g"
  break
done`;

/** Socket units that may hold sshd's port, with their drop-ins. */
export const socketUnitsFact: Fact<undefined, SocketUnits> = {
  name: 'socket-units',
  summary: 'the socket units for SSH: the addresses they listen on, and their drop-ins',
  slow: false,
  read: () => [
    {
      part: 'show',
      sh: `[ -d /run/systemd/system ] || exit 3\nfor u in ${socketNames.map(quote).join(' ')}; do printf 'Asked=%s\\n' "$u"; limit 20 systemctl show --no-pager -p LoadState,Listen,BindIPv6Only,Triggers "$u" || exit; done`,
    },
    ...socketNames.map((name) => ({
      part: name,
      sh: printFiles(folders.map((folder) => `${folder}/${name}.d/*.conf`)),
    })),
    {
      part: 'folders',
      sh: `for u in ${socketNames.map(quote).join(' ')}; do [ ! -d "${adminFolder}/$u.d" ] || printf '%s\\n' "$u"; done`,
    },
    { part: 'generator', sh: generatorSh },
  ],
  parse: parseSocketUnits,
};

function parseSocketUnits(parts: Parts): Observed<SocketUnits> {
  const show = parts.get('show');
  if (show?.status === 3) {
    return known({ units: {}, generator: null });
  }
  if (show === undefined || show.status !== 0) {
    return unknown(`systemd could not be asked for socket units: ${show?.errors || 'no answer'}`);
  }
  if ([...parts.values()].some(({ cut }) => cut)) {
    return unknown('the drop-ins of the socket units are too long to read');
  }
  const units: Record<string, SocketUnit> = Object.create(null) as Record<string, SocketUnit>;
  for (const section of show.text.split(/^Asked=/m).slice(1)) {
    const name = section.slice(0, section.indexOf('\n')).trim();
    const asked = socketNames.find((one) => one === name);
    if (asked !== undefined && /^LoadState=loaded$/m.test(section)) {
      units[asked] = {
        ...parseUnit(section),
        dropIns: parseFiles(parts.get(asked)?.latin1 ?? ''),
        folder: (parts.get('folders')?.text ?? '').split('\n').includes(asked),
      };
    }
  }
  return known({ units, generator: parts.get('generator')?.text.trim() || null });
}

function parseUnit(section: string): Omit<SocketUnit, 'dropIns' | 'folder'> {
  const value = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, 'm').exec(section)?.[1]?.trim() ?? '';
  const listen = [...section.matchAll(/^Listen=(.+) \((\w+)\)$/gm)].map(
    ([, address = '', kind = '']): SocketAddress => ({
      address,
      port: kind === 'Stream' ? parsePort(address) : null,
      kind,
    }),
  );
  return {
    listen,
    bindIpv6Only: value('BindIPv6Only'),
    service: /^[\w@.:-]+\.service$/.exec(value('Triggers'))?.[0] ?? null,
  };
}

function parsePort(address: string): number | null {
  const port = /^(?:\[[^\]]*\]|\d+\.\d+\.\d+\.\d+):(\d{1,5})$/.exec(address)?.[1];
  return port === undefined ? null : Number(port);
}

/** The drop-ins that count, in the order in which systemd reads them: by name, whatever the folder. */
export function dropInsInOrder(unit: SocketUnit): readonly HostFile[] {
  const rank = (file: HostFile): number =>
    folders.findIndex((folder) => file.path.startsWith(`${folder}/`));
  const best = new Map<string, HostFile>();
  for (const file of unit.dropIns.toSorted((left, right) => rank(left) - rank(right))) {
    best.set(baseName(file.path), best.get(baseName(file.path)) ?? file);
  }
  return [...best.entries()]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([, file]) => file);
}

/** The last component of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
