# Receives the datagrams of sd_notify, which Node cannot: prints each on a line.
use strict;
use Socket;
$| = 1;
socket(my $in, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
bind($in, sockaddr_un($ARGV[0])) or die "bind: $!";
print "listening\n";
while (1) {
  recv($in, my $text, 65536, 0);
  $text =~ s/\n/ /g;
  print "$text\n" unless $text eq "BARRIER=1";
}
