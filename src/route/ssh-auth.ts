import { access } from 'node:fs/promises';
import ssh2, { type AnyAuthMethod, type ParsedKey } from 'ssh2';
import { cleanLine } from '../core/clean.ts';
import type { Secret } from '../core/secret.ts';
import { fingerprint } from '../core/fingerprint.ts';
import { agentSigner, listAgentKeys, OneKeyAgent, type AgentKey } from './ssh-agent.ts';
import { readKeyFile, type KeyFile } from './ssh-key.ts';
import type { SshTarget } from './target.ts';

/** What was tried to log in, for the failure text. Holds no secret. */
export interface AuthRecord {
  /** One clause for each try: `key SHA256:… (/home/a/.ssh/id_ed25519)`. */
  readonly offered: readonly string[];
  /** What was not tried and why, one sentence each. */
  readonly notes: readonly string[];
  /** The methods the server last said it would take. */
  readonly methods: readonly string[];
  /** A named key file that could not be used at all, with the way to repair it. */
  readonly unusable: { readonly file: string; readonly why: string; readonly todo: string } | null;
}

// sshd gives up after 6 failed tries by default (MaxAuthTries in sshd_config(5)).
const maxKeys = 5;
const maxKeysBeforeRefresh = 3;
const agentTimeoutMs = 5000;

interface Candidate {
  readonly label: string;
  readonly method: () => Promise<AnyAuthMethod | null>;
}

/**
 * Decides what is tried, in which order, for one login. One password at most is ever sent, so that
 * a lock-out counter (pam_faillock) is moved by one at the worst.
 */
export class Authentication {
  readonly #target: SshTarget;
  readonly #whileAsking: <T>(ask: () => Promise<T>) => Promise<T>;
  readonly #offered: string[] = [];
  readonly #notes: string[] = [];
  #methods: readonly string[] = [];
  #unusable: AuthRecord['unusable'] = null;
  #candidates: Candidate[] | null = null;
  #triedNone = false;
  #passwordSent = false;
  #triedKeyboard = false;
  #isStale = false;
  #password: Secret | null | undefined;

  /** @param whileAsking wraps each question to a person, so that time limits can stand still. */
  constructor(target: SshTarget, whileAsking: <T>(ask: () => Promise<T>) => Promise<T>) {
    this.#target = target;
    this.#whileAsking = whileAsking;
  }

  /** What was tried so far. */
  get record(): AuthRecord {
    return {
      offered: [...this.#offered],
      notes: [...this.#notes],
      methods: [...this.#methods],
      unusable: this.#unusable,
    };
  }

  /** What the last try was: after success, how the login was made. */
  get last(): string {
    return this.#offered.at(-1) ?? 'no authentication';
  }

  /** Adds a remark that a failure text should show. */
  note(text: string): void {
    this.#notes.push(text);
  }

  /** The next thing to try, or null when there is nothing left. */
  async next(methods: readonly string[] | null): Promise<AnyAuthMethod | null> {
    this.#methods = methods ?? this.#methods;
    if (!this.#triedNone) {
      // Free of charge for MaxAuthTries, and the answer lists the methods.
      this.#triedNone = true;
      return { type: 'none', username: this.#target.user };
    }
    return (await this.#nextKey()) ?? this.#refresh() ?? (await this.#nextPassword());
  }

  // ssh2 keeps the answer to an agent's key to itself, and that answer may be "now the password".
  // Asked again only where the extra try leaves room for the password within MaxAuthTries.
  #refresh(): AnyAuthMethod | null {
    const isWorthIt =
      this.#isStale && this.#offered.length <= maxKeysBeforeRefresh && !this.#passwordSent;
    this.#isStale = false;
    return isWorthIt ? { type: 'none', username: this.#target.user } : null;
  }

  async #nextKey(): Promise<AnyAuthMethod | null> {
    while (this.#methods.includes('publickey')) {
      this.#candidates ??= await this.#findKeys();
      const candidate = this.#candidates.shift();
      if (candidate === undefined) {
        return null;
      }
      const method = await candidate.method();
      if (method !== null) {
        this.#offered.push(candidate.label);
        this.#isStale = method.type === 'agent';
        return method;
      }
    }
    return null;
  }

  async #findKeys(): Promise<Candidate[]> {
    const { agentSocket, identities, identitiesOnly, defaultIdentities } = this.#target;
    const agent = await this.#agentKeys(agentSocket);
    const seen = new Set<string>();
    const named = await this.#fromFiles(identities, { agent, seen, isNamed: true });
    const held = identitiesOnly
      ? []
      : agent.flatMap((key) => this.#fromAgent(key, { seen, file: null }));
    const usual = await this.#fromFiles(defaultIdentities, { agent, seen, isNamed: false });
    const all = [...named, ...held, ...usual];
    if (all.length > maxKeys) {
      const left = all.slice(maxKeys).map((one) => one.label);
      this.note(
        `Only ${maxKeys} keys are offered, since servers stop listening after a few; ` +
          `not offered: ${left.join(', ')}. Name the right one with --identity.`,
      );
    }
    return all.slice(0, maxKeys);
  }

  async #agentKeys(socketPath: string | null): Promise<AgentKey[]> {
    if (socketPath === null) {
      return [];
    }
    const keys = await listAgentKeys(socketPath, agentTimeoutMs);
    if (!keys.ok) {
      this.note(`The agent at ${socketPath} was not used: ${keys.error}.`);
    }
    return keys.ok ? keys.value : [];
  }

  async #fromFiles(
    files: readonly string[],
    known: {
      readonly agent: readonly AgentKey[];
      readonly seen: Set<string>;
      readonly isNamed: boolean;
    },
  ): Promise<Candidate[]> {
    const found: Candidate[] = [];
    for (const file of files) {
      const key = await readKeyFile(file);
      const blob = 'publicKey' in key ? (key.publicKey?.base64 ?? null) : null;
      const held = known.agent.find((one) => one.publicKey.base64 === blob);
      if (blob !== null && known.seen.has(blob)) {
        continue;
      }
      if (held !== undefined) {
        found.push(...this.#fromAgent(held, { seen: known.seen, file }));
      } else if (key.type === 'private') {
        known.seen.add(blob ?? file);
        found.push(await this.#fromFile(key));
      } else {
        this.#noteUnused(key, known.isNamed);
      }
    }
    return found;
  }

  #noteUnused(key: Exclude<KeyFile, { type: 'private' }>, isNamed: boolean): void {
    const found = {
      public: {
        why: 'is a public key, and the agent does not hold the private one',
        todo: 'ssh-add -l',
      },
      missing: { why: 'does not exist', todo: 'Name the right file with --identity.' },
    };
    const { why, todo } = key.type === 'unusable' ? key : found[key.type];
    this.note(`${key.file} ${why}.`);
    if (isNamed) {
      this.#unusable ??= { file: key.file, why, todo };
    }
  }

  #fromAgent(
    key: AgentKey,
    where: { readonly seen: Set<string>; readonly file: string | null },
  ): Candidate[] {
    const { user: username, agentSocket } = this.#target;
    if (where.seen.has(key.publicKey.base64) || agentSocket === null) {
      return [];
    }
    where.seen.add(key.publicKey.base64);
    const agent = new OneKeyAgent(key.parsed, agentSigner(agentSocket, key.parsed));
    const label = `key ${fingerprint(key.publicKey)} (agent: ${where.file ?? key.comment})`;
    return [{ label, method: async () => ({ type: 'agent', username, agent }) }];
  }

  async #fromFile(key: Extract<KeyFile, { type: 'private' }>): Promise<Candidate> {
    const username = this.#target.user;
    const label =
      key.publicKey === null
        ? `key ${key.file}`
        : `key ${fingerprint(key.publicKey)} (${key.file})`;
    const certificate = await exists(`${key.file}-cert.pub`);
    if (certificate) {
      this.note(
        `${key.file}-cert.pub was not used: this route cannot use certificates; --openssh can.`,
      );
    }
    const shown = key.encrypted && key.publicKey !== null ? parsePublicKey(key.publicKey) : null;
    if (shown !== null) {
      const agent = new OneKeyAgent(shown, async (data, hash) => {
        const unlocked = await this.#unlock(key);
        if (unlocked === null) {
          throw new Error(`${key.file} stayed locked`);
        }
        return unlocked.sign(data, hash);
      });
      return { label, method: async () => ({ type: 'agent', username, agent }) };
    }
    return {
      label,
      method: async () => {
        const unlocked = await this.#unlock(key);
        return unlocked === null ? null : { type: 'publickey', username, key: unlocked };
      },
    };
  }

  async #unlock(key: Extract<KeyFile, { type: 'private' }>): Promise<ParsedKey | null> {
    const secret = key.encrypted
      ? await this.#whileAsking(async () => this.#target.passphrase(key.file))
      : null;
    const unlocked = key.encrypted && secret === null ? null : key.unlock(secret);
    if (unlocked?.ok === true) {
      return unlocked.value;
    }
    const why = unlocked === null ? 'needs a passphrase, and none was given' : unlocked.error;
    this.note(`${key.file} ${why}.`);
    const todo = `Load the key into an agent:\nssh-add ${key.file}`;
    this.#unusable ??= { file: key.file, why, todo };
    return null;
  }

  async #nextPassword(): Promise<AnyAuthMethod | null> {
    const username = this.#target.user;
    if (this.#passwordSent) {
      return null;
    }
    const canPassword = this.#methods.includes('password');
    const canKeyboard = this.#methods.includes('keyboard-interactive') && !this.#triedKeyboard;
    if (!canPassword && !canKeyboard) {
      return null;
    }
    const password = await this.#askPassword();
    if (password === null) {
      return null;
    }
    if (canPassword) {
      this.#passwordSent = true;
      this.#offered.push('password');
      return { type: 'password', username, password: password.reveal() };
    }
    this.#triedKeyboard = true;
    this.#offered.push('keyboard-interactive');
    return {
      type: 'keyboard-interactive',
      username,
      prompt: (_name, _instructions, _language, prompts, finish) => {
        finish(this.#answer(prompts, password));
      },
    };
  }

  async #askPassword(): Promise<Secret | null> {
    if (this.#password === undefined) {
      const { user, host, password, askPassword } = this.#target;
      this.#password =
        password ??
        (await this.#whileAsking(async () => askPassword(`Password of ${user} on ${host}`)));
    }
    return this.#password;
  }

  #answer(prompts: readonly ssh2.Prompt[], password: Secret): string[] {
    const [prompt] = prompts;
    if (
      prompts.length === 1 &&
      prompt !== undefined &&
      prompt.echo !== true &&
      !this.#passwordSent
    ) {
      this.#passwordSent = true;
      return [password.reveal()];
    }
    const asked = prompts.map((one) => cleanLine(one.prompt, 80)).join(' ');
    this.note(`The server asked for more than a password: "${asked}"`);
    return [];
  }
}

function parsePublicKey(key: { readonly type: string; readonly base64: string }): ParsedKey | null {
  const parsed = ssh2.utils.parseKey(`${key.type} ${key.base64}`);
  const [one] = [parsed].flat();
  return one === undefined || one instanceof Error ? null : one;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
