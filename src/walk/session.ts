import type { Account } from '../facts/accounts.ts';
import type { PathEntry } from '../facts/login-path.ts';
import { keyQuestion } from './authentication.ts';
import { expandPattern, foldersAbove, judgeKeyPath, realPath } from './key-path.ts';
import { judgeKeys } from './keys.ts';
import { joinFindings, passes, stops, unsure, type Finding, type Link } from './link.ts';
import { asRead, ask, describeSetting, firstWord, type Login } from './login.ts';
import { judgePam, usesPam } from './pam.ts';

/** The session layer: does what a login asks for run, once it is in? */
export function walkSession(login: Login): Link {
  const { account } = login;
  if (!account.known || account.value === null) {
    return joinFindings('session', [
      unsure(account.known ? `there is no account ${login.endpoint.user}` : account.because),
    ]);
  }
  const pam = usesPam(login);
  return joinFindings('session', [
    ...(pam === true ? [judgePam(login, 'session')] : []),
    ...[
      judgeChroot(login, account.value),
      judgeMaxSessions(login),
      judgeForcedCommand(login),
      judgeKeyCommand(login, account.value),
    ].map((finding) => asRead(login, finding)),
    passes('a session opens; what the startup files of the shell do was not looked at'),
  ]);
}

function judgeMaxSessions(login: Login): Finding {
  const asked = ask(login, 'MaxSessions');
  return firstWord(asked) === '0'
    ? stops(describeSetting('MaxSessions', asked))
    : passes('MaxSessions lets a session open');
}

function judgeForcedCommand(login: Login): Finding {
  const asked = ask(login, 'ForceCommand');
  if (!asked.known) {
    return asked.finding;
  }
  return ['none', ''].includes(firstWord(asked))
    ? passes('ForceCommand none')
    : unsure(`${describeSetting('ForceCommand', asked)} runs in place of what a login asks for`);
}

// authorized_keys: command="…" does the same for one key.
function judgeKeyCommand(login: Login, account: Account): Finding {
  const none = passes('no key of the login has a command of its own');
  const asked = ask(login, 'AuthorizedKeysFile');
  if (!asked.known || !login.paths.known || login.endpoint.credential === 'password') {
    return none;
  }
  const paths = login.paths.value;
  const accounts = login.accounts.known ? login.accounts.value : null;
  const strict = firstWord(ask(login, 'StrictModes')) !== 'no';
  for (const pattern of asked.values) {
    const path = expandPattern(pattern, account);
    const file = path === null ? undefined : paths.keys[realPath(paths, path) ?? path];
    if (path === null || file === undefined) {
      continue;
    }
    const trusted = judgeKeyPath(path, { paths, account, accounts, strict });
    const keys = judgeKeys(path, file, keyQuestion(login, account));
    if (trusted.state !== 'broken' && keys.state !== 'broken') {
      return keys.forced === true
        ? unsure(
            `${keys.by} has a command of its own, which runs in place of what a login asks for`,
          )
        : none;
    }
  }
  return none;
}

// safely_chroot() in session.c: every folder on the way is root's and writable by nobody else.
function judgeChroot(login: Login, account: Account): Finding {
  const asked = ask(login, 'ChrootDirectory');
  if (!asked.known) {
    return asked.finding;
  }
  const [pattern = ''] = asked.values;
  if (['none', ''].includes(pattern.toLowerCase())) {
    return passes('ChrootDirectory none');
  }
  const shown = describeSetting('ChrootDirectory', asked);
  const path = expandPattern(pattern, account);
  if (!login.paths.known || path === null || !login.paths.value.patterns.includes(pattern)) {
    return unsure(`${shown}: the folder was not looked at`);
  }
  const { entries } = login.paths.value;
  const bad = [path, ...foldersAbove(path)].find((folder) => !isSafe(entries[folder]));
  if (bad !== undefined) {
    return stops(
      entries[bad] === undefined
        ? `${shown}: there is no ${bad}`
        : `${shown}: ${bad} is no folder of root's that only root may write to`,
    );
  }
  const forced = ask(login, 'ForceCommand');
  return (forced.known ? (forced.values[0] ?? '') : '').startsWith('internal-sftp')
    ? passes(shown)
    : unsure(`${shown}: whether the shell is in there is not known`);
}

function isSafe(entry: PathEntry | undefined): boolean {
  return entry?.type === 'directory' && entry.uid === 0 && (entry.mode & 0o022) === 0;
}
