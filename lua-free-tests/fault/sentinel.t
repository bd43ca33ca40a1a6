#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Sentinel's master is lost while visitors choose, again and again: killed, stopped for a while, cut off from everybody,
# and cut off together with nginx, which then goes on with a master that is none any more for all others. With
# privacy_durability replicas=1, and a master that takes no writes without a replica, nothing that was acknowledged is
# lost; with memory, what the new master had not got yet, which is measured.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Fault::Network;
BEGIN { Fault::Network::enter() }
use Test::More;
use Test::Privacy;
use Test::Privacy::Sentinel;
use Time::HiRes qw(sleep time);
use Fault;

# The master, its replica, and a third host that only votes: who has one copy more than none has all of them.
my $net = Fault::Network->new('h0', 'h1', 'h2');
diag('no partitions: ' . Fault::Network::why()) if !$net;

my $f = Fault->new('sentinel', workers => 2, store => sub {
    return Test::Privacy::Sentinel->new("$_[0]/redis", replicas => 1, lines => ['min-replicas-to-write 1'],
        $net ? (hosts => $net->on('h0', 'h1', 'h2')) : ());
});
my ($t, $redis) = ($f->t, $f->t->redis);

# What takes them ten seconds and more takes a second
$_->command('SENTINEL', 'DEBUG', 'info-period', 300, 'ping-period', 200, 'ask-period', 200, 'publish-period', 300)
    for $redis->sentinels;

my $ways = $f->ways($net);
my @ways = grep { $ways->{$_} } 'cut off with nginx', 'killed', 'cut off', 'stopped';

# Whose role changes ends the connections of clients.
sub role { my ($server) = @_; return eval { $server->command('ROLE') } // [''] }

# One failover; returns how long nobody's choice was acknowledged that could have been.
sub lose_master {
    my ($way, $lost) = @_;

    my $old = $redis->master;
    my @others = grep { $_->{address} ne $old->{address} || !$net } $redis->sentinels;
    my $v = $f->agreed;
    $f->progress;
    $ways->{$way}[0]->($old);
    my $broken = time;
    $f->withdraws($way, $v) if !$lost;
    is($v->choose('withdraw')->status, 303, "$way, memory: the master that is none takes a withdrawal")
        if $lost && $way =~ /nginx/;
    my $new = wait_for(sub {
        my %named = map { ($redis->master($_) // '') => 1 } @others;
        my ($one) = grep { $named{$_} && $_ != $old } $redis->nodes;
        return keys %named == 1 && $one && role($one)->[0] eq 'master' && $one;
    }, 30) or die "$way: no failover";
    $f->progress if $lost && $way !~ /nginx/;
    my $back = time - $broken;
    $ways->{$way}[1]->($old);
    wait_for(sub { my $role = role($old); $role->[0] eq 'slave' && $role->[3] eq 'connected' }, 30)
        or die "$way: the old master does not follow the new one";
    wait_for(sub { !grep { $redis->master($_) != $new } $redis->sentinels }, 30) or die "$way: sentinels do not agree";
    $f->progress;
    $f->recorded($way, $v) if !$lost;
    if ($lost && $way =~ /nginx/) {
        my $granted = wait_for(sub { sleep 0.2; $v->get('/')->header('X-Consent') ne '<>' }, 3);
        ok(!$granted, "$way, memory: what was withdrawn and lost is granted by nobody");
    }
    return $back;
}

# What was acknowledged is on both

$f->{http} = 'privacy_durability replicas=1;';
$f->start;
$f->write;
my $n = times(20, 2);
lose_master($ways[$_ % @ways]) for 0 .. $n - 1;
$f->settle;
diag("the master was lost $n times");
my $first = $f->account('Sentinel, replicas=1');

if (full()) {
    my $before = $f->forget;
    $f->{http} = 'privacy_durability memory;';
    $f->configure;
    $t->reload;
    $_->command('CONFIG', 'SET', 'min-replicas-to-write', 0) for $redis->nodes;
    $f->write;
    my @away = sort { $a <=> $b } map { lose_master($ways[$_ % @ways], 1) } 0 .. $n - 1;
    $f->settle;
    my $sum = $f->sum(undef, $before);
    diag(sprintf 'Sentinel, memory: the master was lost %d times, %d of %d acknowledged choices are lost; without it for '
        . '%.1f s, at most %.1f s', $n, scalar @{$sum->{lost}},
        $sum->{acknowledged} - $first->{acknowledged}, @away[$#away / 2, -1]);
    is(scalar @{$sum->{$_}}, 0, "Sentinel, memory: $Fault::Journal::means{$_}") for qw(unasked unproven);
}
$f->finish;
