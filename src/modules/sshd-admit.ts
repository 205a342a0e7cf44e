import { z } from 'zod';
import type { Change } from '../core/change.ts';
import type { Endpoint } from '../core/endpoint.ts';
import { accountRequest, accountsRequest, type Account, type Accounts } from '../facts/accounts.ts';
import type { FactSet } from '../facts/fact.ts';
import { describeRefusal, refusals, type Refusal } from '../facts/sshd-admission.ts';
import {
  configFile,
  sshdConfigRequest,
  withConfigFile,
  type SshdConfig,
} from '../facts/sshd-config.ts';
import type { ConfigLine } from '../facts/sshd-config-lines.ts';
import { effective, type SshClient } from '../facts/sshd-effective.ts';
import { groupToolsRequest, isPowerful, memberChange } from './group-member.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';
import { quoteWord, replaceLines, withArguments } from './sshd-edit.ts';
import { ownersOf } from './sshd-option.ts';
import { configChanges } from './sshd-port-change.ts';
import { notRunning, reloadChange, reloadRequests } from './sshd-reload.ts';

const schema = z.strictObject({
  user: z
    .string()
    .regex(/^[^\s:@,!*?"'\\#]+$/, 'the name of an account')
    .describe('the account that sshd is to let in'),
});

/** Lets one account pass AllowUsers, DenyUsers, AllowGroups and DenyGroups by the smallest change. */
export const sshdAdmit: Module<typeof schema> = {
  name: 'sshd-admit',
  summary: 'Let an account pass AllowUsers, DenyUsers, AllowGroups and DenyGroups of sshd',
  schema,
  facts: ({ user }) => [
    sshdConfigRequest,
    accountsRequest,
    accountRequest(user),
    groupToolsRequest,
    ...reloadRequests,
  ],
  plan({ user }, facts, { endpoint }) {
    const config = facts.get(sshdConfigRequest);
    const accounts = facts.get(accountsRequest);
    const account = facts.get(accountRequest(user));
    if (!config.known || !accounts.known || !account.known) {
      const missing = [config, accounts, account].find((one) => !one.known);
      return blocked(missing?.known === false ? missing.because : '');
    }
    if (account.value === null) {
      return blocked(`there is no account ${user} on this host`);
    }
    return admit(
      { account: account.value, config: config.value, accounts: accounts.value },
      facts,
      endpoint,
    );
  },
};

/** What is changed on the way: the tree, the groups, and the changes that are no files. */
interface State {
  readonly account: Account;
  readonly config: SshdConfig;
  readonly accounts: Accounts;
  readonly paths?: readonly string[];
  readonly memberships?: readonly Change[];
}

function admit(start: State, facts: FactSet, endpoint: Endpoint): ModulePlan {
  const user = start.account.name;
  const before = refused(start, endpoint);
  if (before.length === 0) {
    return none(`no list of sshd keeps ${user} out${rootNote(start, endpoint)}`);
  }
  let state = start;
  // One at a time: lines move, and a list may take the place of another.
  for (let round = 0; round < 8 && refused(state, endpoint).length > 0; round += 1) {
    const next = repair(refused(state, endpoint)[0] as Refusal, state, facts, endpoint);
    if ('action' in next) {
      return next;
    }
    state = next;
  }
  const [left] = refused(state, endpoint);
  if (left !== undefined) {
    return blocked(`${describeRefusal(left, user)}, after the change too`);
  }
  const paths = [...new Set(state.paths)];
  const written = configChanges(
    start.config,
    paths.map((path) => ({ path, text: configFile(state.config, path)?.text ?? '' })),
    `let ${user} in`,
  );
  const reload = written.changes.length === 0 ? null : reloadChange(facts, written.config);
  const note = written.changes.length === 0 ? '' : notRunning(facts);
  return change(
    `${before.map((one) => describeRefusal(one, user)).join('; ')}${ownersOf(start.config, paths)}${note}`,
    [...(state.memberships ?? []), ...written.changes, ...(reload === null ? [] : [reload])],
  );
}

function clientOf({ account }: State, endpoint: Endpoint): SshClient {
  return {
    user: account.name,
    groups: account.groups,
    // Without a known client the lists are judged for one from nowhere in particular.
    address: endpoint.from?.address ?? '0.0.0.0',
    localAddress: endpoint.address,
    localPort: endpoint.port,
  };
}

function refused(state: State, endpoint: Endpoint): Refusal[] {
  const client = clientOf(state, endpoint);
  return refusals(effective(state.config, client), client);
}

function rootNote(state: State, endpoint: Endpoint): string {
  const root = effective(state.config, clientOf(state, endpoint)).get('permitrootlogin');
  return state.account.uid === 0 && !('unknown' in root) && root.values[0] === 'no'
    ? ', but PermitRootLogin is no'
    : '';
}

function repair(
  refusal: Refusal,
  state: State,
  facts: FactSet,
  endpoint: Endpoint,
): State | ModulePlan {
  if (!refusal.certain) {
    return blocked(
      `cannot tell whether sshd lets ${state.account.name} in: ${describeRefusal(refusal, state.account.name)}`,
    );
  }
  switch (refusal.list) {
    case 'allowusers':
      return addToLine(state, refusal.lines, wordFor(state.account.name, refusal, endpoint));
    case 'denyusers':
      return dropUser(refusal, state);
    case 'allowgroups':
      return joinGroup(refusal, state, facts);
    case 'denygroups':
      return leaveGroup(refusal, state, facts);
  }
}

/** Where the account is listed for other addresses already, it is let in from this one only. */
function wordFor(user: string, refusal: Refusal, endpoint: Endpoint): string {
  const bound = refusal.lines.some(({ args }) => args.some((word) => word.startsWith(`${user}@`)));
  return bound && endpoint.from !== null ? `${user}@${endpoint.from.address}` : user;
}

function addToLine(state: State, lines: readonly ConfigLine[], word: string): State | ModulePlan {
  const line = lines.at(-1);
  if (line === undefined || line.file === 'command line') {
    return blocked(`the list stands on the command line of sshd, which wins over its files`);
  }
  return editLine(state, line, [...line.args, word]);
}

function editLine(state: State, line: ConfigLine, words: readonly string[]): State {
  const text = configFile(state.config, line.file)?.text ?? '';
  const becomes =
    words.length === 0
      ? null
      : withArguments(line, words.map(quoteWord).join(' '), state.config.version);
  const config = withConfigFile(
    state.config,
    line.file,
    replaceLines(text, [{ line: line.line, becomes }]),
  );
  return { ...state, config, paths: [...(state.paths ?? []), line.file] };
}

function dropUser(refusal: Refusal, state: State): State | ModulePlan {
  const user = state.account.name;
  const wide = refusal.words.filter((word) => word !== user && !word.startsWith(`${user}@`));
  const where = refusal.lines.map(({ file, line }) => `${file}:${line}`).join(', ');
  if (wide.length > 0) {
    return blocked(
      `DenyUsers ${wide.join(' ')} (${where}) keeps others out too, so remedy does not touch it`,
      `Edit ${where} by hand, or write the names of those who are to stay out in place of the pattern.`,
    );
  }
  return dropWords(refusal, state);
}

// From the last line up, so that the numbers of the others stay right while lines go.
function dropWords(refusal: Refusal, state: State): State | ModulePlan {
  if (refusal.lines.some(({ file }) => file === 'command line')) {
    return blocked(`the list stands on the command line of sshd, which wins over its files`);
  }
  return refusal.lines.toReversed().reduce(
    (now, line) =>
      editLine(
        now,
        line,
        line.args.filter((word) => !refusal.words.includes(word)),
      ),
    state,
  );
}

function joinGroup(refusal: Refusal, state: State, facts: FactSet): State | ModulePlan {
  const user = state.account.name;
  const listed = refusal.lines.flatMap(({ args }) => args);
  const group = listed.find(
    (name) => !isPowerful(name) && state.accounts.groups.some((one) => one.name === name),
  );
  if (group !== undefined) {
    return membership(state, facts, { user, group, join: true });
  }
  const own = state.accounts.groups.find(({ gid }) => gid === state.account.gid);
  if (own !== undefined && isPrivate(own.name, state)) {
    return addToLine(state, refusal.lines, own.name);
  }
  return blocked(
    `AllowGroups names ${listed.join(', ')}: a group that gives more than a login, or none that is here`,
    `Make a group for those who may log in, name it in AllowGroups, then run the same command again.`,
  );
}

function leaveGroup(refusal: Refusal, state: State, facts: FactSet): State | ModulePlan {
  const user = state.account.name;
  const hits = (state.account.groups ?? []).filter((name) => refusal.words.includes(name));
  const primary = state.accounts.groups.find(({ gid }) => gid === state.account.gid)?.name;
  const where = refusal.lines.map(({ file, line }) => `${file}:${line}`).join(', ');
  if (hits.length < refusal.words.length) {
    return blocked(
      `DenyGroups ${refusal.words.join(' ')} (${where}) keeps others out too, so remedy does not touch it`,
    );
  }
  let now: State | ModulePlan = state;
  for (const group of hits) {
    if ('action' in now) {
      return now;
    }
    if (group !== primary) {
      now = membership(now, facts, { user, group, join: false });
    } else if (isPrivate(group, state)) {
      now = dropWords({ ...refusal, words: [group] }, now);
    } else {
      return blocked(
        `${group}, the primary group of ${user}, is in DenyGroups (${where}), and others have it too`,
      );
    }
  }
  return now;
}

function membership(
  state: State,
  facts: FactSet,
  member: { readonly user: string; readonly group: string; readonly join: boolean },
): State | ModulePlan {
  const group = state.accounts.groups.find(({ name }) => name === member.group);
  const known = state.accounts.groupsIncomplete;
  if (group === undefined || (known !== null && state.account.groups === null)) {
    return blocked(
      `the group ${member.group} is not one of this host's own${known === null ? '' : `: ${known}`}`,
    );
  }
  const made = memberChange(facts, state.accounts, member);
  if (made === null) {
    return blocked('neither gpasswd, usermod nor addgroup is here, so groups cannot be changed');
  }
  return {
    ...state,
    accounts: made.accounts,
    account: made.accounts.accounts.find(({ name }) => name === member.user) ?? state.account,
    memberships: [...(state.memberships ?? []), made.change],
  };
}

/** Whether nobody else has a group. */
function isPrivate(group: string, { account, accounts }: State): boolean {
  const found = accounts.groups.find(({ name }) => name === group);
  return (
    found !== undefined &&
    accounts.groupsIncomplete === null &&
    found.members.every((name) => name === account.name) &&
    accounts.accounts.every(({ name, gid }) => name === account.name || gid !== found.gid)
  );
}
