import { StringDecoder } from 'node:string_decoder';
import { cleanLine } from '../core/clean.ts';

/** One record of a stage program's journal. */
export type JournalRecord =
  | { readonly type: 'start' | 'done' | 'undone'; readonly number: number }
  | { readonly type: 'failed'; readonly number: number; readonly status: number }
  | { readonly type: 'undo-failed'; readonly number: number; readonly status: number }
  | { readonly type: 'output'; readonly text: string }
  | { readonly type: 'refuse'; readonly code: string; readonly text: string }
  /** `by` is the way the guard runs; `boot` is what takes over after a reboot. */
  | { readonly type: 'armed'; readonly by: GuardKind; readonly boot: BootGuard }
  /** Everything is being taken back, and why. */
  | { readonly type: 'revert'; readonly text: string }
  | { readonly type: 'end'; readonly how: StageEnd }
  /** How a run stands, for whoever asked, and the seconds until its guard fires. */
  | {
      readonly type: 'state';
      readonly state: RunState;
      readonly seconds: number;
      /** True where every change is made. */
      readonly applied: boolean;
      readonly guard: { readonly by: GuardKind; readonly boot: BootGuard } | null;
    }
  /** One run of those that are on the host. */
  | {
      readonly type: 'run';
      readonly runId: string;
      readonly state: RunState;
      readonly seconds: number;
    }
  | { readonly type: 'listed' }
  | { readonly type: 'lost'; readonly text: string };

/** The ways in which the guard may run on a host, best first. */
export const guardKinds = ['systemd-run', 'at', 'loop'] as const;
export type GuardKind = (typeof guardKinds)[number];

/** What reverts an armed run after a reboot; `none` where the host has neither systemd nor cron. */
export const bootGuards = ['unit', 'cron', 'none'] as const;
export type BootGuard = (typeof bootGuards)[number];

const stageEnds = ['applied', 'confirmed', 'reverted', 'stuck', 'refused'] as const;
/** How a stage ended; `applied` waits for its confirmation. */
export type StageEnd = (typeof stageEnds)[number];

/** The states of a run on the host, and `none` where it left nothing. */
export const runStates = [
  'prepared',
  'armed',
  'reverting',
  'confirmed',
  'reverted',
  'stuck',
  'none',
] as const;
export type RunState = (typeof runStates)[number];

// A line that is longer than any record of ours is noise; it is dropped as it comes.
const maxLine = 64 * 1024;

/** Reads a stage program's output as it comes. Lines without the run's token are noise. */
export class JournalReader {
  readonly #token: string;
  readonly #decoder = new StringDecoder('utf8');
  #line = '';

  constructor(token: string) {
    this.#token = token;
  }

  /** The records that a chunk completes. */
  push(chunk: Buffer): JournalRecord[] {
    const lines = (this.#line + this.#decoder.write(chunk)).split('\n');
    const rest = lines.pop() ?? '';
    this.#line = rest.length > maxLine ? rest.slice(-this.#token.length) : rest;
    return lines.flatMap((line) => this.#parse(line));
  }

  #parse(line: string): JournalRecord[] {
    const at = line.indexOf(`${this.#token} `);
    if (at < 0) {
      return [];
    }
    const [type = '', ...rest] = line
      .slice(at + this.#token.length + 1)
      .trimEnd()
      .split(' ');
    const record = toRecord(type, rest);
    return record === null ? [] : [record];
  }
}

function toRecord(type: string, words: readonly string[]): JournalRecord | null {
  const number = Number(words[0]);
  switch (type) {
    case 'start':
    case 'done':
    case 'undone':
      return { type, number };
    case 'failed':
    case 'undo-failed':
      return { type, number, status: Number(words[1]) };
    case 'output':
    case 'revert':
    case 'lost':
      return { type, text: cleanLine(words.join(' '), 1500) };
    case 'refuse':
      return { type, code: words[0] ?? '', text: cleanLine(words.slice(1).join(' ')) };
    case 'armed': {
      const by = oneOf(guardKinds, words[0]);
      const boot = oneOf(bootGuards, words[1]);
      return by === undefined || boot === undefined ? null : { type, by, boot };
    }
    case 'end': {
      const how = oneOf(stageEnds, words[0]);
      return how === undefined ? null : { type, how };
    }
    case 'state': {
      const state = oneOf(runStates, words[0]);
      const seconds = Number(words[1]) || 0;
      const by = oneOf(guardKinds, words[3]);
      const boot = oneOf(bootGuards, words[4]);
      const guard = by === undefined || boot === undefined ? null : { by, boot };
      return state === undefined
        ? null
        : { type, state, seconds, applied: words[2] === 'applied', guard };
    }
    case 'run': {
      const [runId = '', word, seconds] = words;
      const state = oneOf(runStates, word);
      const known = state !== undefined && /^[A-Za-z0-9-]{1,64}$/.test(runId);
      return known ? { type, runId, state, seconds: Number(seconds) || 0 } : null;
    }
    case 'listed':
      return { type };
    default:
      return null;
  }
}

function oneOf<T extends string>(words: readonly T[], word: string | undefined): T | undefined {
  return words.find((one) => one === word);
}
