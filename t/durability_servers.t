#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacy_durability replicas=1 with more than one server: each shard of a Cluster is waited for by itself, also about
# a slot that is on its way; after a failover by Sentinels the new master's replica is waited for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Test::Privacy::Sentinel;
use Test::Privacy::Site;

my $t = Test::Privacy->new('durability-servers', workers => 1);
$t->allow(qr/connect\(\) failed \(111/);

sub config {
    my ($url) = @_;
    $t->config(site_conf(<<'CONF', http => 'privacy_durability replicas=1;'), REDIS => $url);
    add_header X-Subject "$privacy_subject" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF
}

# Published to a single server, and copied: nginx finds it where it is looked for
sub publish {
    my ($node_of, @masters) = @_;
    my $redis = $t->redis;
    if (!$redis->pid) {
        $redis->start;
        $t->publish($t->bundle);
    }
    for my $key (@{$redis->command('KEYS', '*')}) {
        $node_of->($key)->command('RESTORE', $key, 0, $redis->command('DUMP', $key), 'REPLACE');
    }
}

my $network = 0;
sub visitor {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 8 + (++$network >> 8), $network & 255, 1]);
    $v->get('/privacy/choices');
    return $v;
}
sub choose {
    my ($v, $what) = @_;
    $v->{headers} = ['X-Real-IP' => join '.', 10, 8 + (++$network >> 8), $network & 255, 1];
    $v->get('/privacy/choices');
    return $v->choose($what)->status;
}
sub ledger { return 'privacy:{example:' . $_[0]->get('/')->header('X-Subject') . '}:ledger' }
sub durability { return json($t->get('/status')->body)->{redis}{durability} }
sub in_force { return wait_for(sub { $t->get('/privacy/choices')->status == 200 }, 20) }
# A server that changes its role closes the connections that it had.
sub records {
    my ($node, $key) = @_;
    eval { $node->command('PING') };
    eval { $node->command('READONLY') };
    return $node->command('HLEN', $key);
}

# A Cluster

my $cluster = Test::Privacy::Cluster->new($t->dir . '/cluster', masters => 3, replicas => 1, address => $t->address);
sub replica_of {
    my ($master) = @_;
    my ($replica) = grep { my $role = $_->command('ROLE');
        $role->[0] eq 'slave' && $role->[2] == $master->{port} } $cluster->running;
    return $replica;
}

publish(sub { $cluster->node_of($_[0]) });
config($cluster->url);
$t->start;
ok(in_force(), 'a cluster: the policy is in force');

my @visitors = map { visitor() } 1 .. 9;
ok(wait_for(sub { choose($visitors[0], 'accept_all') == 303 }, 20), 'a choice is acknowledged');
is_deeply([map { choose($_, 'accept_all') } @visitors[1 .. 8]], [(303) x 8], 'and eight more');
my %shards;
for my $v (@visitors) {
    my $node = $cluster->node_of(ledger($v));
    push @{$shards{$node->{port}}}, $v;
    is(records(replica_of($node), ledger($v)), 1, 'the replica of the shard has it');
}
cmp_ok(keys %shards, '>=', 2, 'they are on several shards');

# One replica stands still: only its shard acknowledges nothing

my ($port, $other) = sort keys %shards;
my $away = replica_of(grep { $_->{port} == $port } $cluster->nodes);
$away->pause;
is(choose($shards{$port}[0], 'reject_all'), 503, 'the replica of one shard stands still: nothing there is acknowledged');
is(choose($shards{$other}[0], 'reject_all'), 303, '... on another shard it is');
$away->resume;
ok(wait_for(sub { choose($shards{$port}[0], 'reject_all') == 303 }, 20), 'it goes on: it is acknowledged');

# A slot on its way: what is written at its new place is waited for there

my $v = $visitors[-1];
my $slot = $cluster->slot(ledger($v));
my $from = $cluster->node_of($slot);
my ($to) = grep { $_ != $from } $cluster->masters;
my $waits = durability()->{waits};
$cluster->move($slot, $to, sub {
    my @keys = @{$from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 100)};
    $from->command('MIGRATE', $to->{address}, $to->{port}, '', 0, 5000, 'KEYS', @keys);
    is(choose($v, 'withdraw'), 303, 'the slot is on its way: acknowledged at its new place');
    $away = replica_of($to);
    $away->pause;
    is(choose($v, 'accept_all'), 503, '... and not without the replica there');
    $away->resume;
});
cmp_ok(durability()->{waits}, '>=', $waits + 2, '... which was waited for');
ok(wait_for(sub { choose($v, 'reject_all') == 303 }, 20), 'it has arrived: acknowledged');
is(records(replica_of($to), ledger($v)), records($to, ledger($v)), 'the replica has all of it');

# A master that is new, and its first slot

my $new = $cluster->add(1);
$v = $visitors[0];
$slot = $cluster->slot(ledger($v));
$from = $cluster->node_of($slot);
$cluster->move($slot, $new, sub {
    my @keys = @{$from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 100)};
    $from->command('MIGRATE', $new->{address}, $new->{port}, '', 0, 5000, 'KEYS', @keys);
    is(choose($v, 'withdraw'), 303, 'a new master whose first slot is on its way: acknowledged there');
});
is(records(replica_of($new), ledger($v)), records($new, ledger($v)), '... and its replica has it');
ok(wait_for(sub { choose($v, 'reject_all') == 303 }, 20), 'it has arrived: acknowledged');
$cluster->stop;
$t->stop;

# Sentinels

my $sentinel = Test::Privacy::Sentinel->new($t->dir . '/sentinel', replicas => 1, address => $t->address,
    lines => ['repl-diskless-sync-delay 0']);
publish(sub { $sentinel->master });
config($sentinel->url);
$t->start;
ok(in_force(), 'sentinels: the policy is in force');
$v = visitor();
ok(wait_for(sub { choose($v, 'accept_all') == 303 }, 20), 'a choice is acknowledged');
my ($replica) = grep { $_ != $sentinel->master } $sentinel->nodes;
is(records($replica, ledger($v)), 1, 'and the replica has it');
ok($sentinel->failover, 'the replica takes over');
ok(wait_for(sub { choose($v, 'reject_all') == 303 }, 30), 'a choice is acknowledged again');
my $master = $sentinel->master;
($replica) = grep { $_ != $master } $sentinel->nodes;
is(records($replica, ledger($v)), records($master, ledger($v)), 'and the old one, its replica now, has it');
$replica->pause;
is(choose($v, 'accept_all'), 503, 'without it nothing is');
$replica->resume;
$sentinel->stop;

$t->finish;
