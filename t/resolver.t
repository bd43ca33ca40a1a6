#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis by its name: resolved when nginx starts, and by nginx's own resolver again when the server cannot be reached, so
# that one that has moved is found without a reload; what the resolver does not know, or says wrongly, harms nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use POSIX ();
use Socket ();
use Test::More;
use Test::Privacy;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('resolver');
my $redis = $t->redis;
my $address = $t->address;
my (undef, $port) = split /:/, $t->listen('redis');
delete $t->{ports}{redis};
my $answers = $t->dir . '/dns';                 # what the name server says: addresses, or "none", "silent", "garbage"
my $dns = name_server();

# At first the name is that of 127.0.0.1, as the system says, where nobody listens

$redis->start("port $port", "bind $address");
$t->upstream(sub { { headers => ['Content-Type' => 'text/html'], body => '<!doctype html><body>hi</body>' } });
$t->publish($t->bundle);
$t->config(<<"CONF", REDIS => "redis://localhost:$port");
%%MAIN%%
http {
    %%HTTP%%
    resolver $dns valid=1s ipv6=off;
    resolver_timeout 2s;
    %%PRIVACY%%
    set_real_ip_from 127.0.0.0/8;
    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
        location / { proxy_pass %%UPSTREAM%%; }
        location /privacy/ { privacy_center; }
        location = /status { privacy_status; }
    }
}
CONF

sub connected { return json($t->get('/status')->body)->{redis}{connected} }
my $network = 0;
sub saved {
    my $v = $t->visitor(headers => ['X-Real-IP' => '10.9.' . ++$network . '.1']);
    $v->get('/');
    return $v->choose('accept_all')->status;
}

for my $wrong (qw(none silent garbage)) {
    spew($answers, $wrong);
    delete $t->{published};
    $t->start if !$t->pid;
    sleep 2;
    ok(!connected(), "the resolver says $wrong: not connected");
    is($t->get('/')->status, 200, '... and the site is served');
}
spew($answers, $address);
ok(wait_for(\&connected, 30), 'it says where Redis is: connected, without a reload');
ok(wait_for(sub { json($t->get('/status')->body)->{sites}[0]{sequence} }, 8), '... the policy comes at once');
is(saved(), 303, '... and choices are saved');

# The server moves: the same name, another address

$redis->stop;
my $moved = join '.', (split /\./, $address)[0 .. 2], (split /\./, $address)[3] % 250 + 1;
$redis->start("port $port", "bind $moved");
ok(wait_for(sub { !connected() }, 20), 'Redis is gone from there');
spew($answers, "192.0.2.1 $moved");
ok(wait_for(\&connected, 30), 'found at its other address, though the first one that was said is dead');
ok(wait_for(sub { saved() == 303 }, 20), '... and choices are saved');

# Asked only when there is need

my $asked = -s "$answers.asked";
sleep 3;
is(-s "$answers.asked", $asked, 'nobody is asked while all is well');

$t->finish;


# Answers queries for any A record; each is noted in "$answers.asked".
sub name_server {
    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $address) or die $!;
    my $pid = fork // die $!;
    return "$address:" . $socket->sockport if $pid && $t->ends_with($pid);

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    while (defined(my $peer = recv $socket, my $query, 512, 0)) {
        open my $note, '>>', "$answers.asked" or die $!;
        print $note '.';
        close $note;
        my $says = slurp($answers);
        next if $says eq 'silent';
        my $question = substr $query, 12, index($query, "\0", 12) - 12 + 5;
        my @addresses = $says =~ /^[\d. ]+$/ ? split ' ', $says : ();
        my $answer = $says eq 'garbage' ? substr($query, 0, 2) . join '', map { chr int rand 256 } 1 .. 60
            : substr($query, 0, 2) . pack('n5', @addresses ? 0x8180 : 0x8183, 1, scalar @addresses, 0, 0) . $question
                . join '', map { pack 'n3 N n a4', 0xc00c, 1, 1, 1, 4, Socket::inet_aton($_) } @addresses;
        send $socket, $answer, 0, $peer;
    }
    POSIX::_exit(0);
}
