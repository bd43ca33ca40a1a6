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
        lines => ['min-replicas-to-write 1'], $net ? (hosts => $net->on(@hosts)) : ());
});
my $redis = $f->t->redis;

sub key { return "privacy:{example:$_[0]}:ledger" }

# Each worker knows who the masters are, and reaches them: what is broken next is one thing. Not waited for without end.
sub known {
    my $masters = join ' ', sort map { "$_->{address}:$_->{port}" } $redis->masters;
    my %said;
    return 1 if wait_for(sub {
        my $all = json($f->t->get('/status')->body);
        my @of = grep { $_->{slots} } @{$all->{redis}{endpoints}};
        my $reached = !grep { !$_->{connected} || $_->{breaker} ne 'closed' } @of;
        $said{$all->{node}{worker}} = join(' ', sort map { $_->{address} } @of) . ($reached ? '' : ' not reached');
        return keys %said == 2 && !grep { $_ ne $masters } values %said;
    }, 10);
    diag("masters are $masters; workers say ", join '; ', values %said);
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
            # nobody has taken over yet: a second attempt, with a form of its own, is before that
            for my $v (@of{@others}) {
                my @said;
                ok(wait_for(sub {
                    $v->get('/privacy/choices') if @said;
                    my $began = time;
                    my $status = $v->choose('withdraw')->status;
                    push @said, sprintf '%d after %.1f s', $status, time - $began;
                    return $status == 303;
                }, 3), "$way: the other shards go on");
                diag("$way: another shard said @said[0 .. ($#said < 4 ? $#said : 4)]") if @said > 1;
            }
        },
        successor => sub {
            my ($range) = grep { $_->[0] <= $slot && $slot <= $_->[1] } @{$others[0]->command('CLUSTER', 'SLOTS')};
            my ($owner) = grep { $_->{port} == $range->[2][1] } $redis->nodes;
            return $owner != $old && role($owner)->[0] eq 'master' && $owner;
        },
        settled => sub { follows($old) or return; $redis->ready; known() },
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
