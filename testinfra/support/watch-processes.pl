#!/usr/bin/perl
# Watches every process of this machine, hosts of the lab included, for words that must not be seen.
# Standard input: one "name<tab>word" on each line, to its end. Standard output: "ready", then one line
# for each sight, then "seen <tab> N <tab> missed <tab> M" at SIGTERM:
#   argv|environ <tab> name <tab> side <tab> process id <tab> argv
# side: "host" for a process of a host, "child" for one that node bin/remedy.js started, else "rig".
# The kernel tells of each execve (connector, CN_PROC); beside that all argv are read again and again.
# To be run with a real-time priority: a process may be gone before an ordinary one has its turn.
use strict;
use warnings;
use Socket;

my %words = map { chomp; split /\t/, $_, 2 } <STDIN>;
my $own_namespace = readlink '/proc/self/ns/pid';
my ($seen, $missed, $done, %told) = (0, 0, 0);
$| = 1;
$SIG{TERM} = sub { $done = 1 };
# A test that was killed must leave nobody behind who looks on.
my $parent = getppid;
$SIG{ALRM} = sub { $done = 1 if getppid != $parent; alarm 5 };
alarm 5;

sub slurp {
  open my $file, '<', $_[0] or return undef;
  local $/;
  return <$file>;
}

sub below_remedy {
  my ($pid) = @_;
  while ((slurp("/proc/$pid/status") // '') =~ /^PPid:\t([1-9]\d*)$/m) {
    $pid = $1;
    return 1 if (slurp("/proc/$pid/cmdline") // '') =~ m{^[^\0]*node\0[^\0]*bin/remedy\.js\0};
  }
  return 0;
}

sub look {
  my ($pid, @kinds) = @_;
  my $argv = slurp("/proc/$pid/cmdline");
  return 0 if !defined $argv || $argv eq '';
  my %text = (argv => $argv);
  $text{environ} = slurp("/proc/$pid/environ") // '' if grep { $_ eq 'environ' } @kinds;
  for my $kind (@kinds) {
    for my $name (sort keys %words) {
      next if index($text{$kind}, $words{$name}) < 0;
      my $space = readlink "/proc/$pid/ns/pid";
      my $side = defined $space && $space ne $own_namespace ? 'host' : below_remedy($pid) ? 'child' : 'rig';
      (my $shown = $argv) =~ s/[\0\s]+/ /g;
      my $line = join "\t", $kind, $name, $side, $pid, $shown;
      print "$line\n" if !$told{$line}++;
    }
  }
  return 1;
}

socket(my $events, 16, SOCK_DGRAM, 11) or die "no netlink connector: $!";
setsockopt($events, SOL_SOCKET, 33, pack('i', 64 << 20));    # SO_RCVBUFFORCE
bind($events, pack('SSLL', 16, 0, 0, 1)) or die "no process events: $!";
# cn_msg to CN_IDX_PROC: PROC_CN_MCAST_LISTEN.
my $listen = pack 'LLLLSSL', 1, 1, 0, 0, 4, 0, 1;
send($events, pack('LSSLL', 16 + length $listen, 3, 0, 0, $$) . $listen, 0, pack('SSLL', 16, 0, 0, 0))
  or die "no process events: $!";
print "ready\n";

# A process may be gone in a moment: nothing comes before the events.
my @others;
while (!$done) {
  my $ready = '';
  vec($ready, fileno($events), 1) = 1;
  if (select($ready, undef, undef, 0.005) > 0) {
    defined recv($events, my $event, 4096, 0) or do { print "overrun\n"; next };
    my $what = unpack 'L', substr $event, 36, 4;
    my $pid = unpack 'L', substr $event, 56, 4;               # of its thread group
    next if $what != 2;                                      # PROC_EVENT_EXEC
    look($pid, 'argv', 'environ') ? $seen++ : $missed++;
  } elsif (@others) {
    look(shift @others, 'argv');
  } else {
    opendir my $all, '/proc' or die $!;
    @others = grep { /^\d+$/ && $_ != $$ } readdir $all;
  }
}
print join("\t", 'seen', $seen, 'missed', $missed), "\n";
