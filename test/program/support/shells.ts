import { spawnSync } from 'node:child_process';

/** A POSIX shell that programs must run under. */
export interface Shell {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

const wanted: readonly Shell[] = [
  { name: 'dash', argv: ['dash'] },
  { name: 'bash', argv: ['bash', '--posix'] },
  { name: 'mksh', argv: ['mksh'] },
  { name: 'busybox sh', argv: ['busybox', 'sh'] },
];

function isHere(shell: Shell): boolean {
  return spawnSync(shell.argv[0], [...shell.argv.slice(1), '-c', 'exit 7']).status === 7;
}

/** Those that are on this machine; what is missing is said aloud, never passed over in silence. */
export const shells: readonly Shell[] = wanted.filter((shell) => {
  const here = isHere(shell);
  if (!here) {
    process.stderr.write(
      `SKIPPED: ${shell.name} is not installed, so no program was tried under it (apt-get install dash bash mksh busybox-static)\n`,
    );
  }
  return here;
});

/** The shellcheck command, or null where it is missing. */
export const shellcheck: string | null = ((): string | null => {
  const here = spawnSync('shellcheck', ['--version']).status === 0;
  if (!here) {
    process.stderr.write(
      'SKIPPED: shellcheck is not installed, so no program was checked by it (apt-get install shellcheck)\n',
    );
  }
  return here ? 'shellcheck' : null;
})();

/** Whether the tests run as root. */
export const isRoot: boolean = process.getuid?.() === 0;
