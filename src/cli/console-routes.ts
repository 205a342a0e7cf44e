import { RunFailure } from '../core/failure.ts';
import { checkUserName } from '../core/host-name.ts';
import type { Secret } from '../core/secret.ts';
import { describeAddress, parseConsole } from '../route/console/address.ts';
import { presetOf } from '../route/console/presets.ts';
import { fileRecorder } from '../route/console/recorder.ts';
import { createConsoleRoute } from '../route/console/route.ts';
import type { Route } from '../route/route.ts';
import { askSecret, takeSecret } from './prompt.ts';
import { usageError } from './usage.ts';

/** The flags of consoles. */
export interface ConsoleFlags {
  readonly console: readonly string[];
  readonly consoleLog?: string;
  readonly verbose: boolean;
}

/**
 * The routes through consoles, in the order given.
 *
 * @throws RunFailure where a flag is wrong.
 */
export function consoleRoutes(
  flags: ConsoleFlags,
  sudoPassword: Secret | null,
  notice: (text: string) => void,
): Route[] {
  const password = takeSecret('REMEDY_CONSOLE_PASSWORD');
  const user = consoleUser();
  if (flags.consoleLog !== undefined && flags.console.length === 0) {
    throw usageError(
      '--console-log is given without --console',
      'Leave it out, or name a console.',
    );
  }
  return flags.console.map((text) => {
    const address = parseConsole(text);
    if (!address.ok) {
      throw new RunFailure(address.error);
    }
    const preset = presetOf(text);
    if (flags.verbose) {
      const seen = preset === null ? '' : ` (${preset.seen})`;
      notice(`console ${text}: ${describeAddress(address.value)}${seen}`);
    }
    return createConsoleRoute({
      text,
      address: address.value,
      hint: preset?.hint ?? null,
      user,
      password,
      askPassword: askSecret,
      sudoPassword,
      environment: process.env,
      recorder: flags.consoleLog === undefined ? null : fileRecorder(flags.consoleLog),
      onNotice: notice,
    });
  });
}

function consoleUser(): string {
  const user = process.env['REMEDY_CONSOLE_USER'] ?? 'root';
  const checked = checkUserName(user);
  if (!checked.ok) {
    throw usageError(
      `REMEDY_CONSOLE_USER ${JSON.stringify(user)} is not a user name`,
      checked.error,
    );
  }
  return user;
}
