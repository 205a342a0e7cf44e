import { checkHostName, checkPort, checkUserName } from '../core/host-name.ts';
import { fail, ok, type Result } from '../core/result.ts';

/** One stop on the way as a person writes it: `[USER@]HOST[:PORT]`. */
export interface HopSpec {
  readonly host: string;
  readonly user: string | null;
  readonly port: number | null;
}

/** A target with the jump hosts to pass, outermost first: `[USER@]ADDR[:PORT][,JUMP…]`. */
export interface ViaSpec extends HopSpec {
  readonly jump: readonly HopSpec[];
}

/** Parses `--via [USER@]ADDR[:PORT][,JUMP…]`. An IPv6 address stands in brackets. */
export function parseVia(text: string): Result<ViaSpec, string> {
  const [first = '', ...rest] = text.split(',');
  const target = parseHop(first);
  const jump = rest.length === 0 ? ok([]) : parseJumps(rest.join(','));
  if (!target.ok) {
    return target;
  }
  return jump.ok ? ok({ ...target.value, jump: jump.value }) : jump;
}

/** Parses `--jump` or a ProxyJump: stops with commas, visited in the order given. */
export function parseJumps(text: string): Result<HopSpec[], string> {
  const hops: HopSpec[] = [];
  for (const part of text.split(',')) {
    const hop = parseHop(part);
    if (!hop.ok) {
      return hop;
    }
    hops.push(hop.value);
  }
  return ok(hops);
}

/** Parses one stop, `[USER@]HOST[:PORT]` or `ssh://[USER@]HOST[:PORT]`, and checks each part. */
export function parseHop(text: string): Result<HopSpec, string> {
  const bare = text
    .trim()
    .replace(/^ssh:\/\//i, '')
    .replace(/\/$/, '');
  // As in ssh(1), a user name may hold "@": the last one counts.
  const at = bare.lastIndexOf('@');
  const user = at < 0 ? null : checkUserName(bare.slice(0, at));
  const place = splitPort(bare.slice(at + 1));
  if (user !== null && !user.ok) {
    return user;
  }
  if (!place.ok) {
    return place;
  }
  const host = checkHostName(place.value.host);
  const port = place.value.port === null ? null : checkPort(place.value.port);
  if (!host.ok) {
    return host;
  }
  if (port !== null && !port.ok) {
    return port;
  }
  return ok({ host: host.value, user: user?.value ?? null, port: port?.value ?? null });
}

function splitPort(text: string): Result<{ host: string; port: string | null }, string> {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    return ok({ host: bracketed[1] ?? '', port: bracketed[2] ?? null });
  }
  if (text.startsWith('[')) {
    return fail(`${JSON.stringify(text)} has an opening bracket that is not closed`);
  }
  const parts = text.split(':');
  if (parts.length > 2) {
    return fail(`${JSON.stringify(text)} looks like an IPv6 address: write it as [ADDRESS]:PORT`);
  }
  return ok({ host: parts[0] ?? '', port: parts[1] ?? null });
}
