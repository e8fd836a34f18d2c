# Receives the datagrams of sd_notify for the tests, which Node cannot: prints each one as a line of JSON-like text with
# the process that sent it. With a command it runs that with a connected descriptor 3, as OpenFile= of systemd does.
use strict;
use Socket;
use POSIX ();
$| = 1;
my ($path, @command) = @ARGV;
socket(my $in, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
bind($in, sockaddr_un($path)) or die "bind: $!";
if (@command) {
  socket(my $out, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
  connect($out, sockaddr_un($path)) or die "connect: $!";
  if (fork() == 0) {
    POSIX::dup2(fileno($out), 3);
    $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_FDNAMES} = "notify";
    exec(@command) or die "exec: $!";
  }
}
print "listening\n";
while (1) {
  recv($in, my $text, 65536, 0);
  $text =~ s/\n/ /g;
  print "$text\n" unless $text eq "BARRIER=1";
}
