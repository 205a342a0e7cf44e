# console.pl SOCKET: joins stdin and stdout to a console held by dtach, for callers without a terminal.
use strict;
use warnings;
use Socket;

# dtach's packets: type, length, eight bytes.
my ($PUSH, $ATTACH) = (0, 1);
socket(my $console, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
connect($console, pack_sockaddr_un($ARGV[0])) or die "console: $!\n";
$SIG{PIPE} = 'IGNORE';

sub packet { my ($type, $bytes) = @_; return pack('CCa8', $type, length $bytes, $bytes) }

sub write_all {
  my ($to, $bytes) = @_;
  while (length $bytes) {
    my $written = syswrite($to, $bytes);
    exit 0 unless defined $written;
    substr($bytes, 0, $written) = '';
  }
}

write_all($console, packet($ATTACH, ''));
my $stdin_open = 1;
while (1) {
  my $ready = '';
  vec($ready, fileno($console), 1) = 1;
  vec($ready, fileno(STDIN), 1) = 1 if $stdin_open;
  select($ready, undef, undef, undef) >= 0 or next;
  if (vec($ready, fileno($console), 1)) {
    sysread($console, my $bytes, 4096) or exit 0;
    write_all(\*STDOUT, $bytes);
  }
  if ($stdin_open && vec($ready, fileno(STDIN), 1)) {
    # End of input detaches, as hanging up a serial line would.
    sysread(STDIN, my $bytes, 4096) or exit 0;
    write_all($console, join '', map { packet($PUSH, $_) } unpack('(a8)*', $bytes));
  }
}
