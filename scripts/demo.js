// npm run demo: a host is locked out, and remedy gets back in. All of it happens in a lab of its own.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, setUp } from './setup.js';

const lab = 'testinfra/lab';
const ctl = `${lab} run ctl --`;
const sideDoor = `--exec '${lab} exec web1 sh'`;
const login = `${ctl} ssh -o ConnectTimeout=2 root@web1 hostname`;
const remedy = `${ctl} bin/remedy.js run open-port --host web1 ${sideDoor}`;

// A lab of its own: nothing that runs in another one is touched. Named as a test's, so that the next
// test run removes it if this process is killed.
const id = `t${process.pid}-${randomBytes(4).toString('hex')}`;
const env = { ...process.env, REMEDY_LAB: id };
let running = null;
let interrupted = false;

class Stopped extends Error {}

async function main() {
  setUp();
  const missing = await whyNoHosts();
  if (missing !== null) {
    await lookOnly(missing);
    return;
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => interrupt(signal));
  }
  // Nobody reads any more, as after `| head`.
  process.stdout.on('error', () => interrupt('SIGTERM'));
  try {
    await repairAHost();
  } finally {
    await cleanUp();
  }
}

async function repairAHost() {
  tell(
    'This demo boots a small Debian host, locks you out of it, and lets remedy get you back in.',
  );
  tell(
    'The host lives in namespaces of this machine, on a network of its own; all of it goes at the end.',
  );

  title('1. A host that works');
  tell('The first time, its Debian system is built: that takes a minute or two.');
  await must(`${lab} setup --root debian12`);
  await must(`${lab} up web1`);
  knowTheHost(await answer(`${lab} known-hosts`), await answer(`${lab} info ctl`));
  tell('You sit at `ctl`, another machine of the lab. From there you can log in to web1:');
  await must(login);

  title('2. Locked out');
  tell('Now the firewall ufw is switched on. Nobody thought of a rule for SSH.');
  await must(`${lab} break web1 ufw-enable`);
  await mustFail(login);
  tell('That is all you see from outside: no answer.');

  title('3. Look first');
  tell(
    'A console of web1 still works: here it is `testinfra/lab exec web1 sh`, elsewhere it could be',
  );
  tell('`docker exec`, a serial console or another SSH port. remedy gets it as --exec.');
  tell('A dry run shows what is wrong and what would be changed. It leaves nothing on the host.');
  await must(`${remedy} --dry-run`);

  title('4. Repair');
  tell('The same again, without --dry-run. remedy proves the result by a fresh SSH login.');
  await must(`${remedy} --yes`);
  tell('SSH answers again:');
  await must(login);

  title('5. Once more');
  tell('A host that is right is left alone:');
  await must(`${remedy} --yes`);
  tell('Next: node bin/remedy.js list, and node bin/remedy.js run --help');
}

// So that ssh and remedy know the host's keys without a word on the command line.
function knowTheHost(knownHosts, info) {
  const home = /^home=(.*)$/m.exec(info)[1];
  copyFileSync(knownHosts.trim(), join(home, '.ssh/known_hosts'));
}

async function lookOnly(missing) {
  tell(
    'The demo boots a host, locks it and repairs it. That needs Linux and root, and cannot be done here:',
  );
  tell(`    ${missing}`);
  tell('Instead, remedy looks at this machine. A dry run only reads:');
  const status = await show('node bin/remedy.js run open-port --local --host localhost --dry-run');
  if (status !== 0) {
    tell(`remedy ended with status ${status}, and says why above. Nothing was changed.`);
    tell('To see the whole demo, run it as root on Linux: sudo npm run demo');
  }
}

async function whyNoHosts() {
  if (process.platform !== 'linux') {
    return 'hosts are Linux namespaces; this is not Linux';
  }
  const { status, said } = await run(`${lab} able`, ['ignore', 'ignore', 'pipe']);
  return status === 0 ? null : said.replace(/^lab: /, '').split('\n')[0];
}

async function cleanUp() {
  running = null;
  console.log('\nTaking the lab down.');
  // A group of its own: a second Ctrl-C does not reach it.
  await run(`${lab} down --all`, ['ignore', 'inherit', 'inherit'], true);
}

async function must(command) {
  const status = await show(command);
  if (status !== 0) {
    throw new Stopped(
      `That was not to be expected: it ended with status ${status}. The demo stops here.`,
    );
  }
}

async function mustFail(command) {
  if ((await show(command)) === 0) {
    throw new Stopped('That was not to be expected: the login works. The demo stops here.');
  }
}

async function show(command) {
  console.log(`\n$ ${command}`);
  // What goes wrong belongs to the story too, and in its place.
  return (await run(command, ['ignore', 1, 1])).status;
}

async function answer(command) {
  return (await run(command, ['ignore', 'pipe', 'inherit'])).said;
}

function run(command, stdio, alone = false) {
  return new Promise((resolve, reject) => {
    // The lab is a bash program, so bash is there; it gets the very words that were printed.
    const child = spawn('bash', ['-c', `exec ${command}`], {
      cwd: root,
      env,
      stdio,
      detached: alone,
    });
    if (!alone) {
      running = child;
    }
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        said += chunk;
      });
    }
    child.on('error', reject);
    child.on('close', (status) => {
      if (interrupted && !alone) {
        reject(new Stopped('Interrupted.'));
      } else {
        resolve({ status: status ?? 1, said });
      }
    });
  });
}

function interrupt(signal) {
  interrupted = true;
  // At a terminal the child has got it already; a second one does no harm.
  running?.kill(signal);
}

function title(text) {
  console.log(`\n${bold(text)}`);
}

function tell(text) {
  console.log(text);
}

function bold(text) {
  return process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[1m${text}\u001b[22m` : text;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Stopped)) {
    throw error;
  }
  console.error(`\n${error.message}`);
  process.exitCode = interrupted ? 130 : 1;
}
