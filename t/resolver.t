#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis by its name: resolved when nginx starts, and by nginx's own resolver again when the server cannot be reached, so
# that one that has moved is found without a reload; what the resolver does not know, or says wrongly, harms nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::NameServer;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('resolver');
my $redis = $t->redis;
my $address = $t->address;
my (undef, $port) = split /:/, $t->listen('redis');
delete $t->{ports}{redis};
my $answers = $t->dir . '/dns';                 # what the name server says: addresses, or "none", "silent", "garbage"
my $dns = Test::Privacy::NameServer::start($t, $answers);

# At first the name is that of 127.0.0.1, as the system says, where nobody listens

$redis->start("port $port", "bind $address");
$t->upstream(sub { { headers => ['Content-Type' => 'text/html'], body => '<!doctype html><body>hi</body>' } });
$t->publish($t->bundle);
my $config = site_conf(<<"CONF", http => "resolver $dns valid=1s ipv6=off; resolver_timeout 2s;");
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->config($config, REDIS => "redis://localhost:$port");

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
my $said = () = $t->log =~ /\[warn\].* its name could not be resolved/g;
is($said, 1, 'that it is not found is said once, not each time');
spew($answers, $address);
ok(wait_for(\&connected, 30), 'it says where Redis is: connected, without a reload');
ok(wait_for(sub { json($t->get('/status')->body)->{sites}[0]{sequence} }, 20), '... the policy comes at once');
is(saved(), 303, '... and choices are saved');

# The server moves: the same name, another address

$redis->stop;
my $moved = join '.', (split /\./, $address)[0 .. 2], (split /\./, $address)[3] % 250 + 1;
$redis->start("port $port", "bind $moved");
ok(wait_for(sub { !connected() }, 20), 'Redis is gone from there');
spew($answers, "192.0.2.1 $moved");
ok(wait_for(\&connected, 30), 'found at its other address, though the first one that was said is dead');
ok(wait_for(sub { saved() == 303 }, 20), '... and choices are saved');

# Asked only when there is need: not once both of its connections are there

ok(wait_for(sub { json($t->get('/status')->body)->{sites}[0]{subscribed} }, 20),
    '... and what is published is heard of');
my $asked = -s "$answers.asked";
sleep 3;
is(-s "$answers.asked", $asked, 'nobody is asked while all is well');

# Without a resolver in nginx.conf a name stays what it was at the start

$t->stop;
$t->config($config =~ s/resolver [^;]*;//r =~ s/resolver_timeout [^;]*;//r, REDIS => "redis://localhost:$port");
$t->start(any => 1);
$asked = -s "$answers.asked";
sleep 3;
ok(!connected(), 'without a resolver: 127.0.0.1, as at the start');
is(-s "$answers.asked", $asked, '... and nobody is asked');

$t->finish;
