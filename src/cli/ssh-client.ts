import { resolve } from 'node:path';
import { proveLogin } from '../probe/login.ts';
import { proveOpensshLogin } from '../probe/openssh-login.ts';
import type { Remembered } from '../route/openssh-answers.ts';
import type { OpensshOptions } from '../route/openssh-client.ts';
import type { OpensshTarget } from '../route/openssh-options.ts';
import { createOpensshRoute } from '../route/openssh.ts';
import type { Route } from '../route/route.ts';
import type { SudoOptions } from '../route/shell.ts';
import { createSshRoute } from '../route/ssh.ts';
import { JumpHosts } from '../route/ssh-jump.ts';
import { expandHome } from '../route/target-files.ts';
import type { ResolvedTarget, TargetContext, TargetOptions } from '../route/target.ts';
import { loginProber, type Prober } from '../run/prove.ts';
import { canAsk } from './prompt.ts';

/** A target as resolved, and as the flags had it. */
export type SshWay = ResolvedTarget & OpensshTarget;

/** Adds to a resolved target what the flags said, for a client that resolves it once more itself. */
export function sshWay(
  resolved: ResolvedTarget,
  options: Pick<TargetOptions, 'identities' | 'jump' | 'knownHosts'>,
  { homeDirectory }: TargetContext,
): SshWay {
  const absolute = (file: string): string => resolve(expandHome(file, homeDirectory));
  const { identities, jump, knownHosts } = options;
  return {
    ...resolved,
    flags: {
      identities: identities.map(absolute),
      jump,
      knownHosts: knownHosts === null ? null : absolute(knownHosts),
    },
  };
}

/** What makes SSH logins: routes, and the proof by the same means. */
export interface SshClient {
  route(way: SshWay): Route;
  prober(way: SshWay): Prober;
}

/** What every login may use. */
export interface SshClientOptions extends SudoOptions {
  readonly acceptNewHostKey: boolean;
  readonly passphraseKnown: boolean;
  readonly onNotice: (text: string) => void;
}

/** Our own client. */
export function builtInClient(options: SshClientOptions): SshClient {
  // The repair and its proof go over one connection to each jump host.
  const jumpHosts = new JumpHosts();
  return {
    route: ({ target }) => createSshRoute({ target, jumpHosts, ...options }),
    prober: ({ target }) =>
      loginProber(target, async (to, signal, more) =>
        proveLogin(to, signal, { ...more, jumpHosts }),
      ),
  };
}

/** The OpenSSH client of this machine. */
export function opensshClient(options: SshClientOptions): SshClient {
  const client: OpensshOptions & SudoOptions = {
    ...options,
    interactive: canAsk(),
    environment: process.env,
  };
  return {
    route: (way) => createOpensshRoute({ way, ...client }),
    prober: (way) => {
      const remembered: Remembered = new Map();
      return loginProber(way.target, async (target, signal, more) =>
        proveOpensshLogin({ ...way, target }, signal, { ...client, ...more, remembered }),
      );
    },
  };
}
