import { setTimeout as pause } from 'node:timers/promises';
import { proveLogin, type LoginProof } from '../probe/login.ts';
import type { HostKey } from '../route/known-hosts.ts';
import type { SshTarget } from '../route/target.ts';
import type { Proof, ProofLevel } from './result.ts';

/** Finds out from outside how far a login comes. */
export interface Prober {
  /** One login before the first change. */
  before(signal: AbortSignal): Promise<ProofLevel>;
  /** A fresh login after the last change; `keys` were shown over the verified route in this run. */
  after(keys: readonly HostKey[], signal: AbortSignal): Promise<LoginProof>;
}

/** Time that the probe before a run waits for a host that answers nothing, in milliseconds. */
const beforeTimeouts = {
  connectMs: 5000,
  handshakeMs: 10_000,
  authenticationMs: 20_000,
  keepaliveMs: 10_000,
};

// A service that was just started or reloaded may need a moment; more logins than this would look
// like an attack to fail2ban and to PerSourcePenalties.
const tries = 2;
const betweenMs = 2000;

/** A prober that makes real logins to the endpoint. */
export function loginProber(target: SshTarget): Prober {
  return {
    async before(signal) {
      const proof = await proveLogin(target, signal, { timeouts: beforeTimeouts });
      return proof.level;
    },
    async after(keys, signal) {
      let proof = await proveLogin(target, signal, { trustedKeys: keys });
      for (let attempt = 1; attempt < tries && mayHeal(proof) && !signal.aborted; attempt += 1) {
        await pause(betweenMs, undefined, { signal }).catch(() => undefined);
        proof = await proveLogin(target, signal, { trustedKeys: keys });
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
