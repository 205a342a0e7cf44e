/** What a console waits for, as far as the end of what it shows tells. */
export type Waiting =
  | 'login'
  | 'password'
  /** sulogin(8): root's password, or the Enter key where root has none. */
  | 'maintenance-password'
  | 'maintenance-enter'
  /** sulogin(8) that lets nobody in: Enter would go on with the boot. Nothing is typed. */
  | 'maintenance-locked'
  /** The shell of an initramfs, or a kernel that has stopped. Nothing is typed. */
  | 'initramfs'
  | 'panic'
  /** A prompt of a boot loader or a boot menu, a firmware shell. Nothing is typed. */
  | 'bootloader'
  /** A passphrase of a disk. Nothing is typed: an empty line would use up a try. */
  | 'disk'
  /** A wish for something that we have not: a code, a new password. */
  | 'code'
  | 'new-password'
  /** A pager, or a question of an installer or of fsck. */
  | 'pager'
  | 'shell'
  | 'nothing';

/** Prompts by the end of the last line; the first that fits counts. Only endings: what stands before may be cut. */
const prompts: readonly (readonly [RegExp, Waiting])[] = [
  [/(?:give|enter) root password[^\n]*:\s*$/i, 'maintenance-password'],
  [/press enter[^\n]*maintenance[^\n]*$/i, 'maintenance-enter'],
  [/^(?:\(initramfs\)|(?:dracut|switch_root):[^\n]*#|\[rootfs [^\]]*\]#)\s*$/, 'initramfs'],
  [/please (?:unlock disk|enter passphrase)[^\n]*:\s*$/i, 'disk'],
  [/passphrase for [^\n]*:\s*\**$/i, 'disk'],
  [/^(?:grub(?: rescue)?>|=>|U-Boot>|Shell>|loader>|boot:)\s*$/i, 'bootloader'],
  [
    /(?:verification code|one-time password|otp|token code|passcode|2nd factor)[^\n]*:\s*$/i,
    'code',
  ],
  [
    /(?:new|retype new|re-enter new|current|\(current\) unix|old)[^\n]*password:\s*$/i,
    'new-password',
  ],
  [/^(?:--More--[^\n]*|\(END\)|lines \d+-\d+[^\n]*|[^\n]*\(press RETURN\)|:)\s*$/i, 'pager'],
  // Localised: de, fr, es, it, pt, nl, pl, ru (as bytes they are not seen), sv.
  [
    /(?:pass(?:word|wort|phrase)|mot de passe|contrase.{0,2}a|senha|wachtwoord|has.{0,2}o|l.{0,2}senord)(?: for [^\n:]*)?\s?:\s*\**$/i,
    'password',
  ],
  [/(?:^|[\s.])(?:login|identifiant|anmelden|benutzername|username|user name)\s?:\s*$/i, 'login'],
  [/^[^\n]{0,200}[#$%>]\s*$/, 'shell'],
];

const panic = /Kernel panic - not syncing|---\[ end Kernel panic/;
const rootLocked = /(?:cannot open access to console|root account is locked)/i;

const menus =
  /(?:GNU GRUB|Use the .* and .* keys to (?:select|change)|The highlighted entry will be executed|Boot Menu|Press (?:F\d+|DEL|ESC) (?:to enter|for) )/i;

/** What the last line of a console asks for. `screen` is the last lines, for what is told by more than one. */
export function waitingFor(lastLine: string, screen: string): Waiting {
  const line = lastLine.trimEnd();
  const last = (count: number): string => screen.split('\n').slice(-count).join('\n');
  if (panic.test(last(4))) {
    return 'panic';
  }
  if (rootLocked.test(last(6)) && /press enter to continue[^\n]*$/i.test(line)) {
    return 'maintenance-locked';
  }
  if (menus.test(last(25)) && !/login:\s*$/.test(line)) {
    return 'bootloader';
  }
  // sulogin(8) asks over two lines: what it wants stands in the first.
  if (/or (?:type|press) Control-D to continue\)?:?$/i.test(line)) {
    return /press enter/i.test(last(3)) ? 'maintenance-enter' : 'maintenance-password';
  }
  return prompts.find(([pattern]) => pattern.test(line))?.[1] ?? 'nothing';
}

/** Why a login was refused. */
export type Refusal =
  | 'incorrect'
  | 'locked'
  | 'expired'
  | 'must-change'
  | 'nologin'
  | 'root-not-here'
  | 'timed-out';

const refusals: readonly (readonly [RegExp, Refusal])[] = [
  [/login timed out|timed out after \d+ seconds/i, 'timed-out'],
  [/account (?:is )?(?:temporarily )?locked|locked due to \d+/i, 'locked'],
  [/account has expired|your account has expired/i, 'expired'],
  [
    /required to change your password|password has expired|must change your password/i,
    'must-change',
  ],
  [
    /system is (?:booting up|going down)|not permitted to log in|pam_nologin|this account is currently not available/i,
    'nologin',
  ],
  [/root login refused|not allowed on this terminal|securetty/i, 'root-not-here'],
  [
    /login incorrect|login failed|authentication failure|permission denied|incorrect password/i,
    'incorrect',
  ],
];

/** Reads the words of login(1) and PAM; null where they say no such thing. */
export function readRefusal(text: string): Refusal | null {
  return refusals.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}

const busyWords: readonly RegExp[] = [
  /active console session exists/i,
  /already (?:active|in use|attached|connected|has an active)|currently in use/i,
  /SOL payload already active/i,
  /another console session is already active/i,
  /SerialConsoleSessionLimitExceeded|limited to one connection/i,
  /is in use by|\[?read-only\]?.*(?:attached|spy)|\[no, [^\]]+ is attached\]/i,
  /\[(?:forced to|bumped|taken over)[^\]]*\]|session (?:was )?(?:stolen|taken over|preempted)/i,
  /device or resource busy|resource busy/i,
];

/** True where a console server says that somebody else has the console. */
export function saysBusy(text: string): boolean {
  return busyWords.some((pattern) => pattern.test(text));
}

/** Why a gateway to consoles lets nobody through: what a person must do there. */
export type GatewayRefusal = 'expired' | 'limited' | 'denied';

const gatewayWords: readonly (readonly [RegExp, GatewayRefusal])[] = [
  [
    /expired ?token|(?:token|session|credentials?|certificate)[^\n]{0,40}(?:has|have|is) expired|refresh(?:ed)? (?:token|credentials) .*fail|reauthentication|invalid_grant|AADSTS\d+|please run:? .*login/i,
    'expired',
  ],
  [
    /too many requests|rate (?:limit )?exceeded|throttl|quota exceeded|(?:session|connection) limit|\b429\b/i,
    'limited',
  ],
  [/access ?denied|unauthorized|not authorized|forbidden|PERMISSION_DENIED|\b40[13]\b/i, 'denied'],
];

/** Reads the words of a provider's client or gateway; null where they say no such thing. */
export function readGatewayRefusal(text: string): GatewayRefusal | null {
  return gatewayWords.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}
