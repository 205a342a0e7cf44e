import { Command } from 'commander';
import type { GuardFlags, RunFlags } from './commands/run.ts';
import type { SettleFlags } from './commands/settle.ts';
import { noteRouteOrder } from './route-order.ts';
import { version } from './version.ts';

const mainExamples = `Examples:
  remedy run open-port --host web1 --dry-run       show what would be changed, change nothing
  remedy run open-port --host web1 --via root@web1:2222 --yes
  remedy run start-sshd --host web1 --exec 'docker exec -i web1 sh'
  remedy list                                      the playbooks there are
`;

const runExamples = `Examples:
  Look first; nothing is changed:
      remedy run open-port --host web1 --dry-run
  Repair port 22 through another port that still answers:
      remedy run open-port --host web1 --via root@web1:2222
  Through a bastion, in CI:
      remedy run open-port --host web1 --jump ops@bastion --yes --output json
  Through any command that gives a shell on the host:
      remedy run start-sshd --host web1 --exec 'docker exec -i web1 sh'
  On the host itself, at its console:
      sudo remedy run start-sshd fix-authorized-keys --local --host web1

Passwords come from a prompt or from the environment, never from a flag:
  REMEDY_SSH_PASSWORD    the endpoint's user      REMEDY_SUDO_PASSWORD    sudo on the host
  REMEDY_VIA_PASSWORD    the user of --via        REMEDY_KEY_PASSPHRASE   an encrypted key file

Exit status:
  0 nothing to do, applied and proven, or dry run done    4 nothing reachable
  1 failed, refused or reverted: the host is as it was    64 wrong usage or playbook
  2 changes pending (only with --detailed-exitcode)       75 the host is locked by another run
  3 a person is needed                                    77 login, permission or host key
  130, 143 interrupted, nothing written`;

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** The command line. Each command loads what it needs when it is called, so that start-up is quick. */
export function createProgram(): Command {
  const program = new Command('remedy')
    .description('Get back into a Linux host whose SSH does not answer, without making it worse.')
    .version(version(), '-V, --version', 'print the version')
    .addHelpText('before', mainExamples)
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ sortSubcommands: false })
    .showSuggestionAfterError(true)
    .exitOverride();
  addRun(program);
  addSettle(program);
  addReceipts(program);
  addLookUps(program);
  for (const command of program.commands) {
    command.exitOverride().configureOutput({ writeErr: () => undefined });
  }
  program.configureOutput({ writeErr: () => undefined });
  return program;
}

function addRun(program: Command): void {
  const command = program
    .command('run')
    .description(
      'run playbooks on a host: look, plan, show the diff, apply, prove by a fresh login',
    )
    .argument('<playbook...>', 'names of playbooks (see `remedy list`), or paths of playbook files')
    .addHelpText('before', `${runExamples}\n`);
  addGuardOptions(addRoutes(command))
    .option('--var <name=value>', 'set a variable of the playbooks; may be repeated', collect, [])
    .option('--playbooks <folder>', 'look for playbooks there too; may be repeated', collect, [])
    .action(async (playbooks: string[], flags: RunFlags) => {
      const { runCommand } = await import('./commands/run.ts');
      process.exitCode = await runCommand(playbooks, flags);
    });
}

const settleExamples = `Examples:
  How a run stands, and the seconds until its guard fires:
      remedy status 20261121-081500-1f2e3d
  Keep its changes, or take them back now:
      remedy confirm 20261121-081500-1f2e3d
      remedy revert 20261121-081500-1f2e3d
  From a machine that did not begin the run, name the way in:
      remedy revert 20261121-081500-1f2e3d --host web1 --via root@web1:2222
  Every run that a host keeps:
      remedy status --host web1
`;

function addSettle(program: Command): void {
  const words = {
    status: 'how a run stands on its host; without a run: those that wait for a word',
    confirm: 'keep the changes of a run whose guard is armed',
    revert: 'take back the changes of a run whose guard is armed, now',
  };
  for (const verb of ['status', 'confirm', 'revert'] as const) {
    const command = program
      .command(verb)
      .description(words[verb])
      .argument(verb === 'status' ? '[run]' : '<run>', 'the id of a run or of one of its stages')
      .addHelpText('before', settleExamples);
    addRoutes(command)
      .optionsGroup('Output:')
      .option('-o, --output <format>', 'text or json', 'text')
      .action(async (run: string | undefined, flags: SettleFlags) => {
        const { settleCommand, statusCommand } = await import('./commands/settle.ts');
        process.exitCode =
          run === undefined ? await statusCommand(flags) : await settleCommand(verb, run, flags);
      });
  }
}

const undoExamples = `Examples:
  See what undoing a run would do:
      remedy undo 20261121-081500-1f2e3d --dry-run
  Undo it, by the way in that the run took:
      remedy undo 20261121-081500-1f2e3d
`;

function addReceipts(program: Command): void {
  const undo = program
    .command('undo')
    .description('undo a run that was kept: as a run of its own, with the same gates and guard')
    .argument('<run>', 'the id of the run')
    .addHelpText('before', undoExamples);
  addGuardOptions(addRoutes(undo)).action(async (run: string, flags: GuardFlags) => {
    const { undoCommand } = await import('./commands/undo.ts');
    process.exitCode = await undoCommand(run, flags);
  });
  program
    .command('runs')
    .description('list the receipts of this machine, newest first')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (flags: { output: string }) => {
      const { runsCommand } = await import('./commands/runs.ts');
      process.exitCode = await runsCommand(flags);
    });
  program
    .command('show')
    .description('show the receipt of a run: what it changed, and what became of it')
    .argument('<run>', 'the id of the run')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (run: string, flags: { output: string }) => {
      const { showCommand } = await import('./commands/runs.ts');
      process.exitCode = await showCommand(run, flags);
    });
}

/** The flags of every command that changes a host. */
function addGuardOptions(command: Command): Command {
  return command
    .optionsGroup('Run:')
    .option('-n, --dry-run', 'look and plan only; leaves nothing on the host', false)
    .option('-y, --yes', 'apply without asking', false)
    .option(
      '--guard-seconds <seconds>',
      'how long the changes may wait for their proof before the host takes them back (default: 120, longer where the host or the way in is slow)',
    )
    .option(
      '--accept-loss <user>',
      'let this account lose its access; may be repeated',
      collect,
      [],
    )
    .option(
      '--host-is <name>',
      'the name that the host gives itself; another one is refused (usually its keys, address or name tell)',
    )
    .option('--detailed-exitcode', 'exit 2 where a dry run has changes pending', false)
    .option('-o, --output <format>', 'text, json or ndjson', 'text');
}

/** The flags that name the host and the ways in: the same for every command that contacts one. */
function addRoutes(command: Command): Command {
  return noteRouteOrder(command)
    .optionsGroup('Endpoint, the SSH service that should work:')
    .option('--host <host>', 'host name, address, or alias of your ssh config')
    .option('--port <port>', 'its port')
    .option('--user <user>', 'the user who should get in')
    .option('--identity <file>', 'key file; may be repeated', collect, [])
    .option('-J, --jump <hops>', 'jump hosts, [USER@]HOST[:PORT], with commas between')
    .option('--from <address>', 'the address that logins come from, as the host sees it')
    .option('--known-hosts <file>', 'known_hosts file to use in place of your own')
    .option(
      '--accept-new-host-key',
      'store a host key that is not known yet; a changed one is always refused',
      false,
    )
    .optionsGroup(
      'Routes, the ways in to do the work, tried in the order given (none: the endpoint itself):',
    )
    .option(
      '--via <[user@]address[:port][,jump...]>',
      'another SSH service; may be repeated',
      collect,
      [],
    )
    .option('--via-identity <file>', 'key file for --via; may be repeated', collect, [])
    .option(
      '--exec <command>',
      'a command that gives a shell on stdin and stdout; may be repeated',
      collect,
      [],
    )
    .option(
      '--console <console>',
      'a console: a command, unix:PATH, tcp:HOST:PORT, /dev/ttyX[@SPEED], or a preset; may be repeated',
      collect,
      [],
    )
    .option('--console-log <file>', 'write what goes over the console there, without secrets')
    .option('--local', 'this machine', false)
    .option(
      '--openssh',
      'log in by the OpenSSH client of this machine: certificates, security keys, ProxyCommand',
      false,
    )
    .option('-v, --verbose', 'show the command behind each console', false);
}

function addLookUps(program: Command): void {
  program
    .command('list')
    .description('list the playbooks')
    .option('--playbooks <folder>', 'look there too; may be repeated', collect, [])
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (flags: { playbooks: string[]; output: string }) => {
      const { listCommand } = await import('./commands/list.ts');
      process.exitCode = await listCommand(flags);
    });
  program
    .command('lint')
    .description('check playbook files without contacting a host')
    .argument('<file...>', 'playbook files')
    .action(async (files: string[]) => {
      const { lintCommand } = await import('./commands/lint.ts');
      process.exitCode = await lintCommand(files);
    });
  program
    .command('docs')
    .description('print the reference of modules and playbooks')
    .argument('[name]', 'a module or a playbook')
    .action(async (name: string | undefined) => {
      const { docsCommand } = await import('./commands/docs.ts');
      process.exitCode = await docsCommand(name);
    });
}
