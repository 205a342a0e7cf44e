import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** firewalld's state as its daemon tells it. */
export interface Firewalld {
  readonly running: boolean;
  /** True in panic mode, where every packet is dropped. */
  readonly panic: boolean;
  readonly defaultZone: string;
  /** What applies now. */
  readonly runtime: readonly Zone[];
  /** What applies after a reload or a reboot. */
  readonly permanent: readonly Zone[];
  /** Ports of each service, as `22/tcp`. */
  readonly services: Readonly<Record<string, readonly string[]>>;
}

/** One zone. */
export interface Zone {
  readonly name: string;
  /** `default`, `ACCEPT`, `DROP` or `%%REJECT%%`. */
  readonly target: string;
  readonly interfaces: readonly string[];
  readonly sources: readonly string[];
  readonly services: readonly string[];
  readonly ports: readonly string[];
  readonly richRules: readonly string[];
}

/** Zones, runtime and permanent, and the ports of the services. */
export const firewalldFact: Fact<undefined, Firewalld> = {
  name: 'firewalld',
  summary: 'firewalld: running or not, its zones now and permanent, and what its services open',
  slow: true,
  read: () => [
    { part: 'state', sh: ifRunning('firewall-cmd --state') },
    { part: 'panic', sh: ifRunning('firewall-cmd --query-panic') },
    { part: 'default', sh: ifRunning('firewall-cmd --get-default-zone') },
    { part: 'runtime', sh: ifRunning('firewall-cmd --list-all-zones'), long: true },
    { part: 'permanent', sh: ifRunning('firewall-cmd --permanent --list-all-zones'), long: true },
    { part: 'services', sh: servicesSh },
  ],
  parse: parseFirewalld,
};

// Every call of firewall-cmd costs a third of a second; a host without the daemon pays none of them.
const unlessStopped = `have firewall-cmd || exit 127
limit 10 systemctl is-active --quiet firewalld || pgrep -x firewalld >/dev/null 2>&1 || exit 252`;

function ifRunning(command: string): string {
  return `${unlessStopped}
limit 20 ${command}`;
}

// Files in /etc win over the vendor's of the same name, so they come last. There are two hundred and
// more: one process reads them all, and with /dev/null it always says which file a line is from.
const servicesSh = `${unlessStopped}
set --
for f in /usr/lib/firewalld/services/*.xml /etc/firewalld/services/*.xml; do
  [ -f "$f" ] || continue
  line "service $f"
  set -- "$@" "$f"
done
[ "$#" = 0 ] || grep -o '<port [^>]*>' "$@" /dev/null`;

const stopped: Firewalld = {
  running: false,
  panic: false,
  defaultZone: '',
  runtime: [],
  permanent: [],
  services: {},
};

function parseFirewalld(parts: Parts): Observed<Firewalld> {
  const state = parts.get('state');
  // firewall-cmd(1): 252 is "not running"; 127 is "not installed".
  if (state === undefined || state.status === 127 || state.status === 252) {
    return known(stopped);
  }
  const needed = ['default', 'runtime', 'permanent'].map((name) => parts.get(name));
  const failed = [state, ...needed].find(
    (part) => part === undefined || part.status !== 0 || part.cut,
  );
  if (failed !== undefined || needed.includes(undefined)) {
    return unknown(
      `firewalld could not be asked: ${failed?.errors || failed?.text.trim() || 'no answer'}`,
    );
  }
  return known({
    running: true,
    panic: parts.get('panic')?.text.trim() === 'yes',
    defaultZone: parts.get('default')?.text.trim() ?? '',
    runtime: parseZones(parts.get('runtime')?.text ?? ''),
    permanent: parseZones(parts.get('permanent')?.text ?? ''),
    services: parseServices(parts.get('services')?.text ?? ''),
  });
}

/** Reads `firewall-cmd --list-all-zones`. */
export function parseZones(text: string): Zone[] {
  return text
    .split(/\n(?=\S)/)
    .map((block) => block.split('\n'))
    .flatMap((lines) => {
      const name = /^(\S+)/.exec(lines[0] ?? '')?.[1];
      return name === undefined ? [] : [toZone(name, lines.slice(1))];
    });
}

function toZone(name: string, lines: readonly string[]): Zone {
  const list = (key: string): string[] => {
    const line = lines.find((one) => one.trimStart().startsWith(`${key}:`)) ?? '';
    return line
      .slice(line.indexOf(':') + 1)
      .split(/\s+/)
      .filter((word) => word !== '');
  };
  const rich = lines.findIndex((line) => line.trimStart().startsWith('rich rules:'));
  const richRules =
    rich < 0
      ? []
      : lines
          .slice(rich + 1)
          .map((line) => line.trim())
          .filter((line) => line.startsWith('rule'));
  return {
    name,
    target: list('target')[0] ?? 'default',
    interfaces: list('interfaces'),
    sources: list('sources'),
    services: list('services'),
    ports: list('ports'),
    richRules,
  };
}

function parseServices(text: string): Record<string, string[]> {
  const services: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  const files = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, listed] = /^service (.*\.xml)$/.exec(line) ?? [];
    if (listed !== undefined) {
      const name = nameOf(listed);
      files.set(name, listed);
      services[name] = [];
      continue;
    }
    const [, file = '', element = ''] = /^(.*\.xml):(<port .*)$/.exec(line) ?? [];
    const port = /\bport="([^"]+)"/.exec(element)?.[1];
    const protocol = /\bprotocol="([^"]+)"/.exec(element)?.[1];
    const name = nameOf(file);
    if (files.get(name) === file && port !== undefined && protocol !== undefined) {
      services[name]?.push(`${port}/${protocol}`);
    }
  }
  return services;
}

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/\.xml$/, '');
}
