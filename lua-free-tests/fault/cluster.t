#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# In a Redis Cluster slots move from shard to shard while visitors choose, and masters are lost: killed, stopped for a
# while, cut off from everybody, and cut off together with nginx. Who belongs to another shard can choose meanwhile. With
# privacy_durability replicas=1, and masters that take no writes without a replica, nothing that was acknowledged is lost;
# with memory, what the new master had not got yet, which is measured.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Fault::Network;
BEGIN { Fault::Network::enter() }
use Test::More;
use Test::Privacy;
use Test::Privacy::Cluster;
use Time::HiRes qw(time);
use Fault;
use Fault::Failover;

my @hosts = map { "h$_" } 0 .. 5;
my $net = Fault::Failover::network(@hosts);

my $f = Fault->new('cluster', workers => 2, store => sub {
    return Test::Privacy::Cluster->new("$_[0]/redis", masters => 3, replicas => 1, timeout => 2000,
        lines => ['min-replicas-to-write 1'], $net ? (hosts => $net->on(@hosts)) : (address => $_[1]));
});
my $redis = $f->t->redis;

sub key { return "privacy:{example:$_[0]}:ledger" }

# Each worker reaches those whom it takes for the masters: what is broken next is one thing. Not waited for without end.
sub reached {
    my %out;
    return 1 if wait_for(sub {
        my $all = json($f->t->get('/status')->body);
        $out{$all->{node}{worker}} = join ' ', map { $_->{address} }
            grep { $_->{slots} && (!$_->{connected} || $_->{breaker} ne 'closed') } @{$all->{redis}{endpoints}};
        return keys %out == 2 && !grep { length } values %out;
    }, 10);
    diag('what workers take for a master and do not reach: ', join '; ', values %out);
    return 1;
}

sub lose {
    my ($way, $old) = @_;

    my @others = grep { $_ != $old } $redis->masters;
    my %of;
    while (keys %of < 3) {
        my $v = $f->agreed;
        my $node = $redis->node_of(key($v->{subject}));
        $of{$node} = $v;
    }
    my $slot = $redis->slot(key($of{$old}{subject}));

    return (
        visitor => $of{$old},
        meanwhile => sub {
            return if $way =~ /nginx/;
            for my $v (@of{@others}) {
                my ($mark, $began) = (length $f->t->log, time);
                my $status = $v->choose('withdraw')->status;
                is($status, 303, "$way: the other shards go on")
                    or diag(sprintf "after %.1f s; the log since\n%s", time - $began, substr $f->t->log, $mark);
            }
        },
        successor => sub {
            my ($range) = grep { $_->[0] <= $slot && $slot <= $_->[1] } @{$others[0]->command('CLUSTER', 'SLOTS')};
            my ($owner) = grep { $_->{port} == $range->[2][1] } $redis->nodes;
            return $owner != $old && role($owner)->[0] eq 'master' && $owner;
        },
        settled => sub { follows($old) or return; $redis->ready; reached() },
    );
}

# Slots on their way: before, between and after, visitors choose

$f->{http} = 'privacy_durability replicas=1;';
$f->start;
$f->write;
$f->progress(40);
my ($mark, $reshards, $moved) = ($f->mark, times(10, 1), 0);
my $choose = sub { $f->progress(1) };
for my $i (1 .. $reshards) {
    my @masters = $redis->masters;
    my $to = $masters[$i % @masters];
    # those that are written to, and some that are not
    my %slots = map { $redis->slot(key($_)) => 1 } $f->subjects(full() ? 40 : 12);
    for my $slot (sort keys %slots) {
        next if $redis->node_of($slot) == $to;
        $redis->move($slot, $to, ($choose) x 2);
        $moved++;
    }
}
$redis->ready;
my @away = $f->turned_away($mark);
is(scalar(grep { $_ < 1.9 } @away), 0, 'slots on their way: no choice was turned away before its time was over')
    or diag(join ', ', map { sprintf '%.2f s', $_ } @away);
diag(sprintf '%d reshards: %d slots were moved; %d choices were turned away', $reshards, $moved, scalar @away);

# What was acknowledged is on both

Fault::Failover->new($f, $net, what => 'Cluster', whose => 'a master',
    master => sub { my ($i) = @_; my @masters = $redis->masters; return $masters[$i % @masters] },
    lose => \&lose)->lose_masters;
$f->finish;
