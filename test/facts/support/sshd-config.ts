import { sha256Of } from '../../../src/core/digest.ts';
import type { SshdConfig } from '../../../src/facts/sshd-config.ts';
import { globMatches, includePattern } from '../../../src/facts/sshd-glob.ts';
import { parseDaemonOptions } from '../../../src/facts/sshd-options.ts';
import { parseDirective } from '../../../src/facts/sshd-words.ts';

/** The usual main file. */
export const main = '/etc/ssh/sshd_config';

/** The path of a drop-in. */
export function dropIn(name: string): string {
  return `/etc/ssh/sshd_config.d/${name}.conf`;
}

/** A configuration of files by path, as the fact would read it from a host with OpenSSH 9.2. */
export function configOf(files: Readonly<Record<string, string>>): SshdConfig {
  const version = { major: 9, minor: 2 };
  const patterns = Object.values(files)
    .flatMap((text) => text.split('\n'))
    .map((line) => parseDirective(line, version))
    .flatMap((line) => (line?.keyword === 'include' ? line.args.map(includePattern) : []));
  const paths = Object.keys(files).toSorted();
  return {
    main,
    files: Object.entries(files).map(([path, text]) => ({ path, text, sha256: sha256Of(text) })),
    includes: [...new Set(patterns)].map((pattern) => ({
      pattern,
      files: paths.filter((path) => globMatches(pattern, path)),
    })),
    odd: [],
    version,
    options: parseDaemonOptions(['-D']),
    optionsFrom: 'running',
    defaults: {
      maxauthtries: ['6'],
      maxsessions: ['10'],
      passwordauthentication: ['yes'],
      kbdinteractiveauthentication: ['yes'],
      permitrootlogin: ['without-password'],
      usedns: ['no'],
      x11forwarding: ['no'],
    },
  };
}
