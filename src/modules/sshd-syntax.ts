import { z } from 'zod';
import type { Change } from '../core/change.ts';
import type { FactSet } from '../facts/fact.ts';
import {
  configFile,
  sshdConfigRequest,
  withConfigFile,
  type SshdConfig,
} from '../facts/sshd-config.ts';
import { sshdFaultsRequest, type SshdFault, type SshdFaults } from '../facts/sshd-faults.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';
import { replaceLines } from './sshd-edit.ts';
import { ownersOf } from './sshd-option.ts';
import { configChanges } from './sshd-port-change.ts';
import { notRunning, reloadChange, reloadRequests } from './sshd-reload.ts';
import { sshdRequest } from './ssh-unit.ts';

const schema = z.strictObject({
  restore: z
    .boolean()
    .default(false)
    .describe("true: bring the package's own sshd_config back in place of the one that is there"),
});

/** Comments out every line that sshd refuses, in whichever file; brings a lost sshd_config back. */
export const sshdSyntax: Module<typeof schema> = {
  name: 'sshd-syntax',
  summary: 'Comment out every line that sshd refuses; bring a lost or empty sshd_config back',
  schema,
  facts: () => [sshdConfigRequest, sshdFaultsRequest, ...reloadRequests],
  plan({ restore }, facts, { runId }) {
    const config = facts.get(sshdConfigRequest);
    const faults = facts.get(sshdFaultsRequest);
    if (!config.known || !faults.known) {
      return blocked(config.known ? (faults.known ? '' : faults.because) : config.because);
    }
    return planSyntax({ config: config.value, faults: faults.value, restore, runId, facts });
  },
};

interface Situation {
  readonly config: SshdConfig;
  readonly faults: SshdFaults;
  readonly restore: boolean;
  readonly runId: string;
  readonly facts: FactSet;
}

function planSyntax(situation: Situation): ModulePlan {
  const { config, faults, facts } = situation;
  const lost = lostMain(config);
  const stuck = unsolved(situation, lost);
  if (stuck !== null) {
    return stuck;
  }
  const restored = lost !== null || situation.restore ? originalFor(situation) : null;
  if (restored !== null && 'action' in restored) {
    return restored;
  }
  const after = repaired(situation, restored?.text ?? null);
  const paths = [...new Set(after.files.map(({ path }) => path))].filter(
    (path) => configFile(after, path)?.text !== configFile(config, path)?.text,
  );
  if (paths.length === 0) {
    return none('sshd refuses nothing in its configuration');
  }
  const written = configChanges(
    config,
    paths.map((path) => ({ path, text: configFile(after, path)?.text ?? '' })),
    lost ?? 'comment out what sshd refuses',
  );
  const reload = reloadChange(facts, written.config);
  const reasons = [
    ...(lost === null ? [] : [`${config.main} ${lost}`]),
    ...(situation.restore && lost === null ? [`${config.main} is not as its package has it`] : []),
    ...faults.binary.filter(() => lost === null).map((path) => `${path} holds NUL bytes`),
    ...faults.faults
      .filter(({ file }) => restored === null || file !== config.main)
      .map(({ file, line, why }) => `${file}:${line}: ${why}`),
  ];
  return change(
    `${reasons.join('; ')}${ownersOf(config, paths)}${notRunning(facts)}${faults.complete ? '' : '; more may show after this, since the host allows no mount namespace'}`,
    withFacts([...written.changes, ...(reload === null ? [] : [reload])], situation),
  );
}

/** What has become of the main file, where nothing of it is left. */
function lostMain(config: SshdConfig): string | null {
  const file = configFile(config, config.main);
  if (file === null) {
    return config.odd.some(({ path, why }) => path === config.main && why !== 'missing')
      ? null
      : 'is missing';
  }
  if (file.text.trim() === '') {
    return 'is empty';
  }
  return file.text.replace(/[\0\s]/g, '') === '' ? 'holds nothing but NUL bytes' : null;
}

const hostKeyComplaint =
  /hostkey|host key|invalid format|permissions .* too open|UNPROTECTED|^@|^It is required|^This private key/i;

/** Complaints that no line answers for. */
function unsolved({ config, faults }: Situation, lost: string | null): ModulePlan | null {
  const odd = config.odd.find(({ path }) => path !== config.main || lost === null);
  if (odd !== undefined) {
    return blocked(
      `${odd.path} of sshd's configuration is ${odd.why === 'missing' ? 'a link to nowhere' : odd.why.replaceAll('-', ' ')}`,
      `Look at ${odd.path} and move it away, then run the same command again.`,
    );
  }
  const left = remaining(config, faults, lost).filter((one) => !hostKeyComplaint.test(one));
  return left.length === 0
    ? null
    : blocked(`sshd -t says what no line of its configuration answers for: ${left.join(' / ')}`);
}

/** What sshd would still say with the main file in its place. */
function remaining(config: SshdConfig, faults: SshdFaults, lost: string | null): string[] {
  return faults.left.filter((one) => lost === null || !one.startsWith(config.main));
}

function originalFor({ config, faults }: Situation): { readonly text: string } | ModulePlan {
  const [original] = faults.originals;
  return original === undefined
    ? blocked(
        `no package keeps a copy of ${config.main} on this host`,
        'Bring the file back by hand: from a backup, or by installing the package of the SSH server again.',
      )
    : { text: original.text };
}

function repaired({ config, faults, runId }: Situation, original: string | null): SshdConfig {
  let now = config;
  if (original !== null) {
    now = withConfigFile(now, config.main, original);
  }
  const files = new Set([...faults.binary, ...faults.faults.map(({ file }) => file)]);
  for (const path of files) {
    const text = configFile(config, path)?.text;
    if (text !== undefined && !(original !== null && path === config.main)) {
      const clean = faults.binary.includes(path) ? text.replaceAll('\0', '') : text;
      const own = faults.faults.filter(({ file }) => file === path);
      now = withConfigFile(now, path, commentOut(clean, own, runId));
    }
  }
  return now;
}

function commentOut(text: string, faults: readonly SshdFault[], runId: string): string {
  const lines = text.split('\n');
  return faults.reduce((now, fault) => {
    const range = Array.from({ length: fault.last - fault.line + 1 }, (_, at) => fault.line + at);
    const changes = range.flatMap((line) => {
      const raw = (lines[line - 1] ?? '').replace(/\r$/, '');
      const why = line === fault.line ? `sshd refused it: ${fault.why}` : 'its Match was refused';
      return /^\s*(?:#|$)/.test(raw)
        ? []
        : [{ line, becomes: `# remedy ${runId}: ${why}: ${raw}` }];
    });
    return replaceLines(now, changes);
  }, text);
}

// The last change to a file leaves sshd content, as far as lines can.
function withFacts(
  changes: readonly Change[],
  { config, faults, facts }: Situation,
): readonly Change[] {
  const sshd = facts.get(sshdRequest);
  const left = remaining(config, faults, lostMain(config));
  const after: Change['factsAfter'] = [
    {
      key: sshdFaultsRequest.key,
      value: { ...faults, faults: [], binary: [], left } satisfies SshdFaults,
    },
    ...(sshd.known && faults.complete
      ? [
          {
            key: sshdRequest.key,
            value: {
              ...sshd.value,
              valid: left.length === 0,
              problem: left.join('\n'),
            },
          },
        ]
      : []),
  ];
  const last = changes.findLastIndex(({ kind }) => kind === 'file');
  return changes.map((one, index) =>
    index === last ? { ...one, factsAfter: [...one.factsAfter, ...after] } : one,
  );
}
