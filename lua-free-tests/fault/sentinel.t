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
use Time::HiRes qw(sleep);
use Fault;
use Fault::Failover;

# The master, its replica, and a third host that only votes: who has one copy more than none has all of them.
my @hosts = ('h0', 'h1', 'h2');
my $net = Fault::Failover::network(@hosts);

my $f = Fault->new('sentinel', workers => 2, store => sub {
    return Test::Privacy::Sentinel->new("$_[0]/redis", replicas => 1, down => 1000, lines => ['min-replicas-to-write 1'],
        $net ? (hosts => $net->on(@hosts)) : (address => $_[1]));
});
my $redis = $f->t->redis;

# What takes them ten seconds and more takes a second
$_->command('SENTINEL', 'DEBUG', 'info-period', 300, 'ping-period', 200, 'ask-period', 200, 'publish-period', 300)
    for $redis->sentinels;

sub lose {
    my ($way, $old, $lost) = @_;

    my @others = grep { $_->{address} ne $old->{address} || !$net } $redis->sentinels;
    my $v = $f->agreed;
    my $takes = $lost && $way =~ /nginx/;           # what nobody else will know of

    return (
        visitor => $v,
        meanwhile => sub {
            is($v->choose('withdraw')->status, 303, "$way, memory: the master that is none takes a withdrawal")
                if $takes;
        },
        successor => sub {
            my %named = map { ($redis->master($_) // '') => 1 } @others;
            my ($one) = grep { $named{$_} && $_ != $old } $redis->nodes;
            return keys %named == 1 && $one && role($one)->[0] eq 'master' && $one;
        },
        # whoever it is in the end: who was cut off knows of the last failover only, and may begin another one
        settled => sub {
            my ($master, @more) = grep { role($_)->[0] eq 'master' } $redis->nodes;
            return $master && !@more && !grep({ $_ != $master && !follows($_) } $redis->nodes)
                && !grep { ($redis->master($_) // 0) != $master } $redis->sentinels;
        },
        afterwards => sub {
            return if !$takes;
            my $granted = wait_for(sub { sleep 0.2; $v->get('/')->header('X-Consent') ne '<>' }, 3);
            ok(!$granted, "$way, memory: what was withdrawn and lost is granted by nobody");
        },
    );
}

# What was acknowledged is on both

$f->{http} = 'privacy_durability replicas=1;';
$f->start;
$f->write;
Fault::Failover->new($f, $net, what => 'Sentinel', whose => 'the master', master => sub { $redis->master },
    lose => \&lose)->lose_masters;
$f->finish;
