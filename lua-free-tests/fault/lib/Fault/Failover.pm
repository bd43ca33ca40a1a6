package Fault::Failover;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

=head1 NAME

Fault::Failover - masters are lost while visitors choose, in each way that there is, and others take their place

=head1 SYNOPSIS

    my @hosts = ('h0', 'h1', 'h2');
    my $net = Fault::Failover::network(@hosts);     # may be none
    my $f = Fault->new('sentinel', workers => 2, store => sub { ... });
    $f->{http} = 'privacy_durability replicas=1;';
    $f->start;
    $f->write;
    Fault::Failover->new($f, $net, what => 'Sentinel', whose => 'the master',
        master => sub { my ($i) = @_; ... },        # which one is lost for the i-th time
        lose => sub { my ($way, $old, $lost) = @_; return (
            visitor => $v,                          # who agreed, on $old
            meanwhile => sub { ... },               # $old is away
            successor => sub { ... },               # the new master, once it is one
            settled => sub { ... },                 # everybody is back, follows, and agrees
            afterwards => sub { ... },
        ) })->lose_masters;
    $f->finish;

Whoever withdraws while the master is away is told that it is not recorded, and it holds at once; nothing that was
acknowledged is lost. In full all of it is done a second time with memory ($lost is true then): what was acknowledged by
a master that fell before its replica had it is lost, which is counted, and nothing is granted out of it.

=cut

use strict;
use warnings;

use Exporter 'import';
use Test::More;
use Time::HiRes qw(time);

use Fault;
use Fault::Journal;
use Fault::Network;
use Test::Privacy qw(wait_for);

our @EXPORT = qw(follows role);


# The hosts, or nothing, and then why.
sub network {
    my (@hosts) = @_;

    my $net = Fault::Network->new(@hosts);
    diag('no partitions: ' . Fault::Network::why()) if !$net;
    return $net;
}


# Whose role changes ends the connections of clients.
sub role { my ($server) = @_; return eval { $server->command('ROLE') } // [''] }


# A replica that is connected.
sub follows { my ($server) = @_; my $role = role($server); return $role->[0] eq 'slave' && $role->[3] eq 'connected' }


sub new {
    my ($class, $f, $net, %options) = @_;

    my $self = bless { f => $f, %options }, $class;
    $self->{ways} = $self->_ways($net);
    $self->{order} = [grep { $self->{ways}{$_} } 'cut off with nginx', 'killed', 'cut off', 'stopped'];
    return $self;
}


# How a server is taken away, and brought back: { way => [code, code] }, with partitions where there is a network.
sub _ways {
    my ($self, $net) = @_;

    my $store = $self->{f}->t->redis;
    my %ways = (killed => [sub { $_[0]->kill }, sub { $store->again($_[0]) }],
        stopped => [sub { $_[0]->pause }, sub { $_[0]->resume }]);
    return \%ways if !$net;

    my $whole = sub { $net->whole };
    $ways{'cut off'} = [sub { $net->apart($net->host($_[0]{address})) }, $whole];
    $ways{'cut off with nginx'} = [sub { $net->apart($net->host($_[0]{address}), 'here') }, $whole];
    return \%ways;
}


# With replicas=1 none is lost; with memory it is counted.
sub lose_masters {
    my ($self) = @_;

    my ($f, $what) = @$self{qw(f what)};
    my $n = times(20, 2);
    $self->_lose($_) for 0 .. $n - 1;
    $f->settle;
    diag("$self->{whose} was lost $n times");
    my $first = $f->account("$what, replicas=1");
    return if !full();

    my $before = $f->forget;
    $f->{http} = 'privacy_durability memory;';
    $f->configure;
    $f->t->reload;
    for my $node ($f->t->redis->nodes) {
        $node->command('CONFIG', 'SET', 'min-replicas-to-write', 0);
        # and when it is started again: else it refuses, as the next master, while it is the only one
        $node->{lines} = [grep { !/^min-replicas-to-write / } @{$node->{lines}}];
    }
    $f->write(again => 1);
    my @away = sort { $a <=> $b } map { $self->_lose($_, 1) } 0 .. $n - 1;
    $f->settle;
    my $sum = $f->sum(undef, $before);
    diag(sprintf '%s, memory: %s was lost %d times, %d of %d acknowledged choices are lost; without it for %.1f s, '
        . 'at most %.1f s', $what, $self->{whose}, $n, scalar @{$sum->{lost}},
        $sum->{acknowledged} - $first->{acknowledged}, @away[$#away / 2, -1]);
    is(scalar @{$sum->{$_}}, 0, "$what, memory: $Fault::Journal::means{$_}") for qw(unasked unproven);
}


# One failover; returns how long nobody's choice was acknowledged that could have been.
sub _lose {
    my ($self, $i, $lost) = @_;

    my $f = $self->{f};
    my $way = $self->{order}[$i % @{$self->{order}}];
    my ($away, $back) = @{$self->{ways}{$way}};
    my $old = $self->{master}->($i);
    my %case = $self->{lose}->($way, $old, $lost);
    $f->progress;
    $away->($old);
    my $broken = time;
    $case{meanwhile}->();
    $f->withdraws($way, $case{visitor}) if !$lost;
    wait_for($case{successor}, 30) or die "$way: no failover";
    $f->progress if $lost && $way !~ /nginx/;
    my $took = time - $broken;
    $back->($old);
    wait_for($case{settled}, 30) or die "$way: they do not agree again";
    $f->progress;
    $f->recorded($way, $case{visitor}) if !$lost;
    $case{afterwards}->() if $case{afterwards};
    return $took;
}


1;
