#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# kill -9 of Redis while visitors choose, again and again: what was acknowledged is there afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Test::More;
use Test::Privacy;
use Time::HiRes qw(sleep);
use Fault;

my $f = Fault->new('redis');
my $redis = $f->t->redis;
$f->start;
$f->write;

my $n = times(100, 4);
for my $i (1 .. $n) {
    $f->progress;
    sleep 1.02 + rand .1 if $i < $n;        # a connection that held for a second is tried again at once
    if ($i == 1 || $i == $n) {
        my $v = $f->agreed;
        $redis->kill;
        $f->withdraws('killed', $v);
        $redis->start;
        $f->recorded('killed', $v);
        next;
    }
    $redis->kill;
    $redis->start;
}
$f->progress;
$f->settle;
diag("Redis was killed $n times");
$f->account('kill -9 of Redis');
$f->finish;
