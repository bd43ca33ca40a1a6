package Test::Privacy::Terminal;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A command on a terminal of its own, and somebody who answers what it asks.
#
#     my $screen = terminal([COMMAND, ...], [qr/question $/ => 'answer'], ...);     # undef: end of input; CODE: says it
#     $screen->{status}, $screen->{text}                                            # exit code; what was on it

use strict;
use warnings;
use utf8;

use Exporter 'import';
use Fcntl qw(O_RDWR O_NOCTTY);
use POSIX ();
use Time::HiRes qw(time);

our @EXPORT = qw(terminal);

# asm-generic/ioctls.h
my ($TIOCGPTN, $TIOCSPTLCK) = (0x80045430, 0x40045431);


sub terminal {
    my ($command, @script) = @_;

    sysopen my $master, '/dev/ptmx', O_RDWR | O_NOCTTY or die "/dev/ptmx: $!";
    my $unlocked = pack 'i', 0;
    ioctl($master, $TIOCSPTLCK, $unlocked) or die "TIOCSPTLCK: $!";
    my $number = pack 'i', 0;
    ioctl($master, $TIOCGPTN, $number) or die "TIOCGPTN: $!";
    sysopen my $slave, '/dev/pts/' . unpack('i', $number), O_RDWR | O_NOCTTY or die "/dev/pts: $!";

    my $pid = fork // die "fork: $!";
    if (!$pid) {
        close $master;
        POSIX::setsid();
        open STDIN, '<&', $slave;
        open STDOUT, '>&', $slave;
        open STDERR, '>&', $slave;
        exec { $command->[0] } @$command or POSIX::_exit(127);
    }
    close $slave;

    my ($text, $asked) = ('', 0);
    for (my $deadline = time + 20; time < $deadline;) {
        my $ready = '';
        vec($ready, fileno $master, 1) = 1;
        next if !select $ready, undef, undef, 0.5;
        last if !sysread $master, my $bytes, 4096;
        $text .= $bytes;

        my $new = substr $text, $asked;
        utf8::decode($new);
        if (@script && $new =~ $script[0][0]) {
            my $answer = (shift @script)->[1];
            $asked = length $text;
            if (ref $answer) {
                $answer = $answer->();
                $deadline = time + 20;          # what was done meanwhile may have taken its time
            }
            utf8::encode($answer) if defined $answer;
            syswrite $master, defined $answer ? "$answer\n" : "\x04";
        }
    }

    # It may still be on its way out; whoever is not gets no second question.
    local $SIG{ALRM} = sub { kill 'KILL', $pid };
    alarm 10;
    waitpid $pid, 0;
    alarm 0;
    my $status = $?;
    utf8::decode($text);
    $text =~ s/\r\n/\n/g;
    return { status => $status & 127 ? "signal $status" : $status >> 8, text => $text };
}


1;
