#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Between nginx and Redis is something that cuts connections at every byte of an answer, and something that answers what
# Redis never would, while visitors choose: nothing is acknowledged that Redis did not, nothing is recorded twice, and
# nginx keeps no memory of what it was told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Stopwatch;
use Test::Privacy::Wire;
use Time::HiRes qw(sleep time);
use Fault;

my $f = Fault->new('wire', workers => 1);
my $t = $f->t;
$t->redis->start;
my $wire = Test::Privacy::Wire->new($t->dir . '/wire', $t->redis->socket);
$t->ends_with($wire->pid);
$f->{redis} = $wire->url;
$f->start;
$f->write(processes => 1, visitors => 4);
$f->progress;

sub memory { my ($pid) = $t->workers; return slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }

# What an append is answered: +OK, two times +QUEUED, and the array of what was done. What a look-up of a state is
# answered: an array of records and of places where there is none yet.

my %answers = ('an append' => ['EXEC', 35], 'a look-up' => ['HMGET', 200]);
my $cuts = 0;
for my $what (sort keys %answers) {
    my ($command, $bytes) = @{$answers{$what}};
    my @at = full() ? (0 .. $bytes) : map { int $_ * $bytes / 2 } 0 .. 2;
    my $n = times(scalar @at, scalar @at);
    @at = @at[map { int $_ * @at / $n } 0 .. $n - 1] if $n < @at;
    for my $at (@at) {
        # a connection that held for a second is tried again at once
        sleep 1.02;
        $wire->order(cut => $at, on => $command);
        $f->progress(3);
        $cuts++;
    }
    pass("$what: cut at " . @at . ' places, and choices were saved after each');
}
$wire->order('pass');
$f->progress;

my $before = memory();
my @lies = full() ? qw(garbage huge deep backwards never) : qw(garbage deep backwards);
for my $lie (@lies) {
    my $v = $f->agreed;
    my $none = $f->acknowledged;
    $wire->order(lie => $lie);
    sleep 0.2;                          # what Redis said before is on its way
    $none = $f->acknowledged;
    my $until = time + (full() ? 15 : 2);

    # backwards, what comes alone comes right
    $f->withdraws("an impostor, $lie", $v) if $lie ne 'backwards';
    my ($pages, $good, $slowest) = (0, 0, 0);
    my $watch = Test::Privacy::Stopwatch->new;
    while (time < $until) {
        my $begin = $watch->seconds;
        $good++ if $t->get('/')->status == 200;
        my $took = $watch->seconds - $begin;
        $slowest = $took if $slowest < $took;
        $pages++;
        sleep 0.05;
    }
    is($good, $pages, "an impostor, $lie: pages are served");
    cmp_ok($slowest, '<', 1, "an impostor, $lie: at once");
    is($f->acknowledged, $none, "an impostor, $lie: nothing is said to be saved") if $lie ne 'backwards';
    $wire->order('pass');
    $f->recorded("an impostor, $lie", $v) if $lie ne 'backwards';
    $f->progress;
}
SKIP: {
    skip 'a sanitizer keeps what was freed', 1 if $ENV{TEST_SANITIZE};
    cmp_ok(memory() - $before, '<', 16_384, 'nginx kept less than 16 MB of all that');
}

$f->settle;
$f->account("connections cut at $cuts places, and " . @lies . " impostors");
$f->finish;
