#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Servers of a cluster that call each other by names, which nginx's resolver knows; a host that is not found at the
# start while others are; IPv6. That names are resolved again is t/resolver.t's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::NameServer;
use Test::Privacy::Servers;
use Test::Privacy::Site;
use Time::HiRes qw(sleep);

my $t = Test::Privacy->new('names');
my $config = site_conf(<<'CONF', http => 'resolver %%DNS%% valid=1s ipv6=off; resolver_timeout 1s;');
    add_header X-Version "$privacy_version" always;
    add_header X-Subject "$privacy_subject" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
$t->allow(qr/connect\(\) failed \(111/);

# All of them are at one address
my $answers = $t->dir . '/dns';
spew($answers, $t->address);
my $dns = Test::Privacy::NameServer::start($t, $answers);

sub status { return json($t->get('/status')->body)->{redis} }

my $network = 0;
sub choose {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 3, ++$network, 1]);
    $v->get('/');
    return $v->choose('accept_all')->status;
}

$t->redis->start;
$t->publish($t->bundle);

# A cluster whose servers call each other by names

my $cluster = Test::Privacy::Cluster->new($t->dir . '/cluster', masters => 3, address => $t->address,
    lines => ['cluster-preferred-endpoint-type hostname']);
my @nodes = $cluster->nodes;
$nodes[$_]->command('CONFIG', 'SET', 'cluster-announce-hostname', "node$_.test") for 0 .. 2;
ok(wait_for(sub {
    my %names = map { $_->[2][0] => 1 } map { @{$_->command('CLUSTER', 'SLOTS')} } @nodes;
    return "@{[sort keys %names]}" eq 'node0.test node1.test node2.test';
}, 20), 'a cluster of names');
for my $key (@{$t->redis->command('KEYS', 'privacy:example:*')}) {
    $cluster->node_of($key)->command('RESTORE', $key, 0, $t->redis->command('DUMP', $key));
}
$t->config($config, DNS => $dns,
    REDIS => "cluster://nowhere.invalid,$nodes[0]{address}:$nodes[0]{port}");
$t->start;
like($t->log, qr/host not found in the Redis address "nowhere.invalid"/, 'a host that is not found is said');
ok(wait_for(sub { 3 == grep { $_->{slots} && $_->{connected} && $_->{address} =~ /^node\d\.test:\d+$/ }
    @{status()->{endpoints}} }, 20), 'the names are resolved') or diag(explain(status()));
is_deeply([map { choose() } 1 .. 6], [(303) x 6], 'choices are recorded');
$t->stop;
$cluster->stop;

# IPv6

SKIP: {
    my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
    my $six = $free->sockport;
    $free->close;
    $t->redis->stop;
    skip 'no IPv6', 1 if !eval { $t->redis->start("port $six", 'bind ::1', 'protected-mode no')
        && qx(redis-cli -h ::1 -p $six PING 2>&1) =~ /PONG/ };
    $t->config($config, DNS => $dns, REDIS => "redis://[::1]:$six");
    $t->start;
    is(choose(), 303, 'a server at an address of IPv6');
}

$t->stop;
$t->finish;
