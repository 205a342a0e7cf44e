import type { Change } from '../core/change.ts';
import { InvalidValue } from '../core/invalid-value.ts';
import { digestOf, SecretText, type Text } from '../core/secret-text.ts';
import { printBytes } from './bytes.ts';

/**
 * The loader's part of contents that nobody may see. They go into no program, since a program stays on
 * the host: each waits beside it, for root alone, until its change is made. No core file of the
 * loader's shell may hold one, and where that shell is ended it takes them along.
 */
const loaderFunctions = String.raw`
watch_secrets() {
  # shellcheck disable=SC3045
  ulimit -S -c 0 2>/dev/null
  trap 'forget_secrets; exit 129' HUP INT PIPE TERM
  identify "$R/loader"
}

# keep_secret NUMBER SHA256
keep_secret() {
  ( set -C; "secret_$1" >"$R/secret-$1" ) && [ "$(digest <"$R/secret-$1")" = "$2" ] && return 0
  forget_secrets
  refuse state "$R cannot be written (is the disk full?)"; return 1
}
`;

/** What the loader says and does to bring the secret contents of changes; nothing where there are none. */
export function loadSecrets(changes: readonly Change[]): {
  readonly functions: readonly string[];
  readonly body: readonly string[];
} {
  const secrets = changes.flatMap(({ sensitive, action }, index) =>
    sensitive && action.type === 'write' && action.content !== null
      ? [{ number: index + 1, content: action.content }]
      : [],
  );
  if (secrets.length === 0) {
    return { functions: [], body: [] };
  }
  return {
    functions: [
      loaderFunctions,
      ...secrets.map(
        ({ number, content }) => `secret_${number}() {\n${printBytes(reveal(content))}\n}`,
      ),
    ],
    body: [
      'watch_secrets',
      ...secrets.map(
        ({ number, content }) => `keep_secret ${number} ${digestOf(content)} || exit 0`,
      ),
    ],
  };
}

/** Shell text that prints what a change writes. */
export function contentText({ action, sensitive }: Change, number: number): string {
  if (action.type !== 'write' || action.content === null) {
    return ':';
  }
  return sensitive ? `cat "$R/secret-${number}"` : printBytes(reveal(action.content));
}

/**
 * The numbers of the changes of which nothing may be seen. A change of a file that holds a secret
 * before or after it is one of them.
 */
export function secretNumbers(changes: readonly Change[]): number[] {
  const paths = new Set(
    changes.flatMap(({ sensitive, action }) =>
      sensitive && action.type === 'write' ? [action.path] : [],
    ),
  );
  return changes.flatMap(({ sensitive, action }, index) =>
    sensitive || (action.type === 'write' && paths.has(action.path)) ? [index + 1] : [],
  );
}

function reveal(text: Text): string {
  if (text instanceof SecretText) {
    return text.reveal();
  }
  if (typeof text === 'string') {
    return text;
  }
  throw new InvalidValue('of a content only the digest is here');
}
