import { Command } from 'commander';
import type { RunFlags } from './commands/run.ts';
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
  addRoutes(command)
    .optionsGroup('Run:')
    .option('-n, --dry-run', 'look and plan only; leaves nothing on the host', false)
    .option('--var <name=value>', 'set a variable of the playbooks; may be repeated', collect, [])
    .option('--playbooks <folder>', 'look for playbooks there too; may be repeated', collect, [])
    .option('-y, --yes', 'apply without asking', false)
    .option(
      '--guard-seconds <seconds>',
      'how long the changes may wait for their proof before the host takes them back',
      '120',
    )
    .option(
      '--accept-loss <user>',
      'let this account lose its access; may be repeated',
      collect,
      [],
    )
    .option('--detailed-exitcode', 'exit 2 where a dry run has changes pending', false)
    .option('-o, --output <format>', 'text, json or ndjson', 'text')
    .action(async (playbooks: string[], flags: RunFlags) => {
      const { runCommand } = await import('./commands/run.ts');
      process.exitCode = await runCommand(playbooks, flags);
    });
}

/** The flags that name the host and the ways in: the same for every command that contacts one. */
function addRoutes(command: Command): Command {
  return command
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
      'Routes, the ways in to do the work, tried in this order (none: the endpoint itself):',
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
    .option('--local', 'this machine', false);
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
