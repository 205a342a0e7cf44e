import { z } from 'zod';
import type { Change, FileIdentity } from '../core/change.ts';
import { request, type FactRequest } from '../facts/fact.ts';
import { loginFilesFact, type LoginFile, type LoginFiles } from '../facts/login-files.ts';
import { sshdRequest } from './ssh-unit.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';

const schema = z.strictObject({
  user: z.string().min(1).describe('the account whose keys sshd refuses'),
});

/** Sets owner and modes of home, `.ssh` and `authorized_keys` so that sshd's StrictModes accepts them. */
export const loginFiles: Module<typeof schema> = {
  name: 'login-files',
  summary:
    'Set owner and modes of home, .ssh and authorized_keys, only where sshd would refuse them',
  schema,
  facts: ({ user }) => [filesRequest(user), sshdRequest],
  plan({ user }, facts) {
    const files = facts.get(filesRequest(user));
    const sshd = facts.get(sshdRequest);
    if (!files.known) {
      return blocked(files.because);
    }
    const keysFile = sshd.known ? sshd.value.authorizedKeysFile : null;
    if (
      keysFile !== null &&
      !keysFile.split(/\s+/).some((path) => path.endsWith('.ssh/authorized_keys'))
    ) {
      return blocked(`sshd reads keys from ${keysFile}, not from ~/.ssh/authorized_keys`);
    }
    return planFiles(files.value);
  },
};

function filesRequest(user: string): FactRequest<LoginFiles> {
  return request(loginFilesFact, user);
}

function planFiles(files: LoginFiles): ModulePlan {
  const shared = sharedHome(files);
  if (shared !== null) {
    return blocked(shared);
  }
  if (!files.entries.some(({ path, type }) => path !== files.home && type !== 'missing')) {
    return none(`${files.home}/.ssh does not exist, so there are no keys that sshd could refuse`);
  }
  const changes: Change[] = [];
  let now = files;
  for (const file of files.entries) {
    const problem = refuse(file);
    if (problem !== null) {
      return blocked(problem);
    }
    const wanted = wantedIdentity(file, now);
    if (file.type !== 'missing' && wanted !== null) {
      const entries = now.entries.map((one) =>
        one === file ? { ...file, identity: wanted } : one,
      );
      now = { ...now, entries };
      changes.push(toChange(file, wanted, now));
    }
  }
  const missing = files.entries.find(({ type }) => type === 'missing');
  const fine = missing === undefined ? '' : `; ${missing.path} does not exist`;
  return change(
    changes.length === 0
      ? `owner and modes are as sshd wants them${fine}`
      : 'sshd refuses keys in files that others could write',
    changes,
  );
}

// Folders of the system that some accounts have as their home; they are nobody's to close.
const systemFolders =
  /^\/(?:$|(?:tmp|var|etc|usr|bin|sbin|lib|lib64|dev|proc|sys|run|opt|srv|boot|home|nonexistent)(?:\/(?:tmp|lib|spool|cache|log|run|mail|www|bin|sbin))?$)/;

/** A home that is not one account's own must not be given to it. */
function sharedHome(files: LoginFiles): string | null {
  const home = files.entries.find(({ path }) => path === files.home);
  const sticky = /^1|^3|^5|^7/.test(home?.identity.mode ?? '');
  if (systemFolders.test(files.home) || sticky) {
    return `${files.home}, the home of ${files.user}, is a folder of the system; remedy does not change it`;
  }
  const owner = home?.owner ?? null;
  return home === undefined || owner === null || owner === 'root' || owner === files.user
    ? null
    : `${files.home}, the home of ${files.user}, belongs to the account ${owner}; remedy does not take it away`;
}

/** What must not be touched: a link or a second name may lead out of the user's files. */
function refuse(file: LoginFile): string | null {
  switch (file.type) {
    case 'link':
      return `${file.path} is a symbolic link; remedy does not follow links that a user can change`;
    case 'other':
      return `${file.path} is neither a file nor a folder`;
    case 'file':
      return file.name === '.'
        ? `${file.path} is a file where a folder should be`
        : file.links > 1
          ? `${file.path} has ${file.links} names (hard links); changing it would change a file elsewhere`
          : null;
    case 'directory':
      return file.name === '.' ? null : `${file.path} is a folder where a file should be`;
    case 'missing':
      return null;
  }
}

/**
 * Owner and mode that StrictModes accepts (sshd_config(5), auth_secure_path in misc.c): owned by the
 * user or root, not writable by group or others; and readable for the user. Null: it is right already.
 */
function wantedIdentity(file: LoginFile, files: LoginFiles): FileIdentity | null {
  const { identity } = file;
  const mode = Number.parseInt(identity.mode, 8);
  const isHome = file.directory === files.home;
  const tolerated = files.privateGroup && identity.gid === files.gid ? 0o020 : 0;
  const loose = (mode & 0o022 & ~tolerated) !== 0;
  const needed = file.name === '.' ? 0o500 : 0o400;
  const foreign =
    identity.uid !== files.uid && (identity.uid !== 0 || !readableBy(mode, file, identity, files));
  const shut = identity.uid === files.uid && (mode & needed) !== needed;
  if (!loose && !foreign && !shut) {
    return null;
  }
  const own = foreign
    ? { uid: files.uid, gid: files.gid }
    : { uid: identity.uid, gid: identity.gid };
  return {
    ...identity,
    ...own,
    mode: isHome ? homeMode(mode) : file.name === '.' ? '0700' : '0600',
  };
}

// sshd reads the file as the user, so a file of root's must be readable for others or the group.
function readableBy(
  mode: number,
  file: LoginFile,
  identity: FileIdentity,
  files: LoginFiles,
): boolean {
  const bit = file.name === '.' ? 0o1 : 0o4;
  return (mode & (identity.gid === files.gid ? bit << 3 : bit)) !== 0;
}

// Nothing is taken from a home folder but what sshd refuses: others may have to read it.
function homeMode(mode: number): string {
  return ((mode & ~0o022) | 0o700).toString(8).padStart(4, '0');
}

function toChange(file: LoginFile, wanted: FileIdentity, after: LoginFiles): Change {
  const action = {
    type: 'attributes' as const,
    directory: file.directory,
    directoryInode: file.directoryInode,
    name: file.name,
  };
  return {
    kind: 'attributes',
    target: file.path,
    summary: `${file.path}: ${describe(file.identity)} → ${describe(wanted)}`,
    before: `${describe(file.identity)}\n`,
    after: `${describe(wanted)}\n`,
    action: {
      ...action,
      before: file.identity,
      uid: wanted.uid,
      gid: wanted.gid,
      mode: wanted.mode,
    },
    holds: null,
    undo: {
      ...action,
      before: wanted,
      uid: file.identity.uid,
      gid: file.identity.gid,
      mode: file.identity.mode,
    },
    risk: 'access',
    sensitive: false,
    factsAfter: [{ key: filesRequest(after.user).key, value: after }],
    invalidates: [],
  };
}

function describe(identity: FileIdentity): string {
  return `owner ${identity.uid}:${identity.gid} mode ${identity.mode}`;
}
