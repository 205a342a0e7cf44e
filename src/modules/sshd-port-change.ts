import type { Action, Change, FactAfter } from '../core/change.ts';
import {
  configFile,
  sshdConfigRequest,
  withConfigFile,
  type SshdConfig,
} from '../facts/sshd-config.ts';
import type { FileEdit } from './sshd-listen-edit.ts';

/** The changes that put new text into files of sshd's tree, and the tree after them. */
export function configChanges(
  config: SshdConfig,
  edits: readonly FileEdit[],
  purpose: string,
): { readonly changes: readonly Change[]; readonly config: SshdConfig } {
  const changes: Change[] = [];
  let now = config;
  for (const { path, text } of edits) {
    const before = configFile(now, path);
    now = withConfigFile(now, path, text);
    changes.push({
      kind: 'file',
      target: path,
      summary: `${path}: ${purpose}`,
      before: before?.text ?? '',
      after: text,
      action: {
        type: 'write',
        path,
        beforeSha256: before?.sha256 ?? null,
        content: text,
        gate: ['sshd_gate', path, ...(now.options.file === null ? [] : ['-f', now.options.file])],
      },
      holds: null,
      undo: { type: 'snapshot' },
      risk: 'access',
      sensitive: false,
      factsAfter: [{ key: sshdConfigRequest.key, value: now }],
      invalidates: [],
    });
  }
  return { changes, config: now };
}

/** The change that makes the running SSH take its new ports; its undo is the same with the old ones. */
export function takePorts(
  unit: string,
  ports: { readonly before: readonly number[]; readonly after: readonly number[] },
  act: (ports: readonly number[]) => Action,
  factsAfter: readonly FactAfter[],
): Change {
  const action = act(ports.after);
  const how = action.type === 'sshd-reload' ? 'reload' : 'restart';
  return {
    kind: 'unit',
    target: unit,
    summary: `${how} ${unit}: SSH listens on ${listPorts(ports.after)}`,
    before: `listens on: ${listPorts(ports.before)}\n`,
    after: `listens on: ${listPorts(ports.after)}\n`,
    action,
    holds: null,
    undo: act(ports.before),
    risk: 'access',
    sensitive: false,
    factsAfter,
    invalidates: [],
  };
}

/** `port 22`, `ports 22 and 2222`: for people. */
export function listPorts(ports: readonly number[]): string {
  const last = ports.at(-1);
  if (last === undefined) {
    return 'no port';
  }
  return ports.length === 1 ? `port ${last}` : `ports ${ports.slice(0, -1).join(', ')} and ${last}`;
}
