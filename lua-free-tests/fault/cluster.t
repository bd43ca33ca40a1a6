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
use Time::HiRes qw(sleep time);
use Fault;

my @hosts = map { "h$_" } 0 .. 5;
my $net = Fault::Network->new(@hosts);
diag('no partitions: ' . Fault::Network::why()) if !$net;

my $f = Fault->new('cluster', workers => 2, store => sub {
    return Test::Privacy::Cluster->new("$_[0]/redis", masters => 3, replicas => 1, timeout => 2000,
        lines => ['min-replicas-to-write 1'], $net ? (hosts => $net->on(@hosts)) : ());
});
my ($t, $redis) = ($f->t, $f->t->redis);

my $ways = $f->ways($net);
my @ways = grep { $ways->{$_} } 'cut off with nginx', 'killed', 'cut off', 'stopped';

sub key { return "privacy:{example:$_[0]}:ledger" }
sub role { my ($server) = @_; return eval { $server->command('ROLE') } // [''] }

# A slot goes to another shard, key by key; before, between and after, visitors choose.
sub move {
    my ($slot, $to) = @_;

    my $from = $redis->node_of($slot);
    return if $from == $to;
    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $redis->id($from));
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $redis->id($to));
    $f->progress(1);
    while (my ($key) = @{$from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 1)}) {
        $from->command('MIGRATE', $to->{address}, $to->{port}, $key, 0, 5000);
    }
    $f->progress(1);
    $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $redis->id($to))
        for $to, $from, grep { $_ != $to && $_ != $from } $redis->masters;
}

# One failover; returns how long nobody's choice was acknowledged that could have been.
sub lose_master {
    my ($way, $old, $lost) = @_;

    my @others = grep { $_ != $old } $redis->masters;
    my %of;
    while (keys %of < 3) {
        my $v = $f->agreed;
        my $node = $redis->node_of(key($v->{subject}));
        $of{$node} = $v;
    }
    my $slot = $redis->slot(key($of{$old}{subject}));
    $f->progress;
    $ways->{$way}[0]->($old);
    my $broken = time;

    if ($way !~ /nginx/) {
        is($of{$_}->choose('withdraw')->status, 303, "$way: the other shards go on") for @others;
    }
    $f->withdraws($way, $of{$old}) if !$lost;
    my $new = wait_for(sub {
        my ($range) = grep { $_->[0] <= $slot && $slot <= $_->[1] } @{$others[0]->command('CLUSTER', 'SLOTS')};
        my ($owner) = grep { $_->{port} == $range->[2][1] } $redis->nodes;
        return $owner != $old && role($owner)->[0] eq 'master' && $owner;
    }, 30) or die "$way: no failover";
    $f->progress if $lost && $way !~ /nginx/;
    my $back = time - $broken;
    $ways->{$way}[1]->($old);
    wait_for(sub { my $role = role($old); $role->[0] eq 'slave' && $role->[3] eq 'connected' }, 30)
        or die "$way: the old master does not follow the new one";
    $redis->ready;
    $f->progress;
    $f->recorded($way, $of{$old}) if !$lost;
    return $back;
}

# Slots on their way

$f->{http} = 'privacy_durability replicas=1;';
$f->start;
$f->write;
$f->progress(40);
my ($mark, $reshards, $moved) = ($f->mark, times(10, 1), 0);
for my $i (1 .. $reshards) {
    my @masters = $redis->masters;
    my $to = $masters[$i % @masters];
    # those that are written to, and some that are not
    my %slots = map { $redis->slot(key($_)) => 1 } $f->subjects(full() ? 40 : 12);
    for my $slot (sort keys %slots) {
        next if $redis->node_of($slot) == $to;
        move($slot, $to);
        $moved++;
    }
}
$redis->ready;
my @away = $f->turned_away($mark);
is(scalar(grep { $_ < 1.9 } @away), 0, 'slots on their way: no choice was turned away before its time was over')
    or diag(join ', ', map { sprintf '%.2f s', $_ } @away);
diag(sprintf '%d reshards: %d slots were moved; %d choices were turned away', $reshards, $moved, scalar @away);

# What was acknowledged is on both

my $n = times(20, 2);
for my $i (0 .. $n - 1) {
    my @masters = $redis->masters;
    lose_master($ways[$i % @ways], $masters[$i % @masters]);
}
$f->settle;
diag("a master was lost $n times");
my $first = $f->account('Cluster, replicas=1');

if (full()) {
    my $before = $f->forget;
    $f->{http} = 'privacy_durability memory;';
    $f->configure;
    $t->reload;
    $_->command('CONFIG', 'SET', 'min-replicas-to-write', 0) for $redis->nodes;
    $f->write;
    my @gone;
    for my $i (0 .. $n - 1) {
        my @masters = $redis->masters;
        push @gone, lose_master($ways[$i % @ways], $masters[$i % @masters], 1);
    }
    @gone = sort { $a <=> $b } @gone;
    $f->settle;
    my $sum = $f->sum(undef, $before);
    diag(sprintf 'Cluster, memory: a master was lost %d times, %d of %d acknowledged choices are lost; without it for '
        . '%.1f s, at most %.1f s', $n, scalar @{$sum->{lost}},
        $sum->{acknowledged} - $first->{acknowledged}, @gone[$#gone / 2, -1]);
    is(scalar @{$sum->{$_}}, 0, "Cluster, memory: $Fault::Journal::means{$_}") for qw(unasked unproven);
}
$f->finish;
