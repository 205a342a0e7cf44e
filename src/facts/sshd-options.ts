/** What the daemon's command line says; it wins over the files (sshd(8)). */
export interface DaemonOptions {
  /** The words behind the program, as they were read. */
  readonly argv: readonly string[];
  /** Ports of `-p`: with any, `Port` in the files is ignored. */
  readonly ports: readonly number[];
  /** `-o` and the options that stand for one, as lines of sshd_config in order. */
  readonly lines: readonly string[];
  /** `-f`, or null for the usual file. */
  readonly file: string | null;
}

const withValue = 'bcCEfghkopu';

/** Reads the words of sshd's command line, without the program itself. */
export function parseDaemonOptions(argv: readonly string[]): DaemonOptions {
  const ports: number[] = [];
  const lines: string[] = [];
  let file: string | null = null;
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (!word.startsWith('-') || word === '-' || word === '--') {
      continue;
    }
    for (let rest = word.slice(1); rest !== ''; rest = rest.slice(1)) {
      const letter = rest[0] ?? '';
      if (letter === '4' || letter === '6') {
        lines.push(`AddressFamily ${letter === '4' ? 'inet' : 'inet6'}`);
      }
      if (withValue.includes(letter)) {
        const value = rest.length > 1 ? rest.slice(1) : (words.shift() ?? '');
        if (letter === 'p') {
          ports.push(Number(value));
        } else if (letter === 'f') {
          file = value;
        } else {
          lines.push(...lineOf(letter, value));
        }
        break;
      }
    }
  }
  return { argv, ports: ports.filter((port) => Number.isInteger(port)), lines, file };
}

function lineOf(letter: string, value: string): string[] {
  switch (letter) {
    case 'o':
      return [value];
    case 'h':
      return [`HostKey ${value}`];
    case 'c':
      return [`HostCertificate ${value}`];
    case 'g':
      return [`LoginGraceTime ${value}`];
    default:
      return [];
  }
}

/**
 * The words behind the program of a running sshd, from /proc/PID/cmdline with newlines for NULs. The
 * listener renames itself: `sshd: /usr/sbin/sshd -D -p 2222 [listener] 0 of 10-100 startups`.
 */
export function runningArguments(cmdline: string): string[] | null {
  const text = cmdline.replace(/\n+$/, '');
  if (text === '') {
    return null;
  }
  const title = /^sshd: (.*?)(?: \[listener\].*)?$/s.exec(text)?.[1];
  const words = title === undefined ? text.split('\n') : title.split(/\s+/);
  return words[0]?.endsWith('sshd') === true ? words.slice(1) : null;
}

/**
 * The words behind the program that systemd would start sshd with: `argv[]` of ExecStart, variables
 * replaced by what Environment and the environment files say (systemd.service(5)).
 */
export function configuredArguments(
  show: string,
  environmentFiles: readonly { readonly path: string; readonly text: string }[],
): string[] | null {
  const argv = /^ExecStart=\{.*? argv\[\]=(.*?) ; ignore_errors=/m.exec(show)?.[1];
  if (argv === undefined || !/sshd(?: |$)/.test(argv)) {
    return null;
  }
  const named = [...show.matchAll(/^EnvironmentFiles?=-?(\S+)/gm)].map(([, path]) => path);
  const values = new Map(assignments((/^Environment=(.*)$/m.exec(show)?.[1] ?? '').split(' ')));
  for (const path of named) {
    const file = environmentFiles.find((one) => one.path === path);
    assignments((file?.text ?? '').split('\n')).forEach(([name, value]) => values.set(name, value));
  }
  return argv
    .split(/\s+/)
    .slice(1)
    .flatMap((word) => {
      const name = /^\$\{?(\w+)\}?$/.exec(word)?.[1];
      return name === undefined ? [word] : (values.get(name) ?? '').split(/\s+/);
    })
    .filter((word) => word !== '');
}

function assignments(lines: readonly string[]): [string, string][] {
  return lines.flatMap((line): [string, string][] => {
    const [, name, value] = /^\s*(?:export\s+)?(\w+)=(.*?)\s*$/.exec(line) ?? [];
    return name === undefined || value === undefined
      ? []
      : [[name, value.replace(/^"(.*)"$|^'(.*)'$/, '$1$2')]];
  });
}
