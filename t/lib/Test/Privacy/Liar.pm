package Test::Privacy::Liar;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Something at a TCP port that passes commands on to a Redis, one after another, and answers some of them itself:
# lies(PATTERN => REPLY, ...), the first that fits a command ("NAME ARGUMENTS") counts. In a REPLY, %SLOT% is the slot of
# the command's key; its last CRLF is added; undef: nothing is said any more on that connection; a reference to a
# text: a byte at a time. What holds is read with each command: it has taken effect when lies() returns.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);
use Storable ();
use Time::HiRes qw(sleep);


sub new {
    my ($class, $path, $address, $server) = @_;

    my $listening = IO::Socket::INET->new(Listen => 511, LocalAddr => $address, LocalPort => 0) or die "liar: $!";
    my $self = bless { path => "$path.lies", server => $server, address => $address, port => $listening->sockport },
        $class;
    $self->lies;
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        $SIG{$_} = 'DEFAULT' for qw(INT HUP);
        $SIG{PIPE} = 'IGNORE';
        $SIG{CHLD} = 'IGNORE';
        my %children;
        $SIG{TERM} = sub { kill 'KILL', keys %children; POSIX::_exit(0) };
        while (1) {
            my $client = $listening->accept or next;
            my $pid = fork // POSIX::_exit(1);
            $children{$pid} = 1, next if $pid;
            $SIG{TERM} = 'DEFAULT';
            eval { $self->_serve($client) };
            POSIX::_exit(0);
        }
    }
    return $self;
}


sub pid { $_[0]{pid} }
sub at  { "$_[0]{address}:$_[0]{port}" }


sub lies {
    my ($self, @lies) = @_;

    Storable::nstore([map { ref $_ ? { drip => $$_ } : $_ } @lies], "$self->{path}.new");
    rename "$self->{path}.new", $self->{path} or die "$self->{path}: $!";
    return $self;
}


# What follows runs in a process a connection.

sub _serve {
    my ($self, $client) = @_;

    my $server = IO::Socket::UNIX->new(Peer => $self->{server}, Type => SOCK_STREAM) or return;
    my ($asked, $said) = ('', '');
    my $both = IO::Select->new($client, $server);

    while (1) {
        while (my @words = _command(\$asked)) {
            my ($known, $lie) = $self->_lie(@words);
            if (!$known) {
                _write($server, join '', '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words);
                my $reply;
                until (defined($reply = _reply(\$said))) {
                    sysread $server, $said, 65536, length $said or return;
                }
                _write($client, $reply);
            } elsif (ref $lie) {
                for my $byte (split //, "$lie->{drip}\r\n") {
                    _write($client, $byte);
                    sleep 0.005;
                }
            } elsif (defined $lie) {
                my $slot = _slot($words[1] // '');
                $lie =~ s/%SLOT%/$slot/g;
                _write($client, "$lie\r\n");
            } else {
                sysread $client, $asked, 65536 or return while 1;
            }
        }
        for my $in ($both->can_read) {
            if ($in == $client) {
                sysread $client, $asked, 65536, length $asked or return;
            } else {
                sysread $server, my $bytes, 65536 or return;
                _write($client, $bytes);
            }
        }
    }
}


sub _lie {
    my ($self, @words) = @_;

    my @lies = @{Storable::retrieve($self->{path})};
    while (my ($pattern, $lie) = splice @lies, 0, 2) {
        return (1, $lie) if "@words" =~ /$pattern/;
    }
    return 0;
}


sub _write {
    my ($to, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $to, $bytes or die 'gone';
        substr $bytes, 0, $n, '';
    }
}


# The words of the first command, which is taken off; none when it is not all there.
sub _command {
    my ($bytes) = @_;

    $$bytes =~ /^\*(\d+)\r\n/ or return;
    my ($n, $at, @words) = ($1, length $&);
    for (1 .. $n) {
        substr($$bytes, $at) =~ /^\$(\d+)\r\n/ or return;
        my $len = $1;
        $at += length $&;
        return if length $$bytes < $at + $len + 2;
        push @words, substr $$bytes, $at, $len;
        $at += $len + 2;
    }
    substr $$bytes, 0, $at, '';
    return @words;
}


# The first reply, taken off; undef when it is not all there.
sub _reply {
    my ($bytes) = @_;

    my ($at, $left) = (0, 1);
    while ($left--) {
        substr($$bytes, $at) =~ /^([-+:\$*])([^\r]*)\r\n/ or return;
        $at += length $&;
        $at += $2 + 2 if $1 eq '$' && $2 >= 0;
        $left += $2 if $1 eq '*' && $2 > 0;
    }
    return length $$bytes < $at ? undef : substr $$bytes, 0, $at, '';
}


sub _slot {
    my ($key) = @_;

    my ($crc, $tag) = (0, $key =~ /\{([^}]+)\}/ ? $1 : $key);
    for my $byte (unpack 'C*', $tag) {
        $crc ^= $byte << 8;
        $crc = ($crc & 0x8000 ? $crc << 1 ^ 0x1021 : $crc << 1) & 0xffff for 1 .. 8;
    }
    return $crc % 16384;
}


1;
