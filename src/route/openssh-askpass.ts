import { createServer, type Server, type Socket } from 'node:net';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Secret } from '../core/secret.ts';

/** What an OpenSSH client wants to be told. */
export interface AskpassQuestion {
  /** As the client words it; parts of it may come from the server. Not cleaned. */
  readonly prompt: string;
  /** `none`: only to be shown, for as long as the client waits; `confirm`: a yes or a no. */
  readonly kind: string;
  /** The process that asks: the client itself, or the one that it started for a jump host. */
  readonly parent: number;
}

/** Where the questions of one client go. */
export interface AskpassHandler {
  /** Null refuses. */
  answer(question: AskpassQuestion): Promise<Secret | null>;
  /** Shows a text; `gone` settles when it need not be shown any longer. */
  show(question: AskpassQuestion, gone: Promise<void>): void;
}

const maxQuestionBytes = 64 * 1024;

/**
 * Answers the questions of one OpenSSH client. The client starts `bin/askpass.js`, which asks here over
 * a socket in a folder that nobody else may enter: a secret is in no argument, environment or file.
 */
export class Askpass {
  readonly #socketPath: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(socketPath: string, handler: AskpassHandler) {
    this.#socketPath = socketPath;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      void serve(socket, handler);
    });
  }

  /** Begins to listen. */
  async listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#socketPath, resolve);
    });
  }

  /** The environment that makes the client ask here. It holds no secret. */
  environment(
    own: Readonly<Record<string, string | undefined>>,
  ): Record<string, string | undefined> {
    return {
      ...own,
      SSH_ASKPASS: fileURLToPath(new URL('../../bin/askpass.js', import.meta.url)),
      SSH_ASKPASS_REQUIRE: 'force',
      REMEDY_ASKPASS_SOCKET: this.#socketPath,
      // Clients before 8.4 do not know SSH_ASKPASS_REQUIRE; they look for a display.
      DISPLAY: own['DISPLAY'] || 'none:0',
      // Last, for a node that is not found otherwise.
      PATH: [own['PATH'], dirname(process.execPath)].filter(Boolean).join(delimiter),
    };
  }

  /** Stops; who still waits for an answer is refused. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

async function serve(socket: Socket, handler: AskpassHandler): Promise<void> {
  const question = await readQuestion(socket);
  if (question === null) {
    socket.end('-\n');
    return;
  }
  if (question.kind === 'none') {
    const gone = new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
    });
    handler.show(question, gone);
    return;
  }
  const secret = await handler.answer(question).catch(() => null);
  const text = secret?.reveal() ?? null;
  // A newline would end the answer early.
  socket.end(text === null || /[\r\n\0]/.test(text) ? '-\n' : `+${text}\n`);
}

async function readQuestion(socket: Socket): Promise<AskpassQuestion | null> {
  let text = '';
  return new Promise((resolve) => {
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0 || text.length > maxQuestionBytes) {
        resolve(end < 0 ? null : parseQuestion(text.slice(0, end)));
      }
    });
    socket.once('close', () => resolve(null));
  });
}

function parseQuestion(text: string): AskpassQuestion | null {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== 'object' || found === null) {
      return null;
    }
    const { prompt, kind, parent } = { prompt: '', kind: '', parent: 0, ...found };
    return typeof prompt === 'string' && typeof kind === 'string' && typeof parent === 'number'
      ? { prompt, kind, parent }
      : null;
  } catch {
    return null;
  }
}
