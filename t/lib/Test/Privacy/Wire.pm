package Test::Privacy::Wire;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A wire between nginx and Redis that can be cut: PATH.sock passes bytes both ways to another unix socket, until it is
# told to do something to the answers. Each order holds until the next one, and has taken effect when it returns.
#
#     pass            as they come
#     say => TEXT     Redis is not asked: every command is answered by this reply (its last CRLF is added)
#     lie => WHAT     Redis is not asked: garbage (random bytes), huge (a string without end), deep (arrays without end),
#                     or never; backwards: it is asked, and what it answers to one packet comes in the wrong order
#     cut => N        after N more bytes of answers to commands that match `on` (all commands when there is none), both
#                     sides are closed, once; then pass
#     away => N       the same, but nobody is let in again
#     instead => TEXT what is answered to commands that match `on` is taken away, and this said for it
#     drip => N       answers in pieces of N bytes, each in a packet of its own
#
# Options of an order: on => PATTERN, tried on what nginx sends.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use Time::HiRes qw(sleep);


sub new {
    my ($class, $path, $server) = @_;

    my $self = bless { path => "$path.sock", server => $server }, $class;
    unlink $self->{path};
    my $listening = IO::Socket::UNIX->new(Local => $self->{path}, Listen => 511, Type => SOCK_STREAM)
        or die "$self->{path}: $!";
    chmod 0777, $self->{path};
    socketpair($self->{orders}, my $orders, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "socketpair: $!";

    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{PIPE} = 'IGNORE';
        close $self->{orders};
        @$self{qw(listening orders pairs order)} = ($listening, $orders, {}, { pass => 1 });
        $self->_carry;
    }
    close $orders;
    return $self;
}


sub pid { $_[0]{pid} }
sub url { "unix:$_[0]{path}" }


sub order {
    my ($self, $verb, $value, %options) = @_;

    syswrite $self->{orders}, JSON::PP->new->latin1->encode({ $verb => $value // 1, %options }) . "\n";
    sysread $self->{orders}, my $done, 1 or die 'the wire is gone';
    return $self;
}


# What follows runs in the process that carries.

sub _carry {
    my ($self) = @_;

    my $all = $self->{all} = IO::Select->new($self->{listening}, $self->{orders});
    while (1) {
        for my $in ($all->can_read) {
            if ($in == $self->{orders}) {
                $self->_take_order;
                last;               # what could be read before may have been read for it
            } elsif ($in == $self->{listening}) {
                $self->_accept;
            } elsif (my $pair = $self->{pairs}{fileno($in) // ''}) {
                $in == $pair->{client} ? $self->_asked($pair) : $self->_answered($pair);
            }
        }
    }
}


sub _take_order {
    my ($self) = @_;

    sysread($self->{orders}, my $text, 65536) or POSIX::_exit(0);
    $self->{order} = JSON::PP->new->latin1->decode($text);
    delete @$_{qw(concerned said)} for values %{$self->{pairs}};
    if (defined $self->{order}{say} || defined $self->{order}{lie}) {
        my %pairs = map { $_ => $_ } values %{$self->{pairs}};
        $self->_drain($_) for values %pairs;
    }
    syswrite $self->{orders}, '.';
}


# What Redis was asked before is answered before anything else is said: answers never overtake one another.
sub _drain {
    my ($self, $pair) = @_;

    my $mark = 'drained-' . ++$self->{drained};
    my $answer = sprintf "\$%d\r\n%s\r\n", length $mark, $mark;
    my $bytes = '';
    my $server = IO::Select->new($pair->{server});

    syswrite $pair->{server}, sprintf "*2\r\n\$4\r\nPING\r\n%s", $answer;
    my $before;
    while (!(($before) = $bytes =~ /^(.*?)(?:\*2\r\n\$4\r\npong\r\n)?\Q$answer\E$/s)) {
        return $self->_close($pair) if !$server->can_read(5) || !sysread $pair->{server}, $bytes, 65536, length $bytes;
    }
    syswrite $pair->{client}, $before if length $before;
}


sub _accept {
    my ($self) = @_;

    my $client = $self->{listening}->accept or return;
    return if $self->{gone} && exists $self->{order}{away};
    delete $self->{gone};

    my $server = IO::Socket::UNIX->new(Peer => $self->{server}, Type => SOCK_STREAM) or return;
    my $pair = { client => $client, server => $server };
    $self->{pairs}{fileno $_} = $pair for $client, $server;
    $self->{all}->add($client, $server);
}


sub _asked {
    my ($self, $pair) = @_;

    my $n = sysread $pair->{client}, my $bytes, 65536;
    return $self->_close($pair) if !$n;

    my $order = $self->{order};
    if (defined $order->{say}) {
        # a command is an array: as many as begin here, all of which nginx writes whole
        my $commands = () = $bytes =~ /^\*\d+\r$/mg;
        return syswrite $pair->{client}, "$order->{say}\r\n" x $commands;
    }
    if (defined $order->{lie} && $order->{lie} ne 'backwards') {
        # in pieces: what does not fit is left, nobody waits for it
        my $lie = $self->_lie($order->{lie});
        $pair->{client}->blocking(0);
        syswrite $pair->{client}, $lie if length $lie;
        return $pair->{client}->blocking(1);
    }
    if (!defined $order->{on} || $bytes =~ /$order->{on}/) {
        $pair->{concerned} = 1;
        delete $pair->{said};
    }
    syswrite $pair->{server}, $bytes;
}


sub _answered {
    my ($self, $pair) = @_;

    my $n = sysread $pair->{server}, my $bytes, 65536;
    return $self->_close($pair) if !$n;

    my $order = $self->{order};
    return syswrite $pair->{client}, join '', reverse _replies($bytes) if ($order->{lie} // '') eq 'backwards';
    if (defined $order->{instead} && $pair->{concerned}) {
        syswrite $pair->{client}, $order->{instead} if !$pair->{said}++;
        return;
    }
    if ($order->{drip} && $pair->{concerned}) {
        while (length $bytes) {
            syswrite $pair->{client}, substr $bytes, 0, $order->{drip}, '';
            sleep 0.001;
        }
        return;
    }

    my ($cut) = grep { defined } @$order{qw(cut away)};
    if (!defined $cut || !$pair->{concerned} || $self->{gone} || $cut > length $bytes) {
        $order->{defined $order->{cut} ? 'cut' : 'away'} -= length $bytes if defined $cut && $pair->{concerned};
        return syswrite $pair->{client}, $bytes;
    }

    syswrite $pair->{client}, substr $bytes, 0, $cut;
    $self->{order} = { pass => 1 } if defined $order->{cut};
    $self->{gone} = 1;
    my %pairs = map { $_ => $_ } values %{$self->{pairs}};      # each is there under both of its sockets
    $self->_close($_) for values %pairs;
}


sub _lie {
    my ($self, $what) = @_;

    return join '', map { chr int rand 256 } 1 .. 1 + rand 4000 if $what eq 'garbage';
    return "\$500000000\r\n" . 'x' x 60_000 if $what eq 'huge';
    return "*1\r\n" x 10_000 if $what eq 'deep';
    return '';
}


# The replies that some bytes are made of; the last one may be half.
sub _replies {
    my ($bytes) = @_;

    my @replies;
    while (length $bytes) {
        my ($at, $left) = (0, 1);
        while ($left-- && substr($bytes, $at) =~ /^([-+:\$*])([^\r]*)\r\n/) {
            $at += length $&;
            $at += $2 + 2 if $1 eq '$' && $2 >= 0;
            $left += $2 if $1 eq '*' && $2 > 0;
        }
        push @replies, substr $bytes, 0, $at || length $bytes, '';
    }
    return @replies;
}


sub _close {
    my ($self, $pair) = @_;

    for my $socket (delete @$pair{qw(client server)}) {
        $self->{all}->remove($socket);
        delete $self->{pairs}{fileno $socket};
        close $socket;
    }
}


1;
