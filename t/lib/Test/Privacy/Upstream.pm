package Test::Privacy::Upstream;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# An application for nginx to stand in front of: PATH.sock, one process a connection. The handler gets the request
#
#     { method, uri, version, headers => [[name, value], ...], body }      and header($request, NAME) reads one
#
# and returns { status => 200, reason => 'OK', headers => [name => value, ...], body => ... } where body is a string
# (with Content-Length), [chunk, ...] (chunked, each flushed), or sub { my ($socket) = @_ } that writes everything
# after the header itself. raw => BYTES answers with just these. Every request is noted in PATH.log.

use strict;
use warnings;

use Fcntl qw(:flock);
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(SOCK_STREAM);


sub new {
    my ($class, $path, $handler) = @_;

    my $self = bless { path => $path, seen => 0 }, $class;
    unlink "$path.sock";
    my $listening = IO::Socket::UNIX->new(Local => "$path.sock", Listen => 511, Type => SOCK_STREAM)
        or die "$path.sock: $!";
    chmod 0777, "$path.sock";

    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        $SIG{CHLD} = 'IGNORE';
        $SIG{PIPE} = 'IGNORE';
        while (1) {
            my $client = $listening->accept or next;
            my $pid = fork;
            if (defined $pid && !$pid) {
                $SIG{CHLD} = 'DEFAULT';
                eval { 1 while $self->_answer($client, $handler) };
                print STDERR "# upstream: $@" if $@;
                close $client;
                POSIX::_exit(0);
            }
            close $client;
        }
    }
    return $self;
}


sub pid { $_[0]{pid} }


# What came since the last call, oldest first.
sub requests {
    my ($self) = @_;

    open my $in, '<:raw', "$self->{path}.log" or return;
    seek $in, $self->{seen}, 0;
    my @requests = map { JSON::PP->new->latin1->decode($_) } <$in>;
    $self->{seen} = tell $in;
    return @requests;
}


# The value of a header, several joined by ", "; undef when there is none.
sub header {
    my ($request, $name) = @_;

    my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name } @{$request->{headers}};
    return @values ? join(', ', @values) : undef;
}


# One request; true when the connection is kept.
sub _answer {
    my ($self, $client, $handler) = @_;

    my $request = _read($client) or return 0;

    open my $log, '>>:raw', "$self->{path}.log" or die $!;
    flock $log, LOCK_EX;
    print $log JSON::PP->new->latin1->canonical->encode($request), "\n";
    close $log;

    my $response = $handler->($request) || {};
    if (defined $response->{raw}) {
        print $client $response->{raw};
        $client->flush;
        return 0;
    }

    my $status = $response->{status} || 200;
    my @headers = @{$response->{headers} || []};
    my $body = $response->{body} // '';
    my $keep = $request->{version} eq '1.1' && (header($request, 'Connection') // '') !~ /close/i
        && ref $body ne 'CODE';
    my $bodiless = $request->{method} eq 'HEAD' || $status == 204 || $status == 304;

    my $head = "HTTP/1.1 $status " . ($response->{reason} || 'Status') . "\r\n";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $head .= "$name: $value\r\n";
    }
    $head .= 'Content-Length: ' . length($body) . "\r\n" if !ref $body && $status != 204 && $status != 304;
    $head .= "Transfer-Encoding: chunked\r\n" if ref $body eq 'ARRAY';
    $head .= 'Connection: ' . ($keep ? 'keep-alive' : 'close') . "\r\n\r\n";

    $client->autoflush(1);
    if (!ref $body) {
        print $client $bodiless ? $head : $head . $body;
        return $keep;
    }

    print $client $head;
    return $keep if $bodiless;
    if (ref $body eq 'CODE') {
        $body->($client);
        return 0;
    }
    printf $client "%x\r\n%s\r\n", length $_, $_ for grep { length } @$body;
    print $client "0\r\n\r\n";
    return $keep;
}


sub _read {
    my ($client) = @_;

    my $head = '';
    while ($head !~ /\r\n\r\n/) {
        my $line = <$client>;
        return if !defined $line;
        $head .= $line;
    }

    my ($first, @lines) = split /\r\n/, $head;
    my ($method, $uri, $version) = $first =~ m{^(\S+) (\S+) HTTP/(1\.[01])} or return;
    my $request = {
        method => $method, uri => $uri, version => $version,
        headers => [map { [/^([^:]+):\s*(.*?)\s*$/] } @lines], body => '',
    };

    my $length = header($request, 'Content-Length') || 0;
    read $client, $request->{body}, $length if $length;
    return $request;
}


1;
