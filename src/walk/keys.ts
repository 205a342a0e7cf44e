import type { KeyFile, PublicKey } from '../facts/login-path.ts';
import { matchAddressList, matchPatternList } from '../facts/sshd-match.ts';
import { passes, stops, unsure, type Finding } from './link.ts';

/** What the login has, and what sshd asks of a key. */
export interface KeyQuestion {
  /** `SHA256:…` of the keys that the login offers; null where nobody knows them. */
  readonly offered: readonly string[] | null;
  /** Where the login comes from; null where nobody knows. */
  readonly address: string | null;
  readonly today: number | null;
  /** `PubkeyAcceptedAlgorithms`, where a line sets it. */
  readonly accepted: string | null;
  /** `RequiredRSASize`. */
  readonly rsaBits: number;
  /** True where root may log in with a key that has a command of its own only. */
  readonly needsCommand: boolean;
}

/** Whether a key of the login is in a file and may be used; `forced` where it runs its own command. */
export function judgeKeys(
  path: string,
  file: KeyFile | undefined,
  question: KeyQuestion,
): Finding & { readonly forced?: boolean } {
  if (file === undefined) {
    return unsure(`${path} was not read`);
  }
  const keys: readonly (PublicKey | null)[] = file.keys ?? file.options.map(() => null);
  if (keys.length === 0) {
    return stops(`${path} holds no valid key`);
  }
  const { offered } = question;
  const usable = keys.flatMap((key, index) =>
    offered === null || key === null || offered.includes(key.fingerprint) ? [{ key, index }] : [],
  );
  if (usable.length === 0) {
    return stops(`no key of this login is in ${path}`, [
      `${path} holds ${keys.map((key) => key?.fingerprint).join(', ')}`,
    ]);
  }
  // Options and keys are read apart; they belong together line by line where both count the same.
  const paired = file.options.length === keys.length;
  const judged = usable.map(({ key, index }) => {
    const options = paired ? splitOptions(file.options[index] ?? '') : null;
    return { options, finding: judgeOne(path, key, options ?? allOptions(file), question, paired) };
  });
  const best =
    judged.find(({ finding }) => finding.state === 'ok') ??
    judged.find(({ finding }) => finding.state === 'unknown') ??
    judged[0];
  return best === undefined
    ? stops(`${path} holds no valid key`)
    : { ...best.finding, forced: hasOption(best.options ?? allOptions(file), 'command') };
}

function allOptions(file: KeyFile): string[] {
  return file.options.flatMap(splitOptions);
}

function judgeOne(
  path: string,
  key: PublicKey | null,
  options: readonly string[],
  question: KeyQuestion,
  sure: boolean,
): Finding {
  const name = key === null ? `a key in ${path}` : `${key.type} key ${key.fingerprint} in ${path}`;
  const checks = [
    judgeAlgorithm(name, key, question),
    judgeFrom(name, options, question),
    judgeExpiry(name, options, question),
    hasOption(options, 'cert-authority') ? unsure(`${name} signs certificates only`) : passes(name),
    question.needsCommand && !hasOption(options, 'command')
      ? stops(`PermitRootLogin forced-commands-only, and ${name} has no command of its own`)
      : passes(name),
  ];
  const bad = checks.find(({ state }) => state !== 'ok');
  if (bad === undefined) {
    return passes(name);
  }
  return sure || options.length === 0 ? bad : unsure(bad.by);
}

function judgeAlgorithm(name: string, key: PublicKey | null, question: KeyQuestion): Finding {
  if (key === null) {
    return passes(name);
  }
  if (key.type === 'RSA' && key.bits < question.rsaBits) {
    return stops(`${name} has ${key.bits} bits, RequiredRSASize asks for ${question.rsaBits}`);
  }
  const { accepted } = question;
  const algorithms = algorithmsOf(key);
  if (accepted === null || /^[+^]/.test(accepted)) {
    return passes(name);
  }
  if (algorithms === null) {
    return unsure(`whether PubkeyAcceptedAlgorithms takes ${name} is not known`);
  }
  const removes = accepted.startsWith('-');
  const list = removes ? accepted.slice(1) : accepted;
  const hit = (one: string): boolean => matchPatternList(one, list) === 'match';
  const taken = removes ? algorithms.some((one) => !hit(one)) : algorithms.some(hit);
  return taken ? passes(name) : stops(`PubkeyAcceptedAlgorithms ${accepted} leaves out ${name}`);
}

function algorithmsOf(key: PublicKey): string[] | null {
  switch (key.type) {
    case 'ED25519':
      return ['ssh-ed25519'];
    case 'RSA':
      return ['rsa-sha2-512', 'rsa-sha2-256'];
    case 'ECDSA':
      return [`ecdsa-sha2-nistp${key.bits}`];
    case 'ED25519-SK':
      return ['sk-ssh-ed25519@openssh.com'];
    case 'ECDSA-SK':
      return ['sk-ecdsa-sha2-nistp256@openssh.com'];
    default:
      return null;
  }
}

// match_host_and_ip(): the name is the address unless UseDNS looks it up.
function judgeFrom(name: string, options: readonly string[], question: KeyQuestion): Finding {
  const list = optionValue(options, 'from');
  if (list === null) {
    return passes(name);
  }
  if (question.address === null) {
    return unsure(`${name} is for from="${list}" only, and nobody knows where logins come from`);
  }
  const byAddress = matchAddressList(question.address, list);
  const byName = matchPatternList(question.address, list.toLowerCase());
  if (byAddress !== 'refused' && byName !== 'refused' && [byAddress, byName].includes('match')) {
    return passes(name);
  }
  return /[g-z]/i.test(list)
    ? unsure(`${name} is for from="${list}" only, which names hosts`)
    : stops(`${name} is for from="${list}" only`);
}

function judgeExpiry(name: string, options: readonly string[], question: KeyQuestion): Finding {
  const value = optionValue(options, 'expiry-time');
  if (value === null) {
    return passes(name);
  }
  const match = /^(\d{4})(\d{2})(\d{2})/.exec(value);
  if (match === null || question.today === null) {
    return unsure(`${name} expires at ${value}`);
  }
  const day = dayNumber(Number(match[1]), Number(match[2]), Number(match[3]));
  // Zones and hours move the end by a day at most.
  if (Math.abs(day - question.today) <= 1) {
    return unsure(`${name} expires at ${value}`);
  }
  return day < question.today ? stops(`${name} expired at ${value}`) : passes(name);
}

/** Days since 1970-01-01 of a date in the Gregorian calendar. */
export function dayNumber(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

// sshd(8), AUTHORIZED_KEYS FILE FORMAT: options are parted by commas outside of quotes.
function splitOptions(text: string): string[] {
  return (text.match(/(?:[^,"]|"[^"]*"?)+/g) ?? []).map((option) => option.trim());
}

function hasOption(options: readonly string[], name: string): boolean {
  return options.some((option) => option.toLowerCase().split('=')[0] === name);
}

function optionValue(options: readonly string[], name: string): string | null {
  const found = options.find((option) => option.toLowerCase().startsWith(`${name}=`));
  return found === undefined ? null : found.slice(name.length + 1).replaceAll('"', '');
}
