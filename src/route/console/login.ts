import type { Failure } from '../../core/failure.ts';
import type { Secret } from '../../core/secret.ts';
import type { ConsoleTimes } from './dialogue.ts';
import type { ConsolePlace } from './failure.ts';
import type { Mask } from './mask.ts';

/** Who logs in at a console. */
export interface ConsoleLogin extends ConsolePlace {
  readonly user: string;
  readonly password: Secret | null;
  readonly askPassword: (prompt: string) => Promise<Secret | null>;
  /** sudo's password, where it is another one than the login's. */
  readonly sudoPassword: Secret | null;
  /** Told before a secret is typed, so that a recorder masks it. */
  readonly onSecret: (secret: Secret) => void;
  /** Takes the secrets out of what a failure says. */
  readonly mask: Mask;
  readonly times?: Partial<ConsoleTimes>;
  /** Seconds after which the host ends our root shell where the agent never comes. */
  readonly deadManSeconds: number;
}

/** How the root shell was reached. */
export interface ReachedShell {
  readonly elevation: 'root' | 'sudo' | 'sudo-password';
  /** True where somebody had left a shell open, which was taken over. */
  readonly adopted: boolean;
  /** True in the shell of sulogin(8): to end it goes on with the boot. */
  readonly maintenance: boolean;
  /** True where the host ends it by itself when nobody speaks to it any more. */
  readonly guarded: boolean;
}

/** Why there is no console to work with. */
export interface Unopened {
  readonly failure: Failure;
  /** What of ours may be left open on the host, in words for people; null: nothing. */
  readonly left: string | null;
}
