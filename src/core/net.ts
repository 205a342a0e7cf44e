import ipaddr from 'ipaddr.js';

/** The two address families, by their nftables names. */
export type Family = 'ip' | 'ip6';

/** A contiguous range of addresses of one family, both ends included. */
export interface Span {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** How a set of addresses lies to another. */
export type Overlap = 'inside' | 'outside' | 'part';

/**
 * Reads an address, a CIDR prefix (`10.0.0.0/8`), a prefix with a dotted mask (`10.0.0.0/255.0.0.0`)
 * or a range (`10.0.0.1-10.0.0.9`). Null where the text is none of them.
 */
export function parseSpan(text: string): Span | null {
  const [start = '', end] = text.split('-');
  if (end !== undefined) {
    const first = parsePrefix(start);
    const last = parsePrefix(end);
    return first !== null && last !== null && first.family === last.family
      ? { family: first.family, first: first.first, last: last.last }
      : null;
  }
  return parsePrefix(text);
}

/** How `inner` lies to `outer`: wholly inside, wholly outside, or partly in both. */
export function compareSpans(inner: Span, outer: Span): Overlap {
  if (inner.family !== outer.family || inner.last < outer.first || inner.first > outer.last) {
    return 'outside';
  }
  return inner.first >= outer.first && inner.last <= outer.last ? 'inside' : 'part';
}

/** Whether a net, range or address holds an address or net; false where either is none of these. */
export function covers(net: string, inner: string): boolean {
  const outer = parseSpan(net);
  const own = parseSpan(inner);
  return outer !== null && own !== null && compareSpans(own, outer) === 'inside';
}

/** The family of an address, or null where the text is not an address. */
export function addressFamily(text: string): Family | null {
  return isFullAddress(text) ? familyOf(ipaddr.parse(text)) : null;
}

/** One spelling for each address, so that texts can be compared; null where it is not an address. */
export function normalAddress(text: string): string | null {
  if (!isFullAddress(text)) {
    return null;
  }
  const address = ipaddr.process(text);
  return address.kind() === 'ipv6'
    ? (address as ipaddr.IPv6).toRFC5952String()
    : address.toString();
}

function parsePrefix(text: string): Span | null {
  const [addressText = '', mask] = text.split('/');
  if (!isFullAddress(addressText)) {
    return null;
  }
  const address = ipaddr.parse(addressText);
  const bits = address.kind() === 'ipv4' ? 32 : 128;
  const length = mask === undefined ? bits : prefixLength(mask, bits);
  if (length === null) {
    return null;
  }
  const size = 1n << BigInt(bits - length);
  const value = toNumber(address);
  const first = value - (value % size);
  return { family: familyOf(address), first, last: first + size - 1n };
}

// ipaddr.js also takes inet_aton short forms such as `10.1`, which no rule set prints.
function isFullAddress(text: string): boolean {
  return (
    ipaddr.IPv4.isValidFourPartDecimal(text) || (text.includes(':') && ipaddr.IPv6.isValid(text))
  );
}

function prefixLength(mask: string, bits: number): number | null {
  if (/^\d{1,3}$/.test(mask)) {
    return Number(mask) <= bits ? Number(mask) : null;
  }
  return ipaddr.isValid(mask) ? ipaddr.parse(mask).prefixLengthFromSubnetMask() : null;
}

function familyOf(address: ipaddr.IPv4 | ipaddr.IPv6): Family {
  return address.kind() === 'ipv4' ? 'ip' : 'ip6';
}

function toNumber(address: ipaddr.IPv4 | ipaddr.IPv6): bigint {
  return address.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
