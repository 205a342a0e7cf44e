import { ok, type Result } from '../core/result.ts';
import type { SshConnection } from './ssh-connection.ts';
import type { SshError } from './ssh-handshake.ts';
import type { SshTarget } from './target.ts';

/** A jump host's connection on loan. */
export interface Lease {
  readonly connection: SshConnection;
  /** True where it was made for somebody else before: it may have died unnoticed. */
  readonly isShared: boolean;
  /** Gives it back; the last one who does closes it. Never throws. */
  release(): Promise<void>;
}

/** Logs in to one hop through the one before it. The connection must release `outer` when it closes. */
export type LogIn = (
  hop: SshTarget,
  outer: Lease | null,
) => Promise<Result<SshConnection, SshError>>;

interface Line {
  readonly login: Promise<Result<SshConnection, SshError>>;
  users: number;
}

/**
 * The connections to jump hosts. Whoever passes the same jump host by the same way shares one, as
 * long as somebody uses it: sshd on a bastion turns clients away where many log in at once
 * (MaxStartups, sshd_config(5)).
 */
export class JumpHosts {
  readonly #lines = new Map<string, Line>();

  /** Logs in along a way, or takes what is there; null for a way without hops. */
  async reach(way: readonly SshTarget[], logIn: LogIn): Promise<Result<Lease | null, SshError>> {
    const hop = way.at(-1);
    if (hop === undefined) {
      return ok(null);
    }
    const key = keyOf(way);
    const known = this.#lines.get(key);
    const line = known ?? this.#begin(key, async () => this.#logInAlong(way, hop, logIn));
    line.users += 1;
    const connected = await line.login;
    if (!connected.ok) {
      this.#forget(key, line);
      return connected;
    }
    const connection = connected.value;
    if (known !== undefined && !connection.isOpen) {
      await this.#release(key, line, connection);
      return this.reach(way, logIn);
    }
    let released = false;
    return ok({
      connection,
      isShared: known !== undefined,
      release: async () => {
        if (!released) {
          released = true;
          await this.#release(key, line, connection);
        }
      },
    });
  }

  #begin(key: string, start: () => Line['login']): Line {
    const line: Line = { login: start(), users: 0 };
    this.#lines.set(key, line);
    return line;
  }

  async #logInAlong(way: readonly SshTarget[], hop: SshTarget, logIn: LogIn): Line['login'] {
    const outer = await this.reach(way.slice(0, -1), logIn);
    if (!outer.ok) {
      return outer;
    }
    const connected = await logIn(hop, outer.value);
    if (!connected.ok) {
      await outer.value?.release();
    }
    return connected;
  }

  async #release(key: string, line: Line, connection: SshConnection): Promise<void> {
    line.users -= 1;
    if (!connection.isOpen) {
      this.#forget(key, line);
    }
    if (line.users === 0) {
      this.#forget(key, line);
      await connection.close();
    }
  }

  #forget(key: string, line: Line): void {
    if (this.#lines.get(key) === line) {
      this.#lines.delete(key);
    }
  }
}

// Another user, key or trusted file is another login.
function keyOf(way: readonly SshTarget[]): string {
  return JSON.stringify(
    way.map((hop) => [
      hop.address,
      hop.port,
      hop.user,
      hop.name,
      hop.identities,
      hop.defaultIdentities,
      hop.agentSocket,
      hop.knownHostsFiles,
    ]),
  );
}
