package Test::Privacy::NameServer;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A name server for one spec: start(T, FILE) returns its ADDRESS:PORT. Every question for an A record is answered with
# what FILE says then: addresses, or "none", "silent", "garbage"; each is noted in FILE.asked.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Socket ();

use Test::Privacy ();


sub start {
    my ($t, $answers) = @_;

    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $t->address) or die $!;
    my $pid = fork // die $!;
    return $t->address . ':' . $socket->sockport if $pid && $t->ends_with($pid);

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    while (defined(my $peer = recv $socket, my $query, 512, 0)) {
        open my $note, '>>', "$answers.asked" or die $!;
        print $note '.';
        close $note;
        my $answer = _answer($query, Test::Privacy::slurp($answers));
        send $socket, $answer, 0, $peer if defined $answer;
    }
    POSIX::_exit(0);
}


sub _answer {
    my ($query, $says) = @_;

    return if $says eq 'silent';
    my $id = substr $query, 0, 2;
    return $id . join '', map { chr int rand 256 } 1 .. 60 if $says eq 'garbage';

    my $question = substr $query, 12, index($query, "\0", 12) - 12 + 5;
    my @addresses = $says =~ /^[\d. ]+$/ ? split ' ', $says : ();
    return $id . pack('n5', @addresses ? 0x8180 : 0x8183, 1, scalar @addresses, 0, 0) . $question
        . join '', map { pack 'n3 N n a4', 0xc00c, 1, 1, 1, 4, Socket::inet_aton($_) } @addresses;
}


1;
