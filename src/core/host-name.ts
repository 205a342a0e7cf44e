import { fail, ok, type Result } from './result.ts';

// The characters that ssh(1) itself has refused since the fix of CVE-2023-51385
// (valid_hostname and valid_ruser in ssh.c), and no leading dash (CVE-2017-1000117).
const badInHost = /[\s'`"$\\;&<>|(){}\u0000-\u001f\u007f-\u009f]/u;
const badInUser = /['`";&<>|(){}\s\u0000-\u001f\u007f-\u009f]/u;

/** Checks a host name, address or alias before it is used anywhere. The error says what is wrong. */
export function checkHostName(name: string): Result<string, string> {
  if (name === '') {
    return fail('a host name cannot be empty');
  }
  if (name.startsWith('-')) {
    return fail(
      `the host name ${JSON.stringify(name)} begins with "-" and would be taken for an option`,
    );
  }
  if (badInHost.test(name)) {
    return fail(
      `the host name ${JSON.stringify(name)} holds a blank, a control or a shell character`,
    );
  }
  if (name.length > 1025) {
    return fail('the host name is longer than 1025 characters');
  }
  return ok(name);
}

/** Checks a login name before it is used anywhere. */
export function checkUserName(name: string): Result<string, string> {
  if (name === '') {
    return fail('a user name cannot be empty');
  }
  if (name.startsWith('-')) {
    return fail(
      `the user name ${JSON.stringify(name)} begins with "-" and would be taken for an option`,
    );
  }
  if (badInUser.test(name) || name.endsWith('\\')) {
    return fail(
      `the user name ${JSON.stringify(name)} holds a blank, a control or a shell character`,
    );
  }
  return ok(name);
}

/** Checks a TCP port: decimal digits, 1 to 65535. */
export function checkPort(text: string): Result<number, string> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port >= 1 && port <= 65535
    ? ok(port)
    : fail(`${JSON.stringify(text)} is not a port: a port is a whole number from 1 to 65535`);
}
