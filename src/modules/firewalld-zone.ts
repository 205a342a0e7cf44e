import { covers } from '../core/net.ts';
import type { Firewalld, Zone } from '../facts/firewalld.ts';
import { isEveryone } from '../walk/firewall.ts';
import type { Packet } from '../walk/packet.ts';

/** What a zone is to admit, as firewalld words it. */
export interface Admit {
  readonly kind: 'service' | 'port' | 'rich-rule';
  readonly value: string;
  /** A rich rule that must come before the zone's own denials. */
  readonly first: boolean;
}

// A source binding wins over an interface (firewalld.zones(5)); what no zone holds, the default does.
/** The zone that holds a packet now; null where none does. */
export function zoneFor(firewalld: Firewalld, packet: Packet): Zone | null {
  const bySource = firewalld.runtime.find((zone) => holdsSource(zone, packet));
  const byInterface = firewalld.runtime.find(
    (zone) => packet.interface !== null && zone.interfaces.includes(packet.interface),
  );
  return (
    bySource ??
    byInterface ??
    firewalld.runtime.find(({ name }) => name === firewalld.defaultZone) ??
    null
  );
}

// The interface may be bound to another zone for good than it is now.
/** The zone that will hold the packet after a reload; null where firewalld does not know it. */
export function permanentZone(firewalld: Firewalld, runtime: Zone, packet: Packet): Zone | null {
  const same = firewalld.permanent.find(({ name }) => name === runtime.name);
  const bySource = firewalld.permanent.find((zone) => holdsSource(zone, packet));
  // The interface may be bound to another zone for good than it is now.
  const byInterface = firewalld.permanent.find(
    (zone) => packet.interface !== null && zone.interfaces.includes(packet.interface),
  );
  return bySource ?? (runtime.sources.length > 0 ? (same ?? null) : (byInterface ?? same ?? null));
}

/** Whether a rich rule of a zone turns such packets away, before anything that the zone admits. */
export function denies(zone: Zone, packet: Packet): boolean {
  const about = zone.richRules.filter((rule) => isAbout(rule, packet));
  // Rules of a negative priority come before the zone's denials (firewalld.richlanguage(5)).
  const excepted = about.some((rule) => /priority="-\d+"/.test(rule) && /\baccept\b/.test(rule));
  return !excepted && about.some((rule) => /\b(?:reject|drop)\b/.test(rule));
}

function isAbout(rule: string, packet: Packet): boolean {
  const family = /family="(ipv[46])"/.exec(rule)?.[1];
  const source = /source address="([^"]+)"/.exec(rule)?.[1];
  const service = /service name="([^"]+)"/.exec(rule)?.[1];
  const port = /\bport="(\d+)(?:-(\d+))?"/.exec(rule);
  const first = Number(port?.[1] ?? 0);
  const last = Number(port?.[2] ?? port?.[1] ?? 65_535);
  return (
    (family === undefined || family === (packet.family === 'ip' ? 'ipv4' : 'ipv6')) &&
    (source === undefined || covers(source, packet.source)) &&
    (service === undefined || service === 'ssh') &&
    packet.port >= first &&
    packet.port <= last
  );
}

function holdsSource(zone: Zone, packet: Packet): boolean {
  return zone.sources.some((text) => covers(text, packet.source));
}

/** What lets a packet in, as firewalld words it. */
export function admission(firewalld: Firewalld, packet: Packet, first: boolean): Admit {
  const port = `${packet.port}/tcp`;
  if (!isEveryone(packet) || first) {
    const source = isEveryone(packet) ? '' : ` source address="${packet.source}"`;
    const priority = first ? ` priority="${lowestPriority(firewalld) - 1}"` : '';
    const family = packet.family === 'ip' ? 'ipv4' : 'ipv6';
    return {
      kind: 'rich-rule',
      first,
      value: `rule${priority} family="${family}"${source} port port="${packet.port}" protocol="tcp" accept`,
    };
  }
  const ssh = firewalld.services['ssh'] ?? [];
  return ssh.length === 1 && ssh[0] === port
    ? { kind: 'service', value: 'ssh', first: false }
    : { kind: 'port', value: port, first: false };
}

function lowestPriority(firewalld: Firewalld): number {
  const priorities = [...firewalld.runtime, ...firewalld.permanent]
    .flatMap(({ richRules }) => richRules)
    .map((rule) => Number(/priority="?(-?\d+)/.exec(rule)?.[1] ?? 0));
  return Math.max(Math.min(0, ...priorities), -32767);
}

/** Whether a zone admits the packet by its own settings; the kernel is not asked for permanent ones. */
export function admits(zone: Zone, firewalld: Firewalld, packet: Packet, admit: Admit): boolean {
  if (admit.first) {
    return zone.richRules.some((rule) => rule === admit.value);
  }
  const ports = [
    ...zone.ports,
    ...zone.services.flatMap((service) => firewalld.services[service] ?? []),
  ];
  const open = ports.some((text) => {
    const match = /^(\d+)(?:-(\d+))?\/tcp$/.exec(text);
    return (
      match !== null &&
      packet.port >= Number(match[1]) &&
      packet.port <= Number(match[2] ?? match[1])
    );
  });
  return (
    open || zone.target === 'ACCEPT' || zone.richRules.some((rule) => sameRich(rule, admit.value))
  );
}

function sameRich(a: string, b: string): boolean {
  const words = (text: string): string => text.split(/\s+/).toSorted().join(' ');
  return words(a) === words(b);
}

/** A zone as an admission leaves it. */
export function withAdmit(zone: Zone, admit: Admit): Zone {
  switch (admit.kind) {
    case 'service':
      return { ...zone, services: [...zone.services, admit.value].toSorted() };
    case 'port':
      return { ...zone, ports: [...zone.ports, admit.value] };
    case 'rich-rule':
      return { ...zone, richRules: [...zone.richRules, admit.value] };
  }
}

/** A zone as `firewall-cmd --list-all` shows it to people. */
export function zoneText(zone: Zone): string {
  return [
    `target: ${zone.target}`,
    `interfaces: ${zone.interfaces.join(' ')}`,
    `sources: ${zone.sources.join(' ')}`,
    `services: ${zone.services.join(' ')}`,
    `ports: ${zone.ports.join(' ')}`,
    `rich rules:`,
    ...zone.richRules.map((rule) => `  ${rule}`),
    '',
  ].join('\n');
}
