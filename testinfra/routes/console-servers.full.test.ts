import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installTools, openLab, type Lab, type LabHost, type Running } from '../support/lab.ts';
import { endpointFlags, hostOf, runWith, type Ran } from '../support/remedy.ts';

// A console server between remedy and the console: what it says, what it keeps for itself, and how many
// it lets in.

let lab: Lab;
const password = 'Ohb4ooL1 x';
// In the lab's own network, so nobody else has it.
const port = 7820;

beforeAll(async () => {
  await installTools('conserver:conserver-server', 'console:conserver-client');
  lab = await openLab();
});

afterAll(async () => {
  await lab.down();
});

/** A conserver with one console, that of the host; the controller's client knows where it is. */
async function serve(host: LabHost): Promise<Running> {
  const nothing = await lab.ctl.writeFile('conserver/passwd', '');
  const file = await lab.ctl.writeFile(
    'conserver/conserver.cf',
    `config * { sslrequired no; primaryport ${port}; secondaryport 0; passwdfile ${nothing}; }
default full { rw *; }
access * { trusted 127.0.0.1; }
console ${host.name} {
  include full; master 127.0.0.1; type exec; execsubst ""; logfile /dev/null;
  exec ${host.consoleCommand};
}
`,
  );
  await lab.ctl.writeFile(
    '.consolerc',
    `config * { master 127.0.0.1; port ${port}; sslenabled no; sslrequired no; }\n`,
  );
  const argv = ['conserver', '-C', file, '-M', '127.0.0.1', '-p', String(port), '-u'];
  const server = lab.ctl.start(argv, { timeoutMs: 600_000 });
  await expect
    .poll(async () => (await lab.ctl.run(['console', '-u'])).stdout, { timeout: 20_000 })
    .toContain(host.name);
  return server;
}

async function startSshd(host: LabHost, log: string): Promise<Ran> {
  const endpoint = endpointFlags(lab, host, { exec: false });
  const ways = ['--console', `conserver:${host.name}`, '--console-log', log];
  const options = { env: { REMEDY_CONSOLE_PASSWORD: password }, timeoutMs: 240_000 };
  return runWith(lab, ['start-sshd', '--yes', ...endpoint, ...ways], options);
}

test('conserver: repaired through it; a console that somebody else writes on is left alone', async () => {
  const host = await lab.up('web');
  await host.exec(['chpasswd'], { stdin: `root:${password}\n` });
  await host.read('systemctl stop ssh && systemctl mask ssh');
  const server = await serve(host);
  const log = join(lab.ctl.home, 'web.log');

  const other = lab.ctl.start(['console', host.name], { timeoutMs: 120_000 });
  await expect
    .poll(async () => (await lab.ctl.run(['console', '-w', host.name])).stdout, { timeout: 20_000 })
    .toContain('attach');
  const busy = await startSshd(host, log);
  expect(busy.status).toBe(4);
  expect(hostOf(busy.document).failure).toMatchObject({ code: 'console-busy' });
  expect(await readFile(log, 'latin1')).not.toMatch(/^> /m);
  other.kill('SIGTERM');
  await other.done;

  const real = await startSshd(host, log);
  expect(real.status, JSON.stringify(hostOf(real.document).failure)).toBe(0);
  expect(hostOf(real.document)).toMatchObject({ outcome: 'changed', proof: { level: 'login' } });
  const transcript = await readFile(log, 'latin1');
  expect(transcript).not.toContain(password);
  expect(transcript).toMatch(/login: "\n$/);
  server.kill('SIGTERM');
  await server.done;
});
