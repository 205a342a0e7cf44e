import type { Readable, Writable } from 'node:stream';
import type { Exit } from './route.ts';

/** A command on the other side and its three streams. Both outputs must always be read. */
export interface Channel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles once, when the command has ended and its output was delivered, or is lost. */
  readonly ended: Promise<Exit>;
  /** Ends the channel at once. `ended` is then `lost`, if nothing else came first. */
  close(): void;
}
