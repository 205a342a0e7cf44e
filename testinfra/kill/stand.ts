import { readFile } from 'node:fs/promises';
import { changesSince, look } from '../support/as-before.ts';
import type { Controller, Lab, LabHost, Running, Snapshot, UpOptions } from '../support/lab.ts';
import { awaitRescue, rescuePort, type Scenario } from './scenarios.ts';
import { PointNamer, type Point } from './timeline.ts';
import { openWay, type Way, type WayName } from './way.ts';

/** What `watch.py settled` says. */
export interface Survey {
  readonly settled: boolean;
  readonly seconds: number;
  readonly runs: Readonly<Record<string, string>>;
  readonly alive: readonly string[];
  readonly lock: 'free' | 'held' | 'left by the dead';
}

/** A run that goes on, and what it has told so far. */
export interface Attempt extends Running {
  readonly points: readonly Point[];
  /** Resolves when the point has come, or at the end. */
  reached(key: string): Promise<'reached' | 'ended'>;
}

/** How a stand's host differs from a plain one. */
export interface StandOptions {
  readonly up?: UpOptions;
  /** Breaks of the lab that a reboot keeps. */
  readonly breaks?: readonly string[];
  readonly guardSeconds?: number;
  /** By what its attempts get in. Default: ssh. */
  readonly way?: WayName;
}

/** How an attempt differs from a plain one. */
export interface AttemptOptions {
  /** Who comes in by the rescue port. */
  readonly via?: 'root' | 'admin';
  readonly guardSeconds?: number;
}

/** One broken host with all that is known of it: the same attempt can be made on it again and again. */
export class Stand {
  readonly #lab: Lab;
  readonly host: LabHost;
  readonly way: Way;
  readonly #scenario: Scenario;
  readonly #knownHosts: string;
  /** The confirm window of its attempts. */
  guardSeconds: number;
  #before: Snapshot | null = null;
  #stale = false;

  private constructor(
    lab: Lab,
    made: {
      readonly host: LabHost;
      readonly way: Way;
      readonly scenario: Scenario;
      readonly knownHosts: string;
      readonly guardSeconds: number;
    },
  ) {
    this.#lab = lab;
    this.host = made.host;
    this.way = made.way;
    this.#scenario = made.scenario;
    this.#knownHosts = made.knownHosts;
    this.guardSeconds = made.guardSeconds;
  }

  static async open(
    lab: Lab,
    name: string,
    scenario: Scenario,
    { up = {}, breaks = [], guardSeconds = 5, way: wanted = 'ssh' }: StandOptions = {},
  ): Promise<Stand> {
    const host = await lab.up(name, up);
    const knownHosts = await lab.ctl.writeFile(`known_hosts_${name}`, await keysOf(host));
    const way = await openWay(wanted, lab, host);
    const stand = new Stand(lab, { host, way, scenario, knownHosts, guardSeconds });
    await host.read(['sh', '-eu', '-c', scenario.breakIt, 'sh', lab.ctl.address4]);
    if (breaks.length > 0) await host.breakIt(...breaks);
    await host.mark();
    await stand.reset();
    return stand;
  }

  /** As it was at first. */
  async reset(): Promise<void> {
    this.#stale = false;
    await this.host.reset();
    await this.way.mend();
    await this.host.read([
      'sh',
      '-eu',
      '-c',
      `${awaitRescue}${this.#scenario.afterBoot}`,
      'sh',
      this.#lab.ctl.address4,
    ]);
    await this.remember();
  }

  /** It is not as it was at first; that is put right when it is wanted again. */
  stale(): void {
    this.#stale = true;
  }

  /** As it was at first, where it is not. */
  async ready(): Promise<void> {
    if (this.#stale) await this.reset();
  }

  /** What it is from here on compared with. */
  async remember(): Promise<void> {
    this.#before = await look(this.host);
  }

  /** Takes away the record of a run that changed nothing. */
  async forget(): Promise<void> {
    await this.host.read('rm -rf /var/lib/remedy');
  }

  /** What is other than it was after the last reset. Empty: the host is as it was. */
  async changes(): Promise<string[]> {
    if (this.#before === null) throw new Error('the stand was not reset');
    return changesSince(this.host, this.#before);
  }

  /** The flags that name the host, with the ways in of a controller. */
  flags({ via = 'root' }: AttemptOptions = {}, controller: Controller = this.#lab.ctl): string[] {
    const address = this.host.ipv4 ?? '';
    return [
      ...['--host', address, '--port', String(this.#scenario.portsBefore[0] ?? 22)],
      ...['--user', this.#scenario.user],
      ...['--identity', controller.keyFile, '--known-hosts', this.#knownHosts],
      ...this.way.flags(controller, via),
    ];
  }

  attempt(options: AttemptOptions = {}): Attempt {
    const began = Date.now();
    const namer = new PointNamer();
    const points: Point[] = [{ key: 'start', at: 0 }];
    const waiting = new Map<string, (how: 'reached') => void>();
    const { playbooks, vars } = this.#scenario;
    const words = [
      ...['run', ...playbooks, ...vars.flatMap((one) => ['--var', one]), ...this.flags(options)],
      ...['--guard-seconds', String(options.guardSeconds ?? this.guardSeconds)],
      ...['--yes', '--output', 'ndjson'],
    ];
    const onLine = (line: string): void => {
      const key = namer.name(line);
      if (key === null) return;
      points.push({ key, at: Date.now() - began });
      waiting.get(key)?.('reached');
    };
    const running = this.#lab.startRemedy(words, {
      onLine,
      env: this.way.env,
      timeoutMs: 300_000,
    });
    const ended = running.done.then(() => {
      points.push({ key: 'end', at: Date.now() - began });
      return 'ended' as const;
    });
    return {
      ...running,
      points,
      reached: (key) => {
        if (points.some((point) => point.key === key)) return Promise.resolve('reached');
        const comes = new Promise<'reached'>((resolve) => waiting.set(key, resolve));
        return Promise.race([comes, ended]);
      },
    };
  }

  /** Runs `watch.py` in the host. */
  async watch<T>(...words: readonly string[]): Promise<T> {
    const script = await readFile(new URL('./watch.py', import.meta.url));
    const result = await this.host.exec(['python3', '-BIS', '-', ...words], {
      stdin: script,
      timeoutMs: 300_000,
    });
    if (result.status !== 0) throw new Error(`${this.host.name}: ${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  }

  settled(seconds: number): Promise<Survey> {
    return this.watch<Survey>('settled', String(seconds));
  }

  /** Which of the logins fail: as the scenario's user on its ports, as root on the rescue port. */
  async deadLogins(when: 'before' | 'after'): Promise<string[]> {
    const { user, portsBefore, portsAfter } = this.#scenario;
    const wanted = [
      ['root', rescuePort] as const,
      ...(when === 'before' ? portsBefore : portsAfter).map((port) => [user, port] as const),
    ];
    const dead = await Promise.all(
      wanted.map(async ([name, port]) => {
        const options = ['-o', `UserKnownHostsFile=${this.#knownHosts}`, '-o', 'ConnectTimeout=5'];
        const login = await this.#lab.ctl.run([
          ...['ssh', '-F', this.#lab.sshConfig, ...options],
          ...['-p', String(port), '-l', name, this.host.ipv4 ?? '', 'true'],
        ]);
        return login.status === 0 ? [] : [`no login as ${name} on ${port}: ${login.stderr.trim()}`];
      }),
    );
    return dead.flat();
  }
}

async function keysOf(host: LabHost): Promise<string> {
  const keys = await host.read('cat /etc/ssh/ssh_host_*_key.pub');
  const names = [host.ipv4, ...[rescuePort, 2222].map((port) => `[${host.ipv4}]:${port}`)].join(
    ',',
  );
  return keys
    .split('\n')
    .map((line) => `${names} ${line.split(' ').slice(0, 2).join(' ')}\n`)
    .join('');
}
