package Test::Privacy::Stopwatch;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# How long something took, on a machine that others use, too: a moment in which it ran nobody is not counted.
#
#     my $watch = Test::Privacy::Stopwatch->new;      # runs from here
#     $watch->seconds;                                # so far, without what was lost
#     $watch->lost;                                   # that
#     $watch->within(1, sub { ... });                 # until it is true: false when that was later than after one second
#     took(sub { ... });                              # the seconds of all of it
#
# What was lost is what a process misses that does nothing but wake up every ten milliseconds: it ends with the watch.

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use POSIX ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime sleep);

our @EXPORT_OK = qw(took);

my ($tick, $late) = (0.01, 0.05);


sub new {
    my ($class) = @_;

    socketpair my $mine, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        close $mine;
        _tick($theirs);
    }
    close $theirs;

    my $self = bless { socket => $mine, pid => $pid, owner => $$ }, $class;
    @$self{qw(lost began)} = ($self->_lost, _now());
    return $self;
}


sub seconds {
    my ($self) = @_;

    my $lost = $self->lost;
    return _now() - $self->{began} - $lost;
}


sub lost { my ($self) = @_; return $self->_lost - $self->{lost} }


sub took {
    my ($code) = @_;

    my $watch = __PACKAGE__->new;
    $code->();
    return $watch->seconds;
}


sub within {
    my ($self, $seconds, $condition) = @_;

    while (1) {
        my $before = $self->seconds;
        return 1 if $condition->();
        return 0 if $before > $seconds;
        sleep $tick;
    }
}


sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;
    local ($?, $!);
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
}


sub _now { return clock_gettime(CLOCK_MONOTONIC) }


# Asked, it says how much was lost until then: what it overslept itself is added first.
sub _lost {
    my ($self) = @_;

    syswrite $self->{socket}, '?';
    sysread $self->{socket}, my $lost, 64 or die 'the stopwatch is gone';
    return $lost;
}


sub _tick {
    my ($socket) = @_;

    my $asked = IO::Select->new($socket);
    my ($lost, $last) = (0, _now());
    while (1) {
        my $ready = $asked->can_read($tick);
        my $now = _now();
        $lost += $now - $last - $tick if $now - $last > $late;
        $last = $now;
        next if !$ready;
        POSIX::_exit(0) if !sysread $socket, my $question, 1;
        syswrite $socket, sprintf '%.6f', $lost;
    }
}


1;
