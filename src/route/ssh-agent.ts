import ssh2, { BaseAgent, type ParsedKey } from 'ssh2';
import { cleanLine } from '../core/clean.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { hostKeyFromBlob, type HostKey } from './known-hosts.ts';

/** A key that an ssh-agent holds. */
export interface AgentKey {
  readonly publicKey: HostKey;
  /** As the agent gives it: for people, cleaned. */
  readonly comment: string;
  readonly parsed: ParsedKey;
}

/** Lists the keys of an agent; keys of a kind that ssh2 cannot use are left out by it. */
export async function listAgentKeys(
  socketPath: string,
  timeoutMs: number,
): Promise<Result<AgentKey[], string>> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(fail('the agent did not answer')), timeoutMs);
    ssh2.createAgent(socketPath).getIdentities((error, keys) => {
      clearTimeout(timer);
      if (error !== undefined && error !== null) {
        resolve(fail(cleanLine(error.message, 120)));
        return;
      }
      resolve(ok(agentKeys((keys ?? []) as readonly ParsedKey[])));
    });
  });
}

function agentKeys(keys: readonly ParsedKey[]): AgentKey[] {
  return keys.flatMap((parsed) => {
    const publicKey = hostKeyFromBlob(parsed.getPublicSSH());
    return publicKey === null
      ? []
      : [{ publicKey, comment: cleanLine(parsed.comment ?? '', 80), parsed }];
  });
}

/** Makes the signature for one key. `hash` is `sha256` or `sha512` for an RSA key. */
export type Sign = (data: Buffer, hash: string | undefined) => Promise<Buffer>;

/**
 * An agent of one key: ssh2 then offers just that key, and asks for the signature only once the
 * server has said that the key would do. So nobody types a passphrase for a key that is not wanted.
 */
export class OneKeyAgent extends BaseAgent<ParsedKey> {
  readonly #key: ParsedKey;
  readonly #sign: Sign;

  constructor(key: ParsedKey, sign: Sign) {
    super();
    this.#key = key;
    this.#sign = sign;
  }

  override getIdentities(callback: (error?: Error | null, keys?: ParsedKey[]) => void): void {
    callback(null, [this.#key]);
  }

  override sign(
    _key: ParsedKey,
    data: Buffer,
    options: ssh2.SigningRequestOptions | ssh2.SignCallback,
    callback?: ssh2.SignCallback,
  ): void {
    const done = typeof options === 'function' ? options : callback;
    const hash = typeof options === 'function' ? undefined : options.hash;
    this.#sign(data, hash).then(
      (signature) => done?.(null, signature),
      (error: unknown) => done?.(error instanceof Error ? error : new Error('signing failed')),
    );
  }
}

/** Signs with a key that a real agent holds. */
export function agentSigner(socketPath: string, key: ParsedKey): Sign {
  return async (data, hash) =>
    new Promise((resolve, reject) => {
      const options = hash === undefined ? {} : { hash: hash as 'sha256' | 'sha512' };
      ssh2.createAgent(socketPath).sign(key, data, options, (error, signature) => {
        if (signature !== undefined && (error === undefined || error === null)) {
          resolve(signature);
        } else {
          reject(error ?? new Error('the agent gave no signature'));
        }
      });
    });
}
