import { cleanLine } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import type { Remembered } from '../route/openssh-answers.ts';
import { OpensshClient, type OpensshOptions } from '../route/openssh-client.ts';
import { readOpensshLog, type OpensshLog } from '../route/openssh-log.ts';
import type { OpensshTarget } from '../route/openssh-options.ts';
import type { Exit } from '../route/route.ts';
import { shellMissingFailure } from '../route/shell-failure.ts';
import { targetName } from '../route/ssh-connect.ts';
import { interruptedFailure } from '../route/ssh-failure.ts';
import type { LoginProof } from './login.ts';

/**
 * Logs in once by the OpenSSH client, over a connection of its own, and runs `true`. Its status says that
 * the login was made: `true` ends with 0, an error of the client never does. Nothing is stored.
 */
export async function proveOpensshLogin(
  way: OpensshTarget,
  signal: AbortSignal,
  options: OpensshOptions & { readonly remembered: Remembered },
): Promise<LoginProof> {
  const started = await OpensshClient.start(
    way,
    { ...options, acceptNewHostKey: false },
    { command: 'true', remembered: options.remembered },
  );
  if (!started.ok) {
    return { level: 'none', by: '', byKey: false, failure: started.error };
  }
  const client = started.value;
  for (const stream of [client.channel.stdout, client.channel.stderr]) {
    stream.on('error', () => {});
    stream.pipe(client.said.filter());
  }
  client.channel.stdin.on('error', () => {});
  client.channel.stdin.end();
  const over = new AbortController();
  const first = await Promise.race([
    client.channel.ended,
    client.tooLong(AbortSignal.any([signal, over.signal])),
  ]);
  over.abort();
  await client.close();
  const log = readOpensshLog(await client.readLog());
  if (typeof first === 'object' && first.type === 'code' && first.code === 0) {
    return { level: 'login', ...describeLogin(way, log, client.typed), failure: null };
  }
  // A password that was not taken is not typed again unasked.
  options.remembered.clear();
  const by =
    log.ident ??
    (log.reached === 'listener' ? `port ${way.target.port} accepted the connection` : '');
  const failure = signal.aborted ? interruptedFailure() : await whyNot(way, client, { log, first });
  return { level: log.reached, by, byKey: false, failure };
}

async function whyNot(
  { target }: OpensshTarget,
  client: OpensshClient,
  { log, first }: { readonly log: OpensshLog; readonly first: Exit | number },
): Promise<Failure> {
  const exit = typeof first === 'object' ? first : null;
  return log.loginBy === null
    ? client.failure(exit === null ? Number(first) : null)
    : shellMissingFailure(targetName(target), exit, client.said.text);
}

function describeLogin(
  { target }: OpensshTarget,
  log: OpensshLog,
  typed: boolean,
): Pick<LoginProof, 'by' | 'byKey'> {
  const isKey = log.loginBy === 'publickey';
  const method = isKey ? (log.accepted ?? 'key') : (log.loginBy ?? 'the OpenSSH client');
  return { by: cleanLine(`${target.user} with ${method}`, 300), byKey: isKey && !typed };
}
