import { isSince, type SshVersion } from './sshd-words.ts';

/** Other spellings that sshd takes for a keyword (the table `keywords` of servconf.c). */
const aliases: Readonly<Record<string, string>> = {
  hostdsakey: 'hostkey',
  dsaauthentication: 'pubkeyauthentication',
  keepalive: 'tcpkeepalive',
  pubkeyacceptedkeytypes: 'pubkeyacceptedalgorithms',
  hostbasedacceptedkeytypes: 'hostbasedacceptedalgorithms',
  gssapicleanupcreds: 'gssapicleanupcredentials',
};

/** The name under which sshd keeps an option. Until 8.7 ChallengeResponse was an option of its own. */
export function canonicalKeyword(keyword: string, version: SshVersion | null): string {
  const lower = keyword.toLowerCase();
  if (lower === 'challengeresponseauthentication' || lower === 'skeyauthentication') {
    return isSince(version, 8, 7)
      ? 'kbdinteractiveauthentication'
      : 'challengeresponseauthentication';
  }
  return aliases[lower] ?? lower;
}

/** Options that add up over all their lines; all others take the first line that sets them. */
export const repeatable: ReadonlySet<string> = new Set([
  'port',
  'listenaddress',
  'hostkey',
  'hostcertificate',
  'acceptenv',
  'allowusers',
  'denyusers',
  'allowgroups',
  'denygroups',
  'subsystem',
  'persourcepenalties',
]);

/** Options of which the last line counts, against the rule. */
export const lastWins: ReadonlySet<string> = new Set([
  'fingerprinthash',
  'streamlocalbindmask',
  'ipqos',
  'maxstartups',
]);

/** Options that take the rest of the line as it stands. */
export const restOfLine: ReadonlySet<string> = new Set([
  'forcecommand',
  'versionaddendum',
  'authorizedkeyscommand',
  'authorizedprincipalscommand',
]);

/** Options whose values are words that sshd compares without regard to case. */
const multistate: ReadonlySet<string> = new Set([
  'addressfamily',
  'allowagentforwarding',
  'allowstreamlocalforwarding',
  'allowtcpforwarding',
  'compression',
  'disableforwarding',
  'exposeauthinfo',
  'gatewayports',
  'gssapiauthentication',
  'gssapicleanupcredentials',
  'gssapistrictacceptorcheck',
  'hostbasedauthentication',
  'hostbasedusesnamefrompacketonly',
  'challengeresponseauthentication',
  'kbdinteractiveauthentication',
  'kerberosauthentication',
  'kerberosorlocalpasswd',
  'kerberosticketcleanup',
  'ignoreuserknownhosts',
  'ignorerhosts',
  'passwordauthentication',
  'permitemptypasswords',
  'permitrootlogin',
  'permittty',
  'permituserrc',
  'printlastlog',
  'printmotd',
  'pubkeyauthentication',
  'refuseconnection',
  'streamlocalbindunlink',
  'strictmodes',
  'tcpkeepalive',
  'usedns',
  'usepam',
  'x11forwarding',
  'x11uselocalhost',
]);

/** One spelling for each value: lower case where sshd does not care, `prohibit-password`. */
export function canonicalValues(keyword: string, values: readonly string[]): string[] {
  return multistate.has(keyword)
    ? values.map((value) =>
        value.toLowerCase() === 'without-password' ? 'prohibit-password' : value.toLowerCase(),
      )
    : [...values];
}

/**
 * What sshd takes where nothing is set, for the options that decide about a login; only for hosts
 * whose sshd could not print its own defaults (sshd_config(5) of 9.2).
 */
export const builtInDefaults: Readonly<Record<string, readonly string[]>> = {
  addressfamily: ['any'],
  authenticationmethods: ['any'],
  authorizedkeyscommand: ['none'],
  authorizedkeyscommanduser: ['none'],
  authorizedkeysfile: ['.ssh/authorized_keys', '.ssh/authorized_keys2'],
  authorizedprincipalscommand: ['none'],
  authorizedprincipalsfile: ['none'],
  chrootdirectory: ['none'],
  forcecommand: ['none'],
  gssapiauthentication: ['no'],
  hostbasedauthentication: ['no'],
  kbdinteractiveauthentication: ['yes'],
  challengeresponseauthentication: ['yes'],
  kerberosauthentication: ['no'],
  logingracetime: ['120'],
  maxauthtries: ['6'],
  maxsessions: ['10'],
  maxstartups: ['10:30:100'],
  passwordauthentication: ['yes'],
  permitemptypasswords: ['no'],
  permitrootlogin: ['prohibit-password'],
  permittty: ['yes'],
  port: ['22'],
  pubkeyauthentication: ['yes'],
  revokedkeys: ['none'],
  strictmodes: ['yes'],
  trustedusercakeys: ['none'],
  usedns: ['no'],
  usepam: ['no'],
};
