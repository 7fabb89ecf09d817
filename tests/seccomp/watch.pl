# watch.pl NUMBERS PROGRAM...: runs PROGRAM under a seccomp filter that allows the system calls with
# these numbers (x86_64), separated by commas. For each other call the kernel asks this process
# (seccomp_unotify(2)), which allows it. What the program calls before its first write(2) and from
# its second on is not checked. This process prints the program's process id, then the numbers of
# the calls between the two writes that are not listed. It exits with 77 if the kernel has no such
# filters, otherwise with the program's status.
use strict;
use warnings;

my ($numbers, @program) = @ARGV;
my ($CLOSE, $IOCTL, $WRITE, $PRCTL, $EXIT_GROUP) = (3, 16, 1, 157, 231);
my ($SECCOMP, $PIDFD_OPEN, $PIDFD_GETFD) = (317, 434, 438);

# BPF instructions: load the number. For each listed number, compare and allow. Otherwise ask.
my $code = sub { pack "SCCL", @_ };
my $filter = $code->(0x20, 0, 0, 0);
for my $number (split /,/, $numbers) {
    $filter .= $code->(0x15, 0, 1, $number) . $code->(0x06, 0, 0, 0x7fff0000);
}
$filter .= $code->(0x06, 0, 0, 0x7fc00000);
my $installed = pack "S x6 P", length($filter) / 8, $filter;

$| = 1;
my $child = fork // die "fork: $!";
if (!$child) {
    # No new privileges, then the filter. An exec closes the filter's listener.
    syscall($PRCTL, 38, 1, 0, 0, 0) == 0 or exit 77;
    syscall($SECCOMP, 1, 8, $installed) >= 0 or exit 77;
    exec @program; # the first call that is asked about
    exit 1;
}

my $process = syscall($PIDFD_OPEN, $child, 0);
exit 77 if $process < 0;
my $listener = -1;
while ($listener < 0) {
    exit $? >> 8 if waitpid($child, 1) == $child;
    my $is_listener = sub { (readlink "/proc/$child/fd/$_[0]" // "") =~ /seccomp/ };
    my ($number) = grep { $is_listener->($_) } 3 .. 20;
    $listener = syscall($PIDFD_GETFD, $process, $number, 0) if defined $number;
    exit 77 if defined $number && $listener < 0;
    select undef, undef, undef, 0.001;
}
print "$child\n";

my ($writes, %unlisted) = (0);
while (1) {
    my $asked = "\0" x 80;
    next if syscall($IOCTL, $listener, 0xC0502100, $asked) < 0 && $!{EINTR};
    my ($id, $number) = unpack "Q x8 l", $asked;
    last if !$id;
    $writes++ if $number == $WRITE;
    $unlisted{$number} = 1 if $writes == 1 && $number != $WRITE;
    my $allowed = pack "Q q l L", $id, 0, 0, 1;
    syscall($IOCTL, $listener, 0xC0182101, $allowed);
    last if $number == $EXIT_GROUP;
}
waitpid $child, 0;
print join(" ", sort { $a <=> $b } keys %unlisted), "\n";
exit($? & 127 ? 1 : $? >> 8);
