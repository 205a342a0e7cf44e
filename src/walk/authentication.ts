import type { Account } from '../facts/accounts.ts';
import type { LoginPaths } from '../facts/login-path.ts';
import { maxFollowedAccounts } from '../facts/login-path-sh.ts';
import { describeRefusal, refusals } from '../facts/sshd-admission.ts';
import { eitherOf, joinFindings, passes, stops, unsure, type Finding, type Link } from './link.ts';
import { expandPattern, judgeKeyPath, realPath } from './key-path.ts';
import { judgeKeys } from './keys.ts';
import { asRead, ask, describeSetting, firstWord, type Login } from './login.ts';
import { judgePam, usesPam } from './pam.ts';

/** The authentication layer: does sshd let this account in by what the login shows? */
export function walkAuthentication(login: Login): Link {
  return joinFindings(
    'authentication',
    authenticate(login).map((finding) => asRead(login, finding)),
  );
}

function authenticate(login: Login): Finding[] {
  const { account, endpoint, settings } = login;
  if (!account.known) {
    return [unsure(account.because)];
  }
  if (account.value === null) {
    return [stops(`there is no account ${endpoint.user}`)];
  }
  if (!settings.known) {
    return [unsure(settings.because)];
  }
  const lists = refusals(settings.value.of, settings.value.client).map((refusal): Finding => {
    const by = describeRefusal(refusal, endpoint.user);
    return refusal.certain ? stops(by) : unsure(by);
  });
  return [...lists, judgeCredential(login, account.value)];
}

function judgeCredential(login: Login, account: Account): Finding {
  switch (login.endpoint.credential ?? null) {
    case 'key':
      return byKey(login, account);
    case 'password':
      return byPassword(login, account);
    case null: {
      const own = eitherOf(byKey(login, account), byPassword(login, account));
      return own.state === 'broken' ? (byOther(login) ?? own) : own;
    }
  }
}

// Ways of which only the other side can say whether they work.
function byOther(login: Login): Finding | null {
  for (const name of [
    'GSSAPIAuthentication',
    'HostbasedAuthentication',
    'KerberosAuthentication',
  ]) {
    const asked = ask(login, name);
    if (firstWord(asked) === 'yes') {
      return unsure(`whether ${describeSetting(name, asked)} lets this login in is not known`);
    }
  }
  return null;
}

function byKey(login: Login, account: Account): Finding {
  const checks = [
    switchedOn(login, 'PubkeyAuthentication', 'publickey'),
    rootMay(login, account, 'key'),
    revokedKeys(login),
    keyFiles(login, account),
  ];
  return worst(checks);
}

/** What keeps a login out comes first, then what is not known, else the last. */
function worst(checks: readonly Finding[]): Finding {
  const { state, by, evidence } = joinFindings('authentication', checks);
  return { state, by, evidence };
}

// sshd_config(5): with AuthenticationMethods one of its lists must be gone through whole.
function switchedOn(login: Login, name: string, method: string): Finding {
  const asked = ask(login, name);
  if (!asked.known) {
    return asked.finding;
  }
  if (firstWord(asked) === 'no') {
    return stops(describeSetting(name, asked));
  }
  const methods = ask(login, 'AuthenticationMethods');
  if (!methods.known) {
    return methods.finding;
  }
  const lists = methods.values.map((list) => list.toLowerCase().split(','));
  const alone = lists.some(
    (list) => list.every((one) => one.split(':')[0] === method) || list[0] === 'any',
  );
  const shown = describeSetting('AuthenticationMethods', methods);
  if (alone || lists.length === 0) {
    return passes(describeSetting(name, asked));
  }
  return lists.some((list) => list.some((one) => one.split(':')[0] === method))
    ? unsure(`${shown} asks for more than ${method}`)
    : stops(`${shown} leaves out ${method}`);
}

function rootMay(login: Login, account: Account, by: 'key' | 'password'): Finding {
  const asked = ask(login, 'PermitRootLogin');
  if (account.uid !== 0) {
    return passes('PermitRootLogin is not about this account');
  }
  if (!asked.known) {
    return asked.finding;
  }
  const shown = describeSetting('PermitRootLogin', asked);
  switch (firstWord(asked)) {
    case 'yes':
      return passes(shown);
    case 'prohibit-password':
    case 'without-password':
    case 'forced-commands-only':
      // Whether the key has a command of its own is looked at with the keys.
      return by === 'key' ? passes(shown) : stops(shown);
    default:
      return stops(shown);
  }
}

// auth_key_is_revoked(): where the file cannot be read, no key is taken at all.
function revokedKeys(login: Login): Finding {
  const asked = ask(login, 'RevokedKeys');
  if (!asked.known) {
    return asked.finding;
  }
  const [path] = asked.values;
  if (path === undefined || path.toLowerCase() === 'none') {
    return passes('RevokedKeys none');
  }
  const shown = describeSetting('RevokedKeys', asked);
  if (!login.paths.known) {
    return unsure(login.paths.because);
  }
  if (!login.paths.value.patterns.includes(path)) {
    return unsure(`${shown}: the file was not looked at`);
  }
  const real = realPath(login.paths.value, path);
  const entry = real === null ? undefined : login.paths.value.entries[real];
  if (entry === undefined || entry.type !== 'file') {
    return stops(`${shown}: the file cannot be read, so no key is taken`);
  }
  return unsure(`${shown}: whether it holds the key of this login is not known`);
}

function keyFiles(login: Login, account: Account): Finding {
  const asked = ask(login, 'AuthorizedKeysFile');
  const strict = ask(login, 'StrictModes');
  if (!asked.known || !strict.known) {
    return asked.known ? (strict.known ? passes('') : strict.finding) : asked.finding;
  }
  if (!login.paths.known) {
    return unsure(login.paths.because);
  }
  const patterns = asked.values.filter((pattern) => pattern.toLowerCase() !== 'none');
  const found = patterns.map((pattern) =>
    keyFile(
      login,
      account,
      login.paths.known ? login.paths.value : null,
      pattern,
      firstWord(strict) !== 'no',
    ),
  );
  const other = otherKeySources(login);
  const good = found.find(({ state }) => state === 'ok');
  if (good !== undefined) {
    return good;
  }
  const doubt = found.find(({ state }) => state === 'unknown') ?? other;
  if (doubt !== null && doubt !== undefined) {
    return doubt;
  }
  // A file that is there and refused says more than one that is not there.
  const [first] = found.toSorted((left, right) => rank(left) - rank(right));
  return (
    first ?? stops(`${describeSetting('AuthorizedKeysFile', asked)}: sshd reads no file of keys`)
  );
}

function rank(finding: Finding): number {
  return finding.by.startsWith('there is no ') ? 1 : 0;
}

function keyFile(
  login: Login,
  account: Account,
  paths: LoginPaths | null,
  pattern: string,
  strict: boolean,
): Finding {
  const path = expandPattern(pattern, account);
  const accounts = login.accounts.known ? login.accounts.value : null;
  const index = accounts?.accounts.findIndex(({ name }) => name === account.name) ?? -1;
  if (
    paths === null ||
    path === null ||
    !paths.patterns.includes(pattern) ||
    index >= maxFollowedAccounts
  ) {
    return unsure(`AuthorizedKeysFile ${pattern}: the file was not looked at`);
  }
  const trusted = judgeKeyPath(path, { paths, account, accounts, strict });
  if (trusted.state === 'broken') {
    return trusted;
  }
  const keys = judgeKeys(
    path,
    paths.keys[realPath(paths, path) ?? path],
    keyQuestion(login, account),
  );
  return keys.state === 'broken' ? keys : trusted.state === 'unknown' ? trusted : keys;
}

/** What the login's keys are compared with. */
export function keyQuestion(login: Login, account: Account): Parameters<typeof judgeKeys>[2] {
  const accepted = ask(login, 'PubkeyAcceptedAlgorithms');
  const bits = ask(login, 'RequiredRSASize');
  return {
    offered: login.endpoint.keyFingerprints ?? null,
    address: login.endpoint.from?.address ?? null,
    today: login.accounts.known ? login.accounts.value.today : null,
    accepted: accepted.known && accepted.by !== 'default' ? (accepted.values[0] ?? null) : null,
    rsaBits: bits.known && /^\d+$/.test(firstWord(bits)) ? Number(firstWord(bits)) : 1024,
    needsCommand:
      account.uid === 0 && firstWord(ask(login, 'PermitRootLogin')) === 'forced-commands-only',
  };
}

// Keys of a program or signed ones: nobody can see them from here.
function otherKeySources(login: Login): Finding | null {
  for (const name of ['AuthorizedKeysCommand', 'TrustedUserCAKeys']) {
    const asked = ask(login, name);
    if (!asked.known) {
      // A version that does not know the option does not use it.
      continue;
    }
    if (!['none', ''].includes(firstWord(asked))) {
      return unsure(
        `whether ${describeSetting(name, asked)} has a key for this login is not known`,
      );
    }
  }
  return null;
}

function byPassword(login: Login, account: Account): Finding {
  const pam = usesPam(login);
  const plain = worst([switchedOn(login, 'PasswordAuthentication', 'password')]);
  // PAM asks for the password over keyboard-interactive, too.
  const interactive =
    pam === true
      ? worst([switchedOn(login, 'KbdInteractiveAuthentication', 'keyboard-interactive')])
      : stops('KbdInteractiveAuthentication asks for nothing without PAM');
  return worst([
    plain.state === 'broken' && interactive.state === 'broken'
      ? plain
      : eitherOf(plain, interactive),
    rootMay(login, account, 'password'),
    hasPassword(login, account),
    pam === false
      ? passes('UsePAM no')
      : pam === null
        ? unsure('UsePAM is not known')
        : judgePam(login, 'auth'),
  ]);
}

function hasPassword(login: Login, account: Account): Finding {
  const { name, password } = account;
  switch (password) {
    case 'usable':
      return passes(`${name} has a password`);
    case 'none':
      return account.local
        ? stops(`/etc/shadow has no entry for ${name}`)
        : unsure(`whether ${name} has a password is not known`);
    case 'empty': {
      const asked = ask(login, 'PermitEmptyPasswords');
      return firstWord(asked) === 'yes'
        ? passes(describeSetting('PermitEmptyPasswords', asked))
        : stops(
            `the password of ${name} is empty (${describeSetting('PermitEmptyPasswords', asked)})`,
          );
    }
    case 'locked':
      return stops(`the password of ${name} is locked`);
    case 'locked-bang':
    case 'star':
      return stops(`${name} has no password`);
  }
}
