# A port of 127.0.0.1 that never answers, for the tests: it listens, its queue is full, and nobody takes from it. Prints
# the port; ends with its input.
use strict;
use Socket;
use Fcntl;
$| = 1;
socket(my $in, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
bind($in, sockaddr_in(0, inet_aton("127.0.0.1"))) or die "bind: $!";
listen($in, 0) or die "listen: $!";
my ($port) = sockaddr_in(getsockname($in));
my @fill;
for (1 .. 4) {
  socket(my $out, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
  fcntl($out, F_SETFL, fcntl($out, F_GETFL, 0) | O_NONBLOCK);
  connect($out, sockaddr_in($port, inet_aton("127.0.0.1")));
  push @fill, $out;
}
print "$port\n";
<STDIN>;
