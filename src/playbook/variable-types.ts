import ipaddr from 'ipaddr.js';
import { checkPort, checkUserName } from '../core/host-name.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { didYouMean } from '../core/suggest.ts';
import type { Value, VariableType } from './playbook.ts';
import { listNames } from './problem.ts';

const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const longest = 4096;

/** The type of a variable, with what a choice allows. */
export interface ValueType {
  readonly type: VariableType;
  readonly values: readonly string[];
}

/** Reads a value from text, as `--var` gives it. The error is a sentence about the value. */
export function readValue(text: string, { type, values }: ValueType): Result<Value, string> {
  if (control.test(text) || text.length > longest) {
    return fail(`The value holds a control character or is longer than ${longest} characters.`);
  }
  switch (type) {
    case 'port': {
      const port = checkPort(text);
      return port.ok ? port : fail(`${port.error}.`);
    }
    case 'boolean':
      return text === 'true' || text === 'false'
        ? ok(text === 'true')
        : fail(`«${text}» is neither true nor false.`);
    case 'integer':
      return readInteger(text);
    case 'choice':
      return values.includes(text)
        ? ok(text)
        : fail(`«${text}» is not one of ${listNames(values)}.${didYouMean(text, values)}`);
    default:
      return readText(text, type);
  }
}

/** Reads a default as YAML gives it: of the type itself, or as text. */
export function readDefault(value: Value, type: ValueType): Result<Value, string> {
  if (typeof value === 'string') {
    return readValue(value, type);
  }
  const numeric = type.type === 'port' || type.type === 'integer';
  if (typeof value === (numeric ? 'number' : 'boolean') && (numeric || type.type === 'boolean')) {
    return readValue(String(value), type);
  }
  return fail(
    `A variable of type ${type.type} cannot have the value ${String(value)}. If it is text, put it in quotes.`,
  );
}

function readText(text: string, type: VariableType): Result<string, string> {
  switch (type) {
    case 'cidr':
      return readNetwork(text);
    case 'address':
      return readAddress(text);
    case 'user':
      return readUser(text);
    case 'path':
      return readPath(text);
    case 'unit':
      return /^[A-Za-z0-9_][A-Za-z0-9:_.\\@-]{0,254}$/.test(text)
        ? ok(text)
        : fail(`«${text}» is not a unit name, as in ssh.service.`);
    default:
      return ok(text);
  }
}

function readInteger(text: string): Result<number, string> {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? ok(value) : fail(`«${text}» is not a whole number.`);
}

function readUser(text: string): Result<string, string> {
  const user = checkUserName(text);
  if (!user.ok) {
    return fail(`${user.error}.`);
  }
  return /[:/,]/.test(text) || text.length > 256 ? fail(`«${text}» is not a user name.`) : user;
}

function readPath(text: string): Result<string, string> {
  if (!text.startsWith('/')) {
    return fail(`«${text}» is not an absolute path: it must begin with «/».`);
  }
  return text.split('/').includes('..')
    ? fail(`«${text}» has «..» in it: write the path without.`)
    : ok(text);
}

function readAddress(text: string): Result<string, string> {
  const address = parseAddress(text);
  return address === null
    ? fail(`«${text}» is not an IPv4 or IPv6 address.`)
    : ok(addressText(address));
}

/** `any`, an address (its network is itself alone), or a network without host bits. */
function readNetwork(text: string): Result<string, string> {
  if (text === 'any') {
    return ok(text);
  }
  const [addressPart = '', prefixPart, ...rest] = text.split('/');
  const address = parseAddress(addressPart);
  const bits = address?.kind() === 'ipv4' ? 32 : 128;
  const prefix =
    prefixPart === undefined
      ? bits
      : /^\d{1,3}$/.test(prefixPart)
        ? Number(prefixPart)
        : Number.NaN;
  if (address === null || rest.length > 0 || !(prefix <= bits)) {
    return fail(
      `«${text}» is neither «any» nor an address or network, as in 192.0.2.0/24 or 2001:db8::/32.`,
    );
  }
  const network = networkAddress(address, prefix);
  if (network !== addressText(address)) {
    const alone = `${addressText(address)}/${bits}`;
    return fail(
      `«${text}» has bits set after /${prefix}. Write ${network}/${prefix} for the network, or ${alone} for the one address.`,
    );
  }
  return ok(`${network}/${prefix}`);
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

// ipaddr.js also takes 1.2, 0x7f.1 and octal: forms in which one text means two addresses.
function parseAddress(text: string): Address | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return ipaddr.IPv4.parse(text);
  }
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) {
    return null;
  }
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function networkAddress(address: Address, prefix: number): string {
  const bytes = address
    .toByteArray()
    .map((byte, index) => byte & (0xff << Math.max(0, 8 - Math.max(0, prefix - index * 8))));
  return addressText(ipaddr.fromByteArray(bytes.map((byte) => byte & 0xff)));
}

function addressText(address: Address): string {
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}
