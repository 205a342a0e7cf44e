import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { run, runOrThrow, start } from './process.ts';
import type { Result, Running, RunOptions, StartOptions } from './process.ts';

export type { Result, Running, RunOptions, StartOptions } from './process.ts';
export { differences, snapshot, withoutTimes } from './snapshot.ts';
export type { Snapshot } from './snapshot.ts';

export type Root = 'debian12' | 'debian13' | 'debian12-iptables' | 'debian13-iptables';

export interface UpOptions {
  readonly root?: Root;
  /** What `admin` may do by sudo. Default: nopasswd. */
  readonly sudo?: 'nopasswd' | 'password' | 'none';
  readonly usePty?: boolean;
  /** sshd's ports. Default: 22. */
  readonly ports?: readonly number[];
  readonly ipv6Only?: boolean;
  readonly noIpv6?: boolean;
  /** The family is there, and the name has it, but its packets are lost on the way. */
  readonly broken?: 'ipv4' | 'ipv6';
  /** False: return when systemd is up. */
  readonly waitSsh?: boolean;
  /** A virtual machine behind a serial line; `exec` goes in by its sshd. */
  readonly vm?: boolean;
}

export interface LoginOptions extends RunOptions {
  readonly family?: 4 | 6;
  readonly port?: number;
  readonly connectSeconds?: number;
}

export interface BreakOptions {
  /** The addresses shut out. Default: both of the controller `ctl`. */
  readonly from?: readonly string[];
  /** Whose keys or home. Default: root and admin. */
  readonly user?: 'root' | 'admin';
}

export interface LabHost {
  readonly name: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  /** For remedy's `--exec`: a root shell on stdin and stdout, without SSH. Needs a root controller. */
  readonly execCommand: string;
  /** For remedy's `--console`: the host's real console, with login. Needs a root controller. Of a virtual machine, its serial line. */
  readonly consoleCommand: string;
  /** Runs as root inside, not over SSH. A string is a script for sh. */
  exec(command: string | readonly string[], options?: RunOptions): Promise<Result>;
  /** As `exec`, for what must work: returns stdout, trimmed. */
  read(command: string | readonly string[]): Promise<string>;
  breakIt(...breaks: readonly string[]): Promise<void>;
  breakWith(options: BreakOptions, ...breaks: readonly string[]): Promise<void>;
  /** SSH from the controller `ctl` with the lab's key. Default: root, `true`. */
  login(user?: string, command?: string, options?: LoginOptions): Promise<Result>;
  /** Its files stay. Hard: the power is cut; nothing is stopped, no connection is closed. */
  reboot(options?: { readonly hard?: boolean }): Promise<void>;
  /** Keeps the disk as it is now, for `reset`. */
  mark(): Promise<void>;
  /** Power cut, the disk as at the last `mark` (or as new), boot. */
  reset(): Promise<void>;
  /** From now on all its packets vanish, both ways. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  down(): Promise<void>;
}

export interface Controller {
  readonly name: string;
  readonly home: string;
  /** The checkout as seen from there. */
  readonly checkout: string;
  /** The lab's key as its user can read it; hosts trust it. */
  readonly keyFile: string;
  /** The addresses that hosts see: the router's, behind NAT. */
  readonly address4: string;
  readonly address6: string;
  run(argv: readonly string[], options?: RunOptions): Promise<Result>;
  start(argv: readonly string[], options?: StartOptions): Running;
  /** Writes below the home, as its user; returns the whole path. */
  writeFile(path: string, text: string | Uint8Array, mode?: number): Promise<string>;
}

export interface RemedyOptions extends RunOptions {
  /** Default: `ctl`, which is root and not behind NAT. */
  readonly controller?: Controller;
}

export interface RemedyResult extends Result {
  /** Parses stdout; says what was there instead if it is not JSON. */
  json<T = unknown>(): T;
}

export interface Lab extends AsyncDisposable {
  readonly id: string;
  /** The default controller. */
  readonly ctl: Controller;
  readonly keyFile: string;
  /** A second key that hosts trust. */
  readonly otherKeyFile: string;
  /** The hosts' real keys; grows with each `up`. */
  readonly knownHosts: string;
  readonly sshConfig: string;
  readonly adminPassword: string;
  up(name: string, options?: UpOptions): Promise<LabHost>;
  controller(options?: { readonly user?: boolean; readonly nat?: boolean }): Promise<Controller>;
  remedy(args: readonly string[], options?: RemedyOptions): Promise<RemedyResult>;
  /** As `remedy`, but does not wait for its end. */
  startRemedy(args: readonly string[], options?: StartOptions): Running;
  /** Ends all of it. */
  down(): Promise<void>;
}

const labProgram = resolve(dirname(fileURLToPath(import.meta.url)), '../lab');

// Building a base root, which the first `up` may have to do, takes a minute on a slow machine.
const UP_TIMEOUT_MS = 600_000;

/** Whether this machine can boot hosts; if not, tests are skipped with the reason. */
export async function canRunHosts(): Promise<{ ok: true } | { ok: false; why: string }> {
  if (process.platform !== 'linux')
    return { ok: false, why: 'hosts are Linux namespaces; this is not Linux' };
  const able = await run([labProgram, 'able']);
  if (able.status !== 0) return { ok: false, why: able.stderr.replace(/^lab: /, '').trim() };
  return { ok: true };
}

/** Installs Debian packages whose command is not on this machine, each as `command:package`. */
export async function installTools(...tools: readonly string[]): Promise<void> {
  await runOrThrow([labProgram, 'tools', ...tools], { timeoutMs: UP_TIMEOUT_MS });
}

/** Opens a lab of its own: use `await using`, or call `down`. */
export async function openLab(): Promise<Lab> {
  await removeAbandonedLabs();
  // The process id lets a later run find what a killed one left.
  const id = `t${process.pid}-${randomBytes(4).toString('hex')}`;
  await callLab(id, ['open']);
  const [keyFile, otherKeyFile, knownHosts, sshConfig, adminPassword] = await Promise.all(
    ['key', 'key-other', 'known-hosts', 'ssh-config', 'password'].map((what) =>
      callLab(id, [what]),
    ),
  );
  const ctl = await describeController(id, 'ctl');
  let controllers = 0;
  const down = async (): Promise<void> => {
    await callLab(id, ['down', '--all']);
  };
  return {
    id,
    ctl,
    keyFile: present(keyFile),
    otherKeyFile: present(otherKeyFile),
    knownHosts: present(knownHosts),
    sshConfig: present(sshConfig),
    adminPassword: present(adminPassword),
    async up(name, options = {}) {
      await bootHost(id, ['up', name, ...upWords(options)], name);
      return describeHost(id, name);
    },
    async controller({ user = false, nat = false } = {}) {
      controllers += 1;
      const name = `c${controllers}`;
      await callLab(id, [
        'controller',
        name,
        ...(user ? ['--user'] : []),
        ...(nat ? ['--nat'] : []),
      ]);
      return describeController(id, name);
    },
    async remedy(args, { controller = ctl, ...options } = {}) {
      const result = await controller.run(
        ['node', join(controller.checkout, 'bin/remedy.js'), ...args],
        options,
      );
      return { ...result, json: <T>() => parseJson<T>(result) };
    },
    startRemedy: (args, options) =>
      ctl.start(['node', join(ctl.checkout, 'bin/remedy.js'), ...args], options),
    down,
    [Symbol.asyncDispose]: down,
  };
}

async function describeHost(id: string, name: string): Promise<LabHost> {
  const info = await describe(id, name);
  const exec = (command: string | readonly string[], options: RunOptions = {}): Promise<Result> =>
    typeof command === 'string'
      ? run([labProgram, '--lab', id, 'exec', name, '--', 'sh', '-c', command], options)
      : run([labProgram, '--lab', id, 'exec', name, '--', ...command], options);
  return {
    name,
    ipv4: info.get('address4') || undefined,
    ipv6: info.get('address6') || undefined,
    execCommand: `${quoted(labProgram)} --lab ${id} exec ${name} sh`,
    consoleCommand: info.get('serial')
      ? `unix:${info.get('serial')}`
      : `${quoted(labProgram)} --lab ${id} console ${name}`,
    exec,
    async read(command) {
      const result = await exec(command);
      if (result.status !== 0)
        throw new Error(`${name}: ${String(command)}: status ${result.status}\n${result.stderr}`);
      return result.stdout.trim();
    },
    async breakIt(...breaks) {
      await callLab(id, ['break', name, ...breaks]);
    },
    async breakWith({ from, user }, ...breaks) {
      const options = [
        ...(from ? ['--from', from.join(',')] : []),
        ...(user ? ['--user', user] : []),
      ];
      await callLab(id, ['break', name, ...options, ...breaks]);
    },
    login(user = 'root', command = 'true', { family, port, connectSeconds = 5, ...options } = {}) {
      const words = [
        '--timeout',
        String(connectSeconds),
        ...(family ? [`-${family}`] : []),
        ...(port ? ['--port', String(port)] : []),
      ];
      return run([labProgram, '--lab', id, 'login', name, user, ...words, '--', command], options);
    },
    async reboot({ hard = false } = {}) {
      await callLab(id, ['reboot', name, ...(hard ? ['--hard'] : [])], { timeoutMs: 120_000 });
    },
    async mark() {
      await callLab(id, ['mark', name]);
    },
    async reset() {
      await callLab(id, ['reset', name], { timeoutMs: 120_000 });
    },
    async cut() {
      await callLab(id, ['cut', name]);
    },
    async mend() {
      await callLab(id, ['mend', name]);
    },
    async down() {
      await callLab(id, ['down', name]);
    },
  };
}

async function describeController(id: string, name: string): Promise<Controller> {
  const info = await describe(id, name);
  const home = present(info.get('home'));
  const owner = Number(info.get('uid'));
  return {
    name,
    home,
    checkout: present(info.get('checkout')),
    keyFile: join(home, '.ssh/id_ed25519'),
    address4: present(info.get('address4')),
    address6: present(info.get('address6')),
    run: (argv, options) => run([labProgram, '--lab', id, 'run', name, '--', ...argv], options),
    start: (argv, options) => start([labProgram, '--lab', id, 'run', name, '--', ...argv], options),
    async writeFile(path, text, mode = 0o600) {
      const whole = resolve(home, path);
      await makeFolder(dirname(whole), owner);
      await writeFile(whole, text, { mode });
      // The mode given above is cut by the umask, and is not used at all if the file is there.
      await chmod(whole, mode);
      await chown(whole, owner, owner);
      return whole;
    },
  };
}

async function makeFolder(path: string, owner: number): Promise<void> {
  if (existsSync(path)) return;
  await makeFolder(dirname(path), owner);
  await mkdir(path, { mode: 0o700 });
  await chown(path, owner, owner);
}

async function describe(id: string, name: string): Promise<Map<string, string>> {
  const lines = (await callLab(id, ['info', name])).split('\n');
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

async function removeAbandonedLabs(): Promise<void> {
  const ids = (await runOrThrow([labProgram, 'labs'])).split('\n');
  for (const id of ids) {
    const pid = /^t(\d+)-[0-9a-f]{8}$/.exec(id)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await callLab(id, ['down', '--all']);
  }
}

// systemd-nspawn now and then fails while others start and end beside it; a host that did not come up
// is booted anew, and only the last failure counts.
async function bootHost(id: string, words: readonly string[], name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await callLab(id, words, { timeoutMs: UP_TIMEOUT_MS });
      return;
    } catch (error) {
      if (attempt === bootAttempts) throw error;
      await callLab(id, ['down', name]);
    }
  }
}

const bootAttempts = 3;

async function callLab(
  id: string,
  words: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return (await runOrThrow([labProgram, '--lab', id, ...words], options)).trim();
}

function upWords(options: UpOptions): string[] {
  return [
    ...(options.root ? ['--root', options.root] : []),
    ...(options.sudo ? ['--sudo', options.sudo] : []),
    ...(options.usePty ? ['--use-pty'] : []),
    ...(options.ports ?? []).flatMap((port) => ['--port', String(port)]),
    ...(options.ipv6Only ? ['--ipv6-only'] : []),
    ...(options.noIpv6 ? ['--no-ipv6'] : []),
    ...(options.broken ? ['--broken', options.broken] : []),
    ...(options.waitSsh === false ? ['--no-wait-ssh'] : []),
    ...(options.vm ? ['--vm'] : []),
  ];
}

function parseJson<T>(result: Result): T {
  try {
    return JSON.parse(result.stdout) as T;
  } catch {
    throw new Error(`not JSON (status ${result.status}):\n${result.stdout}\n${result.stderr}`);
  }
}

function present(value: string | undefined): string {
  if (value === undefined || value === '') throw new Error('the lab did not say what was asked');
  return value;
}

// remedy splits the command into words as a shell would.
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
