import type { Argv } from './quote.ts';
import type { Text } from './secret-text.ts';

/** What can go wrong by making a change: nothing, a service, or the access we came for. */
export type Risk = 'none' | 'service' | 'access';

/** What a change is about. A playbook's reader and the JSON report both see this word. */
export type ChangeKind =
  | 'file'
  | 'attributes'
  | 'unit'
  | 'rule'
  | 'ban'
  | 'host-key'
  | 'account'
  | 'label';

/** The identity of a file as it was observed: what it must still be when the change is made. */
export interface FileIdentity {
  /** `device:inode` in decimal. */
  readonly inode: string;
  /** Numeric owner, so that a renamed user does not matter. */
  readonly uid: number;
  readonly gid: number;
  /** Permission bits in octal, four digits, as `0600`. */
  readonly mode: string;
}

/**
 * How a change is carried out on the host. Each action is run by one function of the shell runtime
 * in `src/program/runtime.ts`.
 */
export type Action =
  /** Runs a command; exit 0 is success. After a failure `explain` says why on standard output. */
  | {
      readonly type: 'run';
      readonly argv: Argv;
      readonly explain?: Argv;
      /**
       * Of an undo: run besides where the change or its undo was cut off half-way; it brings the live
       * state in line with the tool's files. A command, or a function of the shell runtime.
       */
      readonly mend?: Argv;
    }
  /**
   * Replaces the bytes of a file whose directory root owns: temp beside it, gate, rename. A file that
   * was not there is made, for root alone to read where the change is sensitive; `content` null takes
   * it away.
   */
  | {
      readonly type: 'write';
      readonly path: string;
      /** SHA-256 of the bytes observed, in hex, or null for a file that is not there; else drift. */
      readonly beforeSha256: string | null;
      /** The new bytes, one character each (latin1), so that no byte is lost. */
      readonly content: Text | null;
      /** Run with the candidate's path appended; a non-zero exit keeps the old file. */
      readonly gate?: Argv;
    }
  /**
   * Sets owner and mode of one entry that a hostile user may be swapping meanwhile. The shell enters
   * `directory` and compares its identity; a directory is then changed as `.`, a file by `chown -h`
   * and, as its owner, by chmod, so that no link gives root's power away.
   */
  | {
      readonly type: 'attributes';
      readonly directory: string;
      /** `device:inode` that `directory` must still have. */
      readonly directoryInode: string;
      /** A single path component, or `.` for the directory itself. */
      readonly name: string;
      readonly before: FileIdentity;
      readonly uid: number;
      readonly gid: number;
      readonly mode: string;
    }
  /**
   * Makes a running sshd read its configuration: `sshd -t`, then a reload, never a restart; then looks
   * whether it lives and listens on `ports`, since a reload that ends well proves nothing. A unit that
   * does not run is left alone. As an undo it also starts a daemon that died.
   */
  | { readonly type: 'sshd-reload'; readonly unit: string; readonly ports: readonly number[] }
  /**
   * Makes a socket unit that owns the listener take its new addresses: daemon-reload, reset-failed,
   * stop of the service, restart of the socket. Sessions live on; for a moment nothing listens.
   */
  | {
      readonly type: 'socket-restart';
      readonly socket: string;
      readonly service: string;
      readonly ports: readonly number[];
    }
  /**
   * Stops a unit of sshd. The folder that its sshd shuts itself into stays where another sshd still
   * runs: systemd takes it away with the unit, and no sshd takes logins without it.
   */
  | { readonly type: 'sshd-stop'; readonly unit: string }
  /** Deletes the nft rules of one chain that carry a comment of ours. */
  | {
      readonly type: 'nft-delete';
      readonly family: string;
      readonly table: string;
      readonly chain: string;
      readonly comment: string;
    }
  /** Takes an admission out of a firewalld zone; where firewalld is down, out of its files. */
  | {
      readonly type: 'firewalld-remove';
      readonly place: 'runtime' | 'permanent';
      readonly zone: string;
      /** The option of firewall-cmd(1), as `--remove-port=22/tcp`. */
      readonly removal: string;
    }
  /** Moves a file to a place where nothing is; one that is moved already stays. */
  | { readonly type: 'move'; readonly from: string; readonly to: string }
  /** Creates a host key pair; an existing bad pair is moved aside first and kept. */
  | {
      readonly type: 'host-key';
      readonly path: string;
      readonly keyType: 'rsa' | 'ecdsa' | 'ed25519';
      /** Suffix for the pair that is moved aside, or null where there is none. */
      readonly aside: string | null;
    };

/** How a change is taken back: an action, or the reason why it cannot be. */
export type Undo =
  | Action
  | { readonly type: 'snapshot' }
  | { readonly type: 'none'; readonly why: string };

/** A new value for a fact, as a change leaves it, so that later steps plan on it. */
export interface FactAfter {
  /** The key of the fact request, from `factKey`. */
  readonly key: string;
  readonly value: unknown;
}

/** One typed difference between the host and what a step asks for. */
export interface Change {
  readonly kind: ChangeKind;
  /** What is changed, as people name it: a path, a unit, `ufw`, `zone public (permanent)`. */
  readonly target: string;
  /** One line: what the change does. */
  readonly summary: string;
  /** State before and after, as text people read; the diff is made of these two. */
  readonly before: Text;
  readonly after: Text;
  readonly action: Action;
  /** A read-only command that exits 0 when the change holds, or null where `action` proves it. */
  readonly holds: Argv | null;
  readonly undo: Undo;
  readonly risk: Risk;
  /**
   * True where before, after and content must be seen by nobody: they are shown and stored as digests,
   * the content is on the host only until the change is made, and what its commands say is not heard.
   * `summary`, `target` and argv are seen by everybody all the same.
   */
  readonly sensitive: boolean;
  readonly factsAfter: readonly FactAfter[];
  /** Keys of facts that nobody can foresee after this change. */
  readonly invalidates: readonly string[];
}
