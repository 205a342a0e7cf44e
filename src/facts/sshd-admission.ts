import type { ConfigLine } from './sshd-config-lines.ts';
import { valuesOf, type Effective, type Setting } from './sshd-effective.ts';
import { matchGroups, matchUser, type Judgement, type SshClient } from './sshd-match.ts';

/** The four lists that say who may log in, in the order sshd asks them. */
export const admissionLists = ['denyusers', 'allowusers', 'denygroups', 'allowgroups'] as const;

/** One of them. */
export type AdmissionList = (typeof admissionLists)[number];

/** A list that keeps a login out, or of which nobody can tell whether it does. */
export interface Refusal {
  readonly list: AdmissionList;
  readonly certain: boolean;
  /** The words of the list that refuse the login; empty where it is missing from an Allow list. */
  readonly words: readonly string[];
  /** The lines of those words, or all lines of the Allow list. */
  readonly lines: readonly ConfigLine[];
  /** For what is not certain. */
  readonly because: string;
}

/**
 * The lists that keep a client out: allowed_user() of OpenSSH's auth.c. All four must let a login
 * pass; one that is empty does.
 */
export function refusals(settings: Effective, client: SshClient): Refusal[] {
  const useDns = valuesOf(settings.get('usedns'))[0] === 'yes';
  return admissionLists.flatMap((list) => {
    const found = judgeList(list, settings.get(list), client, useDns);
    return found === null ? [] : [found];
  });
}

function judgeList(
  list: AdmissionList,
  setting: Setting,
  client: SshClient,
  useDns: boolean,
): Refusal | null {
  if ('unknown' in setting) {
    return { list, certain: false, words: [], lines: [], because: setting.unknown };
  }
  if (setting.by === 'default' || setting.values.length === 0) {
    return null;
  }
  const verdicts = setting.lines.flatMap((line) =>
    line.args.map((word) => ({ line, word, judged: judgeWord(list, word, client, useDns) })),
  );
  const hits = verdicts.filter(({ judged }) => judged.holds === true);
  const doubt = verdicts.find(({ judged }) => judged.holds === null)?.judged;
  const because = doubt !== undefined && doubt.holds === null ? doubt.because : '';
  if (list.startsWith('deny')) {
    return hits.length === 0 && because === ''
      ? null
      : {
          list,
          certain: hits.length > 0,
          words: hits.map(({ word }) => word),
          lines: [...new Set(hits.map(({ line }) => line))],
          because,
        };
  }
  return hits.length > 0
    ? null
    : { list, certain: because === '', words: [], lines: setting.lines, because };
}

function judgeWord(
  list: AdmissionList,
  word: string,
  client: SshClient,
  useDns: boolean,
): Judgement {
  return list.endsWith('users') ? matchUser(client, word, useDns) : matchGroups(client, [word]);
}

/** `/etc/ssh/sshd_config:12: AllowUsers alice` and why that keeps a login out, for people. */
export function describeRefusal(refusal: Refusal, user: string): string {
  const where = refusal.lines.map(({ file, line }) => `${file}:${line}`).join(', ');
  if (!refusal.certain) {
    return `${names[refusal.list]}: ${refusal.because}`;
  }
  switch (refusal.list) {
    case 'denyusers':
      return `${user} is listed in DenyUsers (${refusal.words.join(' ')} at ${where})`;
    case 'allowusers':
      return `${user} is not listed in AllowUsers (${where})`;
    case 'denygroups':
      return `a group of ${user} is listed in DenyGroups (${refusal.words.join(' ')} at ${where})`;
    case 'allowgroups':
      return `none of the groups of ${user} is listed in AllowGroups (${where})`;
  }
}

const names: Readonly<Record<AdmissionList, string>> = {
  denyusers: 'DenyUsers',
  allowusers: 'AllowUsers',
  denygroups: 'DenyGroups',
  allowgroups: 'AllowGroups',
};
