import { randomBytes } from 'node:crypto';
import { cleanLine } from '../../core/clean.ts';
import { fail, ok, type Result } from '../../core/result.ts';
import type { Secret } from '../../core/secret.ts';
import { childEnvironment } from '../child-channel.ts';
import type { Route } from '../route.ts';
import type { ConsoleAddress } from './address.ts';
import { openConsole, type OpenOptions } from './open.ts';
import type { ConsoleTimes } from './dialogue.ts';
import { withLeft } from './failure.ts';
import type { Recorder } from './recorder.ts';
import { ConsoleSession } from './session.ts';
import { Mask } from './mask.ts';
import { openWire, type Wire } from './wire.ts';

/** What a console route is made of. */
export interface ConsoleRouteOptions {
  /** As the person wrote it. */
  readonly text: string;
  readonly address: ConsoleAddress;
  /** What this kind of console needs or does, where it is known. */
  readonly hint: string | null;
  readonly user: string;
  readonly password: Secret | null;
  readonly askPassword: (prompt: string) => Promise<Secret | null>;
  readonly sudoPassword: Secret | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly recorder: Recorder | null;
  readonly onNotice: (sentence: string) => void;
  /** Seconds without a word of ours after which the host ends our shell; 900 unless given. */
  readonly deadManSeconds?: number;
  readonly times?: Partial<ConsoleTimes>;
  /** Begins the name of what is stored on the host; letters and digits; for tests. */
  readonly mark?: string;
  /** Lays the line; for tests. */
  readonly wire?: () => Promise<Result<Wire, string>>;
}

const deadManSeconds = 900;
const connectMs = 30_000;

/** A route through a console: a serial line, a hypervisor's or a cloud's console, whatever shows a login. */
export function createConsoleRoute(options: ConsoleRouteOptions): Route {
  const description = `console '${cleanLine(options.text, 120)}'`;
  const { hint, onNotice, recorder } = options;
  const mask = new Mask();
  const onSecret = (secret: Secret): void => {
    mask.hide(secret);
    recorder?.hide(secret);
  };
  for (const secret of [options.password, options.sudoPassword]) {
    if (secret !== null) {
      // Also before it is typed: what was recorded of it may be shown again.
      onSecret(secret);
    }
  }
  return {
    kind: 'console',
    description,
    open: async (signal) => {
      const environment = childEnvironment(options.environment);
      const opening: OpenOptions = {
        wire: options.wire ?? (async () => openWire(options.address, environment, connectMs)),
        login: {
          description,
          hint,
          user: options.user,
          password: options.password,
          askPassword: onceAsked(options.askPassword),
          sudoPassword: options.sudoPassword,
          deadManSeconds: options.deadManSeconds ?? deadManSeconds,
          onSecret,
          mask,
          ...(options.times !== undefined && { times: options.times }),
        },
        link: {
          // Another opening of the same session finds what an earlier one left on the host.
          session: `${options.mark ?? ''}${randomBytes(5).toString('hex')}`,
          deadManSeconds: options.deadManSeconds ?? deadManSeconds,
        },
        recorder,
      };
      const open = await openConsole(opening, signal);
      if (!open.ok) {
        return fail(withLeft(open.error.failure, open.error.left));
      }
      if (open.value.shell.adopted) {
        onNotice('A shell that somebody had left open on the console was taken over.');
      }
      return ok(
        new ConsoleSession(
          { description, hint },
          open.value,
          async (limit) => openConsole(opening, limit),
          onNotice,
        ),
      );
    },
  };
}

/** Asks a person once, however often the console is opened anew. */
function onceAsked(
  ask: (prompt: string) => Promise<Secret | null>,
): (prompt: string) => Promise<Secret | null> {
  let answer: Promise<Secret | null> | null = null;
  return async (prompt) => {
    answer ??= ask(prompt);
    return answer;
  };
}
