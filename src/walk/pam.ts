import { passes, stops, unsure, type Finding } from './link.ts';
import { ask, firstWord, type Login } from './login.ts';
import { judgeModule } from './pam-modules.ts';
import { runStack } from './pam-run.ts';
import { readStack, type PamTask } from './pam-stack.ts';

/** Whether sshd asks PAM (`UsePAM`); null where that is not known. */
export function usesPam(login: Login): boolean | null {
  const asked = ask(login, 'usepam');
  return asked.known ? firstWord(asked) === 'yes' : null;
}

/**
 * What PAM says to one task of a login. A key never passes the `auth` stack; a password does, and is
 * taken for the right one.
 */
export function judgePam(login: Login, task: PamTask): Finding {
  const { account, accounts, daemon, endpoint, pam } = login;
  if (!pam.known) {
    return unsure(pam.because);
  }
  if (!account.known || account.value === null) {
    return unsure(account.known ? `there is no account ${endpoint.user}` : account.because);
  }
  const stack = readStack(pam.value, task);
  if (!stack.ok) {
    return stops(stack.by);
  }
  const question = {
    pam: pam.value,
    account: account.value,
    today: accounts.known ? accounts.value.today : null,
    address: endpoint.from?.address ?? null,
    nologin: daemon.known ? daemon.value.nologin : null,
    goodPassword: true,
  };
  const result = runStack(stack.entries, (entry) => judgeModule(entry, question));
  switch (result.says) {
    case null:
      return unsure(result.by);
    case 'success':
      return passes(`PAM ${task}: ${result.by}`);
    case 'new_authtok_reqd':
      return stops(`${result.by}; without a terminal the session ends at once`);
    default:
      return stops(result.by);
  }
}
