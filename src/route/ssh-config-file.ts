import { cleanLine } from '../core/clean.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { matchPattern, matchPatternList } from '../facts/sshd-match.ts';
import { parseDirective, type Directive } from '../facts/sshd-words.ts';
import { configText, includedFiles } from './ssh-config-include.ts';
import { changesWay, isYes, kindOf, usualKeys, wrongValue } from './ssh-config-keywords.ts';
import type { SshConfig } from './ssh-config.ts';

/** What a configuration is read for: as `SshConfigQuery`, without a client. */
export interface FileQuery {
  readonly host: string;
  readonly user: string | null;
  readonly port: number | null;
  /** Read in place of the user's and the system's configuration, or null. */
  readonly configFile: string | null;
  readonly homeDirectory: string;
  readonly localUser: string;
  readonly localUserId: string;
}

/** What the files say about a host, and sentences about what in them was not read. */
export interface ConfigOfFiles {
  readonly config: SshConfig;
  readonly notices: readonly string[];
}

/** READCONF_MAX_DEPTH of OpenSSH. */
const maxDepth = 16;

/**
 * Reads the user's and the system's ssh configuration where no client is installed to do it: the
 * keywords of ssh_config(5) that say where a host is and how to log in to it. What would change the
 * way in and is not read is named. No library was found that says where a line stands, follows
 * Include, and starts no command.
 *
 * @returns why it cannot be read, in one clause, where ssh would refuse it.
 */
export function readSshConfig(query: FileQuery): Result<ConfigOfFiles, string> {
  const reader = new Reader(query);
  try {
    reader.pass(false);
    if (reader.wantsFinal) {
      reader.pass(true);
    }
    return ok({ config: reader.config, notices: [...reader.notices] });
  } catch (error) {
    if (error instanceof BadConfig) {
      return fail(error.message);
    }
    throw error;
  }
}

class BadConfig extends Error {}

/** A file, or a part of one, while it is read. */
interface Scope {
  readonly file: string;
  /** The folder that relative names of Include are in. */
  readonly folder: string;
  /** The user's own: `~` may be used. */
  readonly isUsers: boolean;
  /** Nobody else may be able to write it. */
  readonly mustBeSafe: boolean;
  readonly depth: number;
  /** False inside an Include of a block that does not match. */
  readonly mayMatch: boolean;
}

class Reader {
  readonly #query: FileQuery;
  readonly #values = new Map<string, readonly string[]>();
  readonly #identities = new Set<string>();
  readonly notices = new Set<string>();
  wantsFinal = false;
  #isFinal = false;

  constructor(query: FileQuery) {
    this.#query = query;
    if (query.user !== null) {
      this.#values.set('user', [query.user]);
    }
    if (query.port !== null) {
      this.#values.set('port', [String(query.port)]);
    }
  }

  /** Reads all files once; the final time for the blocks that hold last of all. */
  pass(isFinal: boolean): void {
    const { configFile, homeDirectory } = this.#query;
    this.#isFinal = isFinal;
    if (isFinal) {
      this.#values.set('hostname', [this.#hostname.replaceAll('%', '%%')]);
    }
    const folder = `${homeDirectory}/.ssh`;
    const whole = { depth: 0, mayMatch: true };
    if (configFile !== null) {
      this.#read({ file: configFile, folder, isUsers: true, mustBeSafe: false, ...whole });
      return;
    }
    this.#read({ file: `${folder}/config`, folder, isUsers: true, mustBeSafe: true, ...whole });
    const system = '/etc/ssh';
    const file = `${system}/ssh_config`;
    this.#read({ file, folder: system, isUsers: false, mustBeSafe: false, ...whole });
  }

  get config(): SshConfig {
    const one = (keyword: string): string | null => this.#values.get(keyword)?.[0] ?? null;
    const { homeDirectory, localUser } = this.#query;
    const usual = usualKeys.map((name) => `~/.ssh/${name}`);
    const joined = (keyword: string, otherwise: readonly string[]): string =>
      (this.#values.get(keyword) ?? otherwise).join(' ');
    return {
      hostname: this.#hostname,
      user: one('user') ?? localUser,
      port: one('port') ?? '22',
      identityFiles: (this.#identities.size === 0 ? usual : [...this.#identities]).filter(
        (file) => file.toLowerCase() !== 'none',
      ),
      identitiesOnly: isYes(one('identitiesonly')),
      identityAgent: one('identityagent'),
      hostKeyAlias: one('hostkeyalias'),
      userKnownHostsFile: joined('userknownhostsfile', [
        `${homeDirectory}/.ssh/known_hosts`,
        `${homeDirectory}/.ssh/known_hosts2`,
      ]),
      globalKnownHostsFile: joined('globalknownhostsfile', [
        '/etc/ssh/ssh_known_hosts',
        '/etc/ssh/ssh_known_hosts2',
      ]),
      hashKnownHosts: isYes(one('hashknownhosts')),
      proxyJump: unlessNone(one('proxyjump')),
      proxyCommand: unlessNone(one('proxycommand')),
      opensshOnly: unlessNone(one('revokedhostkeys')) === null ? [] : ['revokedhostkeys'],
    };
  }

  /** The name to connect to; only `%h` and `%%` may stand in a HostName. */
  get #hostname(): string {
    const { host } = this.#query;
    const set = this.#values.get('hostname')?.[0];
    return (set ?? host).replace(/%[%h]/g, (token) => (token === '%%' ? '%' : host)).toLowerCase();
  }

  #read(scope: Scope): void {
    const text = configText(scope.file, scope.mustBeSafe ? this.#query.localUserId : null);
    if (!text.ok) {
      throw new BadConfig(text.error);
    }
    let isActive = scope.mayMatch;
    for (const [index, line] of (text.value ?? '').split('\n').entries()) {
      const directive = parseDirective(line, null);
      if (directive === null) {
        continue;
      }
      const place = `${scope.file}, line ${index + 1}`;
      if (directive.fault !== null) {
        const why = directive.fault === 'quotes' ? 'a quote is not closed' : 'there is no value';
        throw new BadConfig(`${place}: ${why}`);
      }
      if (directive.keyword === 'host') {
        isActive = scope.mayMatch && matchesHost(directive.args, this.#query.host);
      } else if (directive.keyword === 'match') {
        isActive = this.#matches(directive.args, place, scope.mayMatch);
      } else if (directive.keyword === 'include') {
        this.#include(directive.args, { ...scope, mayMatch: isActive }, place);
      } else {
        this.#set(directive, place, isActive);
      }
    }
  }

  #include(words: readonly string[], scope: Scope, place: string): void {
    const { homeDirectory } = this.#query;
    if (scope.depth >= maxDepth) {
      throw new BadConfig(`${place}: the files include each other too deep`);
    }
    for (const word of words) {
      if (word.startsWith('~') && !scope.isUsers) {
        throw new BadConfig(`${place}: ~ cannot be used in a file of the system`);
      }
      if (/^~[^/]/.test(word) || /[%$]/.test(word)) {
        if (scope.mayMatch) {
          this.#notRead(place, `Include ${word}`);
        }
        continue;
      }
      const whole = word.startsWith('~') ? homeDirectory + word.slice(1) : word;
      const pattern = whole.startsWith('/') ? whole : `${scope.folder}/${whole}`;
      for (const file of includedFiles(pattern)) {
        this.#read({ ...scope, file, mustBeSafe: scope.isUsers, depth: scope.depth + 1 });
      }
    }
  }

  #set({ keyword, args, rest }: Directive, place: string, isActive: boolean): void {
    const kind = kindOf(keyword);
    const wrong = wrongValue(keyword, args);
    if (wrong !== null) {
      throw new BadConfig(`${place}: ${wrong}`);
    }
    if (!isActive) {
      return;
    }
    if (kind === 'unread') {
      if (changesWay(keyword, rest)) {
        this.#notRead(place, keyword);
      }
    } else if (keyword === 'identityfile') {
      this.#identities.add(args[0] ?? '');
    } else if (kind === 'way') {
      // The first of the two holds, whichever it is.
      if (!this.#values.has('proxycommand') && !this.#values.has('proxyjump')) {
        this.#values.set(keyword, [rest]);
      }
    } else if (kind === 'read' && !this.#values.has(keyword)) {
      this.#values.set(keyword, args);
    }
  }

  #matches(words: readonly string[], place: string, mayMatch: boolean): boolean {
    let holds = mayMatch;
    const unread: string[] = [];
    let conditions = 0;
    for (let at = 0; at < words.length; at += 1) {
      const word = words[at] ?? '';
      const negated = word.startsWith('!');
      const name = word.slice(negated ? 1 : 0).toLowerCase();
      if (name === 'all' && (conditions > 1 || at + 1 < words.length)) {
        throw new BadConfig(`${place}: "all" cannot stand with other conditions`);
      }
      conditions += 1;
      let found = true;
      if (name === 'final' || name === 'canonical') {
        this.wantsFinal ||= name === 'final';
        found = this.#isFinal;
      } else if (name !== 'all') {
        at += 1;
        const list = words[at];
        if (list === undefined) {
          throw new BadConfig(`${place}: ${cleanLine(name, 40)} has no value`);
        }
        const subject = this.#subject(name);
        if (subject === null) {
          unread.push(name);
          continue;
        }
        found =
          matchPatternList(subject.text, subject.fold ? list.toLowerCase() : list) === 'match';
      }
      holds &&= found !== negated;
    }
    if (holds && unread.length > 0) {
      this.#notRead(place, `Match ${unread.join(', ')}`);
    }
    return holds && unread.length === 0;
  }

  #subject(name: string): { readonly text: string; readonly fold: boolean } | null {
    const { host, localUser } = this.#query;
    switch (name) {
      case 'host':
        return { text: this.#hostname, fold: true };
      case 'originalhost':
        return { text: host.toLowerCase(), fold: true };
      case 'user':
        return { text: this.#values.get('user')?.[0] ?? localUser, fold: false };
      case 'localuser':
        return { text: localUser, fold: false };
      default:
        return null;
    }
  }

  #notRead(place: string, what: string): void {
    this.notices.add(
      `${place}: ${cleanLine(what, 80)} is not read, since no OpenSSH client is installed here.`,
    );
  }
}

function matchesHost(patterns: readonly string[], host: string): boolean {
  const takes = (pattern: string): boolean => matchPattern(host, pattern.replace(/^!/, ''));
  return (
    patterns.some((one) => !one.startsWith('!') && takes(one)) &&
    !patterns.some((one) => one.startsWith('!') && takes(one))
  );
}

function unlessNone(value: string | null): string | null {
  return value === null || value === '' || value.toLowerCase() === 'none' ? null : value;
}
