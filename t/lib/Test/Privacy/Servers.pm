package Test::Privacy::Servers;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What clusters and Sentinel's masters are made of: node(DIR, HOST, PORT, LINES) is a Test::Privacy::Redis that
# listens to TCP, too ({address}, {port}, {lines}); HOST: an address, or [ADDRESS, words before redis-server].
# ports(ADDRESS, N) are free ones; wait_for(CODE, SECONDS).

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use Test::Privacy::Redis;

our @EXPORT_OK = qw(node ports port_lines wait_for);


# Held together until all are known: else one is given twice.
sub ports {
    my ($address, $n) = @_;

    my @held = map { IO::Socket::INET->new(Listen => 1, LocalAddr => $address, LocalPort => 0) or die "no port: $!" }
        1 .. $n;
    return map { $_->sockport } @held;
}


sub node {
    my ($dir, $host, $port, @lines) = @_;

    my ($address, @prefix) = ref $host ? @$host : $host;
    my $node = Test::Privacy::Redis->new($dir);
    @$node{qw(address prefix port lines)} = ($address, \@prefix, $port,
        [port_lines($port, @lines), "bind $address", 'protected-mode no', 'repl-diskless-sync-delay 0', @lines]);
    return $node->start(@{$node->{lines}});
}


# Encrypted where there are certificates.
sub port_lines {
    my ($port, @lines) = @_;

    return (grep { /^tls-cert-file / } @lines) ? ('port 0', "tls-port $port") : "port $port";
}


sub wait_for {
    my ($condition, $seconds) = @_;

    my $end = time + $seconds;
    while (1) {
        my $begin = time;
        my $answer = eval { $condition->() };
        return $answer if $answer;
        return 0 if $begin > $end;
        sleep 0.05;
    }
}


1;
