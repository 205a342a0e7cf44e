import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ServerChannel } from 'ssh2';
import { Secret } from '../../../src/core/secret.ts';
import type { HostKey } from '../../../src/route/known-hosts.ts';
import { hostKeyFromBlob } from '../../../src/route/known-hosts.ts';
import type { SshTarget } from '../../../src/route/target.ts';

/** A key pair as ssh2 makes it: the private part in OpenSSH format. */
export interface KeyPair {
  readonly private: string;
  readonly public: string;
  readonly hostKey: HostKey;
}

export function makeKey(
  type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519',
  passphrase?: string,
): KeyPair {
  const common = passphrase === undefined ? {} : { passphrase, cipher: 'aes256-ctr', rounds: 4 };
  const bits = type === 'ecdsa' ? { bits: 256 } : type === 'rsa' ? { bits: 2048 } : {};
  const pair = ssh2.utils.generateKeyPairSync(type as 'rsa', { ...bits, ...common } as never);
  if (ssh2.utils.parseKey(pair.public) instanceof Error) {
    // ssh2 drops a leading zero byte of an ed25519 key: one pair in 256 is broken.
    return makeKey(type, passphrase);
  }
  const hostKey = hostKeyFromBlob(Buffer.from(pair.public.split(' ')[1] ?? '', 'base64'));
  if (hostKey === null) {
    throw new Error('no key was made');
  }
  return { private: pair.private, public: pair.public, hostKey };
}

/** What a test server does; everything else is refused. */
export interface ServerOptions {
  readonly hostKeys: readonly KeyPair[];
  /** Shown before the login, and what the server calls itself. */
  readonly banner?: string;
  readonly ident?: string;
  readonly authenticate: (context: AuthContext) => void;
  /** Takes the place of making a forwarded connection. */
  readonly onForward?: () => void;
  /** Runs commands; by default each is given to the local `sh`. */
  readonly onExec?: (channel: ServerChannel, command: string, connection: Connection) => void;
}

export interface TestServer {
  readonly port: number;
  readonly connections: Connection[];
  /** `method` and, for a key, its blob in base64, of each try. */
  readonly tries: string[];
  close(): Promise<void>;
}

/** A host key that is shown, while the private half belongs to another one. */
export function forgeKey(shown: KeyPair): KeyPair {
  const [key] = [ssh2.utils.parseKey(makeKey().private)].flat();
  if (key === undefined || key instanceof Error) {
    throw new Error('no key was made');
  }
  key.getPublicSSH = () => Buffer.from(shown.hostKey.base64, 'base64');
  // ssh2 takes a parsed key where its types want text.
  return { ...shown, private: { key } as unknown as string };
}

/** An SSH server in this process, on a free port of 127.0.0.1. */
export async function startServer(options: ServerOptions): Promise<TestServer> {
  const connections: Connection[] = [];
  const tries: string[] = [];
  const server = new ssh2.Server(
    {
      hostKeys: options.hostKeys.map((key) => key.private),
      ...(options.banner === undefined ? {} : { banner: options.banner }),
      ...(options.ident === undefined ? {} : { ident: options.ident }),
    },
    (connection) => {
      connections.push(connection);
      connection.on('error', () => {});
      connection.on('authentication', (context) => {
        tries.push(
          context.method === 'publickey'
            ? `publickey ${context.key.data.toString('base64')}`
            : context.method,
        );
        options.authenticate(context);
      });
      connection.on('ready', () => serve(connection, options));
    },
  );
  // sshd has Nagle off, too.
  const inner = Reflect.get(server, '_srv') as Server;
  inner.on('connection', (socket) => socket.setNoDelay(true));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    tries,
    close: async () => {
      for (const connection of connections) {
        connection.end();
      }
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function serve(connection: Connection, options: ServerOptions): void {
  connection.on('session', (accept) => {
    const session = accept();
    session.on('exec', (acceptExec, _reject, info) => {
      const channel = acceptExec();
      const run = options.onExec ?? ((to, command) => runLocally(to, command));
      run(channel, info.command, connection);
    });
  });
  connection.on('tcpip', (accept, reject, info) => {
    if (options.onForward !== undefined) {
      options.onForward();
      return;
    }
    const socket = connect({ port: info.destPort, host: info.destIP, noDelay: true });
    socket.once('connect', () => {
      const stream = accept();
      stream.on('error', () => {});
      socket.pipe(stream).pipe(socket);
      stream.on('close', () => socket.destroy());
      stream.on('finish', () => stream.close());
    });
    socket.once('error', () => reject());
  });
}

/** Gives a command to the local `sh`, as sshd gives it to a login shell. */
export function runLocally(
  channel: ServerChannel,
  command: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): void {
  const child = spawn('sh', ['-c', command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...environment, SSH_CONNECTION: '192.0.2.7 40000 198.51.100.1 22' },
  });
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.stdin.on('error', () => {});
  channel.on('error', () => {});
  child.on('close', (code, signal) => {
    if (code === null) {
      channel.exit((signal ?? 'SIGTERM').slice(3) as never);
    } else {
      channel.exit(code);
    }
    channel.end();
  });
  channel.on('close', () => child.kill());
}

/** Accepts one key and refuses the rest, with the given methods left. */
export function acceptKey(
  key: KeyPair,
  methods: readonly string[] = ['publickey'],
): (context: AuthContext) => void {
  return (context) => {
    if (
      context.method !== 'publickey' ||
      context.key.data.toString('base64') !== key.hostKey.base64
    ) {
      context.reject(methods as never);
      return;
    }
    const parsed = ssh2.utils.parseKey(key.public);
    const [publicKey] = [parsed].flat();
    const proven =
      context.signature === undefined ||
      (publicKey !== undefined &&
        !(publicKey instanceof Error) &&
        publicKey.verify(context.blob as Buffer, context.signature, context.hashAlgo));
    if (proven) {
      context.accept();
    } else {
      context.reject();
    }
  };
}

/** Accepts one password, by either method that carries one. */
export function acceptPassword(
  password: string,
  seen: string[] = [],
): (context: AuthContext) => void {
  return (context) => {
    if (context.method === 'password') {
      seen.push(context.password);
      if (context.password === password) {
        context.accept();
        return;
      }
    }
    context.reject(['password'] as never);
  };
}

/** A target on 127.0.0.1 with nothing to offer; a test fills in what it is about. */
export function makeTarget(port: number, more: Partial<SshTarget> = {}): SshTarget {
  return {
    host: '127.0.0.1',
    name: '127.0.0.1',
    address: '127.0.0.1',
    port,
    user: 'tester',
    identities: [],
    defaultIdentities: [],
    identitiesOnly: false,
    agentSocket: null,
    hostKeyAlias: null,
    knownHostsFiles: [],
    newKeysFile: null,
    hashKnownHosts: false,
    jump: [],
    password: null,
    askPassword: async () => null,
    passphrase: async () => null,
    ...more,
  };
}

export function secret(value: string): Secret {
  return new Secret(value);
}
