import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** Whether SELinux is at work on the host, and which ports it has a label for. */
export interface Selinux {
  readonly mode: 'enforcing' | 'permissive' | 'off';
  /** The labels of ports; null where semanage(8) is not installed. */
  readonly ports: readonly PortLabel[] | null;
}

/** Ports with one label. */
export interface PortLabel {
  /** `ssh_port_t`, `http_port_t` … */
  readonly type: string;
  readonly proto: string;
  readonly from: number;
  readonly to: number;
}

/** SELinux: its mode and the labels of ports. */
export const selinuxFact: Fact<undefined, Selinux> = {
  name: 'selinux',
  summary: 'whether SELinux enforces, permits or is off, and the labels of ports',
  slow: true,
  read: () => [
    {
      part: 'mode',
      sh: 'for f in /sys/fs/selinux/enforce /selinux/enforce; do [ ! -r "$f" ] || { cat "$f"; echo; exit 0; }; done\necho off',
    },
    {
      // Where SELinux is off, nobody asks for labels, and semanage takes a second to say them.
      part: 'ports',
      sh: '[ -e /sys/fs/selinux/enforce ] || [ -e /selinux/enforce ] || exit 3\nhave semanage || exit 127\nlimit 60 semanage port -l -n',
    },
  ],
  parse: parseSelinux,
};

function parseSelinux(parts: Parts): Observed<Selinux> {
  const mode = parts.get('mode')?.text.trim();
  const ports = parts.get('ports');
  if (mode === 'off') {
    return known({ mode: 'off', ports: null });
  }
  if (mode !== '0' && mode !== '1') {
    return unknown('SELinux does not say whether it enforces');
  }
  const state = { mode: mode === '1' ? ('enforcing' as const) : ('permissive' as const) };
  if (ports?.status === 127) {
    return known({ ...state, ports: null });
  }
  if (ports === undefined || ports.status !== 0 || ports.cut) {
    return unknown(`semanage could not list the labels of ports: ${ports?.errors || 'no answer'}`);
  }
  return known({ ...state, ports: ports.text.split('\n').flatMap(parseLine) });
}

// http_port_t                    tcp      80, 81, 443, 488, 8008-8010
function parseLine(line: string): PortLabel[] {
  const [, type = '', proto = '', list = ''] =
    /^([\w.-]+)\s+(tcp|udp|sctp|dccp)\s+(\d[\d, -]*)$/.exec(line.trim()) ?? [];
  return list.split(',').flatMap((part) => {
    const [, from, to] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    return from === undefined ? [] : [{ type, proto, from: Number(from), to: Number(to ?? from) }];
  });
}
