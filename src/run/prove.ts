import { setTimeout as pause } from 'node:timers/promises';
import { proveLogin, type LoginProof, type LoginProofOptions } from '../probe/login.ts';
import type { HostKey } from '../route/known-hosts.ts';
import type { SshTarget } from '../route/target.ts';
import type { Proof, ProofLevel } from './result.ts';

/** What a proof is made with. */
export interface ProofRequest {
  /** The port to log in on; null for the endpoint's own. */
  readonly port: number | null;
  /** Public keys that the host showed over its verified route in this run. */
  readonly keys: readonly HostKey[];
}

/** Finds out from outside how far a login comes. */
export interface Prober {
  /** One login before the first change. */
  before(request: ProofRequest, signal: AbortSignal): Promise<LoginProof>;
  /** A fresh login after the last change of a stage. */
  after(request: ProofRequest, signal: AbortSignal): Promise<LoginProof>;
}

/** Time that the probe before a run waits for a host that answers nothing, in milliseconds. */
const beforeTimeouts = {
  connectMs: 5000,
  handshakeMs: 10_000,
  authenticationMs: 20_000,
  channelMs: 20_000,
  keepaliveMs: 10_000,
};

// A service that was just started or reloaded may need a moment; more logins than this would look
// like an attack to fail2ban and to PerSourcePenalties.
const tries = 2;
const betweenMs = 2000;

/**
 * Time between a login that sshd turned away and the next one, in milliseconds: OpenSSH 9.8 and later
 * hold 5 s against an address for each failed login (PerSourcePenalties, sshd_config(5)).
 */
const paceMs = 5000;

/** Makes one login to a target, over a connection of its own. */
export type ProveLogin = (
  target: SshTarget,
  signal: AbortSignal,
  options: LoginProofOptions,
) => Promise<LoginProof>;

/** A prober that makes real logins to the endpoint, paced so that nobody takes it for an attacker. */
export function loginProber(target: SshTarget, login: ProveLogin = proveLogin): Prober {
  let turnedAwayMs: number | null = null;
  const prove = async (
    { port, keys }: ProofRequest,
    signal: AbortSignal,
    timeouts?: typeof beforeTimeouts,
  ): Promise<LoginProof> => {
    const waitMs = turnedAwayMs === null ? 0 : turnedAwayMs + paceMs - performance.now();
    if (waitMs > 0) {
      await pause(waitMs, undefined, { signal }).catch(() => undefined);
    }
    const to = port === null ? target : { ...target, port };
    const proof = await login(to, signal, {
      trustedKeys: keys,
      ...(timeouts && { timeouts }),
    });
    turnedAwayMs = proof.level === 'banner' ? performance.now() : null;
    return proof;
  };
  return {
    before: (request, signal) => prove(request, signal, beforeTimeouts),
    async after(request, signal) {
      let proof = await prove(request, signal);
      for (let attempt = 1; attempt < tries && mayHeal(proof) && !signal.aborted; attempt += 1) {
        await pause(betweenMs, undefined, { signal }).catch(() => undefined);
        proof = await prove(request, signal);
      }
      return proof;
    },
  };
}

// A refused password or an unknown key does not get better by asking again; it gets banned.
function mayHeal(proof: LoginProof): boolean {
  return proof.level === 'none' || proof.level === 'listener';
}

/** Compares two levels: is `level` at least as good as `wanted`? */
export function atLeast(level: ProofLevel, wanted: ProofLevel): boolean {
  const order: readonly ProofLevel[] = ['none', 'listener', 'banner', 'login'];
  return order.indexOf(level) >= order.indexOf(wanted);
}

/** The contract's form of a proof. */
export function toProof(proof: LoginProof, before: ProofLevel | null): Proof {
  return { level: proof.level, before, by: proof.by };
}
