import { cleanLine } from '../core/clean.ts';

/** The layers of one login, in the order a login passes them. */
export type Layer =
  | 'name'
  | 'network'
  | 'firewall'
  | 'listener'
  | 'handshake'
  | 'authentication'
  | 'account'
  | 'session';

/** What one layer does to a login. */
export interface Link {
  readonly layer: Layer;
  readonly state: 'ok' | 'broken' | 'unknown';
  /** The rule, file and line, or socket that decides; for an unknown, the reason. */
  readonly by: string;
  /** What was read to know it, one line each. */
  readonly evidence: readonly string[];
}

/** What one of a layer's questions came to. */
export interface Finding {
  readonly state: Link['state'];
  readonly by: string;
  readonly evidence?: readonly string[];
}

/** A question that a login passes. */
export function passes(by: string, evidence: readonly string[] = []): Finding {
  return { state: 'ok', by, evidence };
}

/** A question that keeps a login out. */
export function stops(by: string, evidence: readonly string[] = []): Finding {
  return { state: 'broken', by, evidence };
}

/** A question that nobody can answer from the facts. */
export function unsure(by: string, evidence: readonly string[] = []): Finding {
  return { state: 'unknown', by, evidence };
}

/**
 * Joins the questions of a layer: all must be passed. The first that surely stops a login decides, else
 * the first that is unknown, else the last.
 */
export function joinFindings(layer: Layer, findings: readonly Finding[]): Link {
  const decides =
    findings.find(({ state }) => state === 'broken') ??
    findings.find(({ state }) => state === 'unknown') ??
    findings.at(-1);
  return {
    layer,
    state: decides?.state ?? 'ok',
    by: cleanLine(decides?.by ?? 'nothing stands in the way'),
    evidence: (decides?.evidence ?? []).map((line) => cleanLine(line)),
  };
}

/** The better of two ways that lead to the same: what one lets pass is passed. */
export function eitherOf(first: Finding, second: Finding): Finding {
  for (const state of ['ok', 'unknown'] as const) {
    const found = [first, second].find((one) => one.state === state);
    if (found !== undefined) {
      return found;
    }
  }
  return stops(
    first.by === second.by ? first.by : `${first.by}; ${second.by}`,
    [first, second].flatMap(({ evidence }) => evidence ?? []),
  );
}
