import type { Change } from '../core/change.ts';
import type { Argv } from '../core/quote.ts';
import { accountRequest, accountsRequest, type Accounts } from '../facts/accounts.ts';
import { commandsFact, type Commands } from '../facts/commands.ts';
import { request, type FactSet } from '../facts/fact.ts';

/** The request for the tools that change groups. */
export const groupToolsRequest = request(commandsFact, [
  'gpasswd',
  'usermod',
  'addgroup',
  'delgroup',
]);

/** Groups that give more than a login; nobody is put there to get one. */
const powerful = new Set([
  'root',
  'sudo',
  'wheel',
  'admin',
  'adm',
  'disk',
  'docker',
  'incus',
  'incus-admin',
  'kvm',
  'libvirt',
  'lxd',
  'kmem',
  'shadow',
  'staff',
  'sys',
  'systemd-journal',
]);

/** Whether membership of a group gives power over the host. */
export function isPowerful(group: string): boolean {
  return powerful.has(group);
}

/** How one account joins or leaves a group with the tools that are here; null where none can. */
function argvFor(tools: Commands, user: string, group: string, join: boolean): Argv | null {
  if (tools['gpasswd'] === true) {
    return ['gpasswd', join ? '-a' : '-d', user, group];
  }
  if (join && tools['usermod'] === true) {
    return ['usermod', '-a', '-G', group, user];
  }
  const busybox = join ? 'addgroup' : 'delgroup';
  return tools[busybox] === true ? [busybox, user, group] : null;
}

/** The change that puts an account into a group, or takes it out; null where no tool here can. */
export function memberChange(
  facts: FactSet,
  accounts: Accounts,
  member: { readonly user: string; readonly group: string; readonly join: boolean },
): { readonly change: Change; readonly accounts: Accounts } | null {
  const { user, group, join } = member;
  const tools = facts.get(groupToolsRequest);
  const argv = tools.known ? argvFor(tools.value, user, group, join) : null;
  const back = tools.known ? argvFor(tools.value, user, group, !join) : null;
  if (argv === null || back === null) {
    return null;
  }
  const after = withMember(accounts, member);
  const own = after.accounts.find(({ name }) => name === user) ?? null;
  return {
    accounts: after,
    change: {
      kind: 'account',
      target: `group ${group}`,
      summary: join
        ? `put ${user} into the group ${group}`
        : `take ${user} out of the group ${group}`,
      before: membersText(accounts, group),
      after: membersText(after, group),
      action: { type: 'run', argv },
      holds: null,
      undo: { type: 'run', argv: back },
      risk: 'access',
      sensitive: false,
      factsAfter: [
        { key: accountsRequest.key, value: after },
        { key: accountRequest(user).key, value: own },
      ],
      invalidates: [],
    },
  };
}

function membersText(accounts: Accounts, group: string): string {
  const found = accounts.groups.find(({ name }) => name === group);
  return (found?.members ?? []).map((name) => `${name}\n`).join('');
}

function withMember(
  accounts: Accounts,
  { user, group, join }: { readonly user: string; readonly group: string; readonly join: boolean },
): Accounts {
  const change = (names: readonly string[], name: string): readonly string[] =>
    join ? [...names, name] : names.filter((one) => one !== name);
  return {
    ...accounts,
    groups: accounts.groups.map((one) =>
      one.name === group ? { ...one, members: change(one.members, user) } : one,
    ),
    accounts: accounts.accounts.map((one) =>
      one.name === user && one.groups !== null
        ? { ...one, groups: change(one.groups, group) }
        : one,
    ),
  };
}
