import type { Account } from '../facts/accounts.ts';
import { joinFindings, passes, stops, unsure, type Finding, type Link } from './link.ts';
import { ask, describeSetting, firstWord, type Login } from './login.ts';
import { judgePam, usesPam } from './pam.ts';

/** The account layer: may the account log in, and has it a shell that runs what it is told? */
export function walkAccount(login: Login): Link {
  const { account, endpoint } = login;
  if (!account.known) {
    return joinFindings('account', [unsure(account.because)]);
  }
  if (account.value === null) {
    return joinFindings('account', [stops(`there is no account ${endpoint.user}`)]);
  }
  return joinFindings('account', [
    ...judgeShell(login, account.value),
    ...judgeAccount(login, account.value),
  ]);
}

function judgeAccount(login: Login, account: Account): Finding[] {
  switch (usesPam(login)) {
    case null:
      return [unsure('whether sshd asks PAM is not known')];
    case true:
      return [judgePam(login, 'account')];
    case false:
      return withoutPam(login, account);
  }
}

// Without PAM sshd looks itself: allowed_user() and auth_shadow_acctexpired(), and do_nologin().
function withoutPam(login: Login, account: Account): Finding[] {
  const usePam = describeSetting('UsePAM', ask(login, 'usepam'));
  const { aging, name, password } = account;
  const today = login.accounts.known ? login.accounts.value.today : null;
  const locked =
    password === 'locked' || password === 'locked-bang'
      ? stops(`the account ${name} is locked (! in /etc/shadow), and ${usePam}`)
      : password === 'none'
        ? unsure(`/etc/shadow has no entry for ${name}`)
        : passes(`${name} is not locked`);
  const expired =
    aging === null || aging.expires === null
      ? passes(`${name} does not expire`)
      : today === null
        ? unsure("the host's clock is not known")
        : today > aging.expires
          ? stops(`the account ${name} expired ${today - aging.expires} days ago`)
          : passes(`${name} has not expired`);
  return [locked, expired, nologin(login, account)];
}

function nologin(login: Login, account: Account): Finding {
  if (!login.daemon.known) {
    return unsure(login.daemon.because);
  }
  return login.daemon.value.nologin.includes('/etc/nologin') && account.uid !== 0
    ? stops('/etc/nologin forbids logins to all but root')
    : passes('there is no /etc/nologin');
}

// Shells that run a command as it is given.
const shells =
  /^(?:sh|bash|rbash|dash|ash|busybox|ksh|ksh93|mksh|lksh|pdksh|oksh|zsh|fish|tcsh|csh|yash|posh|elvish|nu|xonsh|pwsh|true)$/;

function judgeShell(login: Login, account: Account): Finding[] {
  const shell = account.shell === '' ? '/bin/sh' : account.shell;
  const chroot = ask(login, 'ChrootDirectory');
  const inChroot = chroot.known && !['none', ''].includes(firstWord(chroot));
  const forced = ask(login, 'ForceCommand');
  if (forced.known && /^internal-sftp(?:\s|$)/.test(forced.values[0] ?? '')) {
    // The sftp server that is built in needs no shell; without a chroot sshd looks for one all the same.
    return [inChroot ? passes('internal-sftp needs no shell') : exists(account, shell)];
  }
  const name = shell.slice(shell.lastIndexOf('/') + 1);
  const works =
    name === 'nologin' || name === 'false'
      ? stops(`the shell of ${account.name}, ${shell}, ends every session`)
      : shells.test(name)
        ? passes(`the shell of ${account.name} is ${shell}`)
        : unsure(`what the shell of ${account.name}, ${shell}, does is not known`);
  return [
    inChroot ? passes('the shell is looked for in the chroot') : exists(account, shell),
    works,
  ];
}

// allowed_user(): sshd says "shell ... does not exist" or "is not executable", and asks for nothing more.
function exists(account: Account, shell: string): Finding {
  switch (account.shellState) {
    case 'ok':
      return passes(`${shell} is there`);
    case 'missing':
      return stops(`the shell of ${account.name}, ${shell}, is not there`);
    case 'not-executable':
      return stops(`the shell of ${account.name}, ${shell}, cannot be run`);
    case null:
      return unsure(`whether the shell of ${account.name}, ${shell}, is there is not known`);
  }
}
