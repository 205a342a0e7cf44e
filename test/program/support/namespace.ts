import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import type { Shell } from './shells.ts';

/**
 * A mount namespace in which `/bin/sh` is the shell under test, `/var/lib` is empty, and neither
 * systemd, at nor cron of this machine is to be seen: a host that has nothing but a shell.
 */
export class BareHost {
  readonly #keeper: ChildProcess;
  readonly #pid: number;

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper;
    this.#pid = keeper.pid ?? 0;
  }

  static async create(shell: Shell): Promise<BareHost> {
    const keeper = spawn(
      'unshare',
      ['-m', '--propagation', 'private', 'sh', '-c', setUp, 'sh', shell.argv[0]],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    await new Promise<void>((resolve, reject) => {
      keeper.stdout.once('data', () => resolve());
      keeper.once('exit', (status) => reject(new Error(`no namespace: ${status}`)));
    });
    return new BareHost(keeper);
  }

  /** Runs a script by the shell under test; its standard output. */
  run(script: string): string {
    const result = spawnSync('nsenter', ['-t', String(this.#pid), '-m', '/bin/sh'], {
      input: script,
      encoding: 'utf8',
      timeout: 60_000,
    });
    return result.stdout;
  }

  /** Runs a script without waiting for it. */
  start(script: string): ChildProcess {
    const child = spawn('nsenter', ['-t', String(this.#pid), '-m', '/bin/sh'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin.end(script);
    return child;
  }

  /** Waits until a script says `yes`. */
  async until(script: string): Promise<void> {
    const untilMs = performance.now() + 30_000;
    while (this.run(script).trim() !== 'yes') {
      if (performance.now() > untilMs) {
        throw new Error(`never so: ${script}\n${this.run('cat /var/lib/remedy/*/journal')}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
  }

  close(): void {
    this.#keeper.kill('SIGKILL');
  }
}

const setUp = `
mount -t tmpfs -o mode=755 none /var/lib && mount -t tmpfs -o mode=755 none /run || exit 1
[ ! -d /etc/cron.d ] || mount -t tmpfs -o mode=755 none /etc/cron.d || exit 1
for tool in at systemd-run; do
  path=$(command -v "$tool") && mount --bind /bin/false "$(readlink -f "$path")"
done
shell=$(readlink -f "$(command -v "$1")")
[ "$shell" = "$(readlink -f /bin/sh)" ] || mount --bind "$shell" "$(readlink -f /bin/sh)" || exit 1
mkdir /var/lib/things
echo ready
exec sleep 600
`;
