/**
 * What is made of a keyword of ssh_config(5) where no OpenSSH client reads it: `read`; `way`, one of the
 * two that say by what the connection goes; `without-effect`; or `unread`.
 */
export type KeywordKind = 'read' | 'way' | 'without-effect' | 'unread';

const oneWord = new Set([
  'hashknownhosts',
  'hostkeyalias',
  'hostname',
  'identitiesonly',
  'identityagent',
  'identityfile',
  'port',
  'user',
]);

const manyWords = new Set(['globalknownhostsfile', 'revokedhostkeys', 'userknownhostsfile']);

// About what comes after the login, or settled by us whatever is set.
const withoutEffect = new Set(
  `addkeystoagent batchmode checkhostip clearallforwardings compression connectionattempts
  connecttimeout controlmaster controlpath controlpersist dynamicforward enableescapecommandline
  escapechar exitonforwardfailure fingerprinthash forkafterauthentication forwardagent forwardx11
  forwardx11timeout forwardx11trusted gatewayports gssapidelegatecredentials ignoreunknown ipqos
  localcommand localforward loglevel logverbose numberofpasswordprompts obscurekeystroketiming
  permitlocalcommand permitremoteopen rekeylimit remotecommand remoteforward requesttty sendenv
  serveralivecountmax serveraliveinterval sessiontype setenv stdinnull streamlocalbindmask
  streamlocalbindunlink stricthostkeychecking syslogfacility tcpkeepalive tunnel tunneldevice
  updatehostkeys usekeychain verifyhostkeydns visualhostkey xauthlocation`.split(/\s+/),
);

/** Tried where no IdentityFile is set. */
export const usualKeys: readonly string[] =
  'id_rsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk id_xmss id_dsa'.split(' ');

/** What is made of a keyword, given in lower case. */
export function kindOf(keyword: string): KeywordKind {
  if (oneWord.has(keyword) || manyWords.has(keyword)) {
    return 'read';
  }
  if (keyword === 'proxyjump' || keyword === 'proxycommand') {
    return 'way';
  }
  return withoutEffect.has(keyword) ? 'without-effect' : 'unread';
}

/** Whether a value of a keyword that is not read makes another way in: it is not the usual one. */
export function changesWay(keyword: string, value: string): boolean {
  const isOnByNature = /^(?:pubkey|password|kbdinteractive|challengeresponse)authentication$/;
  return isOnByNature.test(keyword) === /^(?:no|none)$/i.test(value.trim());
}

/** Why ssh would refuse the words behind a keyword, in one clause; null for good ones. */
export function wrongValue(keyword: string, words: readonly string[]): string | null {
  const [value = ''] = words;
  if (oneWord.has(keyword) && words.length !== 1) {
    return `${keyword} takes one value`;
  }
  if (
    keyword === 'port' &&
    !(/^\d{1,5}$/.test(value) && Number(value) > 0 && Number(value) < 65_536)
  ) {
    return 'this is no port';
  }
  return /^(?:identitiesonly|hashknownhosts)$/.test(keyword) &&
    !/^(?:yes|no|true|false)$/i.test(value)
    ? `${keyword} is yes or no`
    : null;
}

/** Whether a flag of the configuration is set. */
export function isYes(value: string | null): boolean {
  return value !== null && /^(?:yes|true)$/i.test(value);
}
