# inject.pl NUMBERS PROGRAM...: runs PROGRAM under a seccomp filter. For each system call with one of
# these numbers (x86_64), separated by commas, the kernel asks this process (seccomp_unotify(2)), which
# lets the call happen, or makes it fail without happening. The program's processes inherit the filter.
#
# PROGRAM says on its standard output what is to fail, and reads the answers on its standard input:
#
#   count WHOSE                 from here on, count: "ok"
#   fail WHOSE CALL NTH ERROR   from here on, call number NTH of these fails once: "ok"
#   end                         from here on nothing is counted: "CALL=COUNT ... failed=0|1"
#
# CALL is a number; for futex(2) only waits count, because the kernel has no error for a wake. WHOSE is
# `self`, the threads of PROGRAM, or `child`, the threads of the processes that PROGRAM has started
# itself. Calls that std and the C library make to start a process or a thread do not count: they end
# the process if one fails. A process has started when it has its handler of SIGBUS, and a thread when
# it has its signal stack.
#
# If PROGRAM does not say `end` in time, it is killed. The exit status is 77 if the kernel has no such
# filters, otherwise the program's, or 1 if a signal ended it.
use strict;
use warnings;

my ($numbers, @program) = @ARGV;
my $LIMIT = 60; # seconds for what is between `fail` and `end`
my ($BRK, $RT_SIGACTION, $IOCTL, $SIGALTSTACK, $PRCTL, $FUTEX) = (12, 13, 16, 131, 157, 202);
my ($SECCOMP, $PIDFD_OPEN, $PIDFD_GETFD) = (317, 434, 438);
my ($READ, $WRITE, $SIGBUS) = (0, 1, 7);

# BPF instructions: load the number. For each number, compare and ask. Otherwise allow.
my $code = sub { pack "SCCL", @_ };
my $filter = $code->(0x20, 0, 0, 0);
for my $number (split /,/, $numbers) {
    $filter .= $code->(0x15, 0, 1, $number) . $code->(0x06, 0, 0, 0x7fc00000);
}
$filter .= $code->(0x06, 0, 0, 0x7fff0000);
my $installed = pack "S x6 P", length($filter) / 8, $filter;

pipe my $orders, my $to_us or die "pipe: $!";
pipe my $from_us, my $answers or die "pipe: $!";
my $child = fork // die "fork: $!";
if (!$child) {
    open STDIN, "<&", $from_us or exit 1;
    open STDOUT, ">&", $to_us or exit 1;
    close $_ for $orders, $to_us, $from_us, $answers;
    # So that what it has started can be killed with it.
    setpgrp;
    # No new privileges, then the filter. An exec closes the filter's listener.
    syscall($PRCTL, 38, 1, 0, 0, 0) == 0 or exit 77;
    syscall($SECCOMP, 1, 8, $installed) >= 0 or exit 77;
    syscall($IOCTL, -1, 0, 0); # the first call that is asked about
    exec @program;
    exit 1;
}
close $to_us;
close $from_us;

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

# What is to fail, what was called, and of each thread: whose it is, and whether it has started.
my ($whose, $call, $nth, $error, $failed, $since) = ("", -1, 0, 0, 0, 0);
my (%counts, %owner, %started);

sub begin {
    ($whose, $call, $nth, $error) = @_;
    ($failed, $since, %counts, %owner, %started) = (0, time);
    $started{(split m{/}, $_)[-1]} = 2 for glob "/proc/$child/task/*";
}

sub obey {
    my ($order, @words) = split ' ', $_[0];
    if ($order eq "end") {
        $whose = "";
        syswrite $answers, join(" ", map({ "$_=$counts{$_}" } sort keys %counts), "failed=$failed\n");
    } else {
        begin($words[0], $words[1] // -1, $words[2] // 0, $words[3] // 0);
        syswrite $answers, "ok\n";
    }
}

# The process and the parent's process of a thread.
sub owner {
    my ($thread) = @_;
    return @{ $owner{$thread} } if $owner{$thread};
    open my $status, "<", "/proc/$thread/status" or return (0, 0);
    my $text = join "", <$status>;
    my @ids = map { $text =~ /^$_:\s*(\d+)/m ? $1 : 0 } qw(Tgid PPid);
    $owner{$thread} = \@ids;
    return @ids;
}

# Whether the thread has started; notes what it does to start.
sub has_started {
    my ($thread, $process, $number, @words) = @_;
    my $stage = $started{$thread} // 0;
    return 1 if $stage == 2;
    if ($number == $SIGALTSTACK && $words[0]) {
        $started{$thread} = $thread == $process ? 1 : 2;
    } elsif ($stage == 1 && $number == $RT_SIGACTION && $words[0] == $SIGBUS && $words[1]) {
        $started{$thread} = 2;
    }
    return 0;
}

# Whether this call fails.
sub fails {
    my ($thread, $number, @words) = @_;
    return 0 if !$whose;
    my ($process, $parent) = owner($thread);
    return 0 if ($whose eq "self" ? $process : $parent) != $child;
    return 0 if !has_started($thread, $process, $number, @words);
    return 0 if $number == $FUTEX && ($words[1] & 0x7f) != 0 && ($words[1] & 0x7f) != 9;
    # The orders and answers themselves.
    return 0 if $process == $child && $words[0] < 2 && ($number == $READ || $number == $WRITE);
    return 0 if $number == $BRK && !$words[0];
    # Standard error: a failure to report has nowhere to be reported.
    return 0 if $number == $WRITE && $words[0] == 2;
    $counts{$number}++;
    return $failed = 1 if $number == $call && $counts{$number} == $nth;
}

# What brk(2) returns if it fails: the old break, the end of the heap.
sub old_break {
    open my $maps, "<", "/proc/$_[0]/maps" or return 0;
    my ($heap) = grep { /\[heap\]/ } <$maps>;
    return defined $heap && $heap =~ /^\w+-(\w+)/ ? hex $1 : 0;
}

sub answer {
    my $asked = "\0" x 80;
    return if syscall($IOCTL, $listener, 0xC0502100, $asked) < 0;
    my ($id, $thread, $number, @words) = unpack "Q L x4 l x4 x8 Q6", $asked;
    my $answer = pack "Q q l L", $id, 0, 0, 1;
    if (fails($thread, $number, @words)) {
        my @result = $number == $BRK ? (old_break($thread), 0) : (0, -$error);
        $answer = pack "Q q l L", $id, @result, 0;
    }
    syscall($IOCTL, $listener, 0xC0182101, $answer);
}

my $ready = sub { vec($_[0], $_[1], 1) };
my $status;
while (1) {
    if (waitpid($child, 1) == $child) {
        $status = $?;
        last;
    }
    my $readable = "";
    vec($readable, $_, 1) = 1 for $listener, fileno $orders;
    select $readable, undef, undef, 1 or $readable = "";
    if ($readable && $ready->($readable, fileno $orders)) {
        my $order;
        obey($order) if sysread $orders, $order, 200;
    }
    answer() if $readable && $ready->($readable, $listener);
    if ($whose && time - $since > $LIMIT) {
        print STDERR "it hangs\n";
        kill "KILL", $child;
        $whose = "";
    }
}
kill "-KILL", $child;
exit($status & 127 ? 1 : $status >> 8);
