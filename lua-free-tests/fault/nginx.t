#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# kill -9 of workers, kill -9 of the master with all of its workers, and reloads, while visitors choose: what was
# acknowledged is there afterwards, and a reload fails no request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Test::More;
use Test::Privacy;
use Time::HiRes qw(sleep time);
use Fault;

my $f = Fault->new('nginx', workers => 2);
my $t = $f->t;
$f->start;
# and a worker that is killed within a few instructions holds the zone's lock: nginx takes it away from it, and says so
$t->allow($_) for qr/exited on signal/, qr/shared memory zone "privacy" was locked by/;

# Reloads come first: whose request fails in one may have failed for no other reason.

$f->write(fresh => 1);
my ($reloads, $began) = (times(100, 5), time);
for (1 .. $reloads) {
    $f->progress(2);
    ok($t->reload, 'workers were replaced') if $_ == 1 || $_ == $reloads;
    $t->reload if $_ != 1 && $_ != $reloads;
}
$f->progress;
$f->settle;
my $sum = $f->account("$reloads reloads");
is($sum->{unknown}, 0, 'reload: every choice was answered, and saved');
is($sum->{refused}, 0, 'reload: none was turned away');
is($sum->{failed}, 0, 'reload: every form was served');
my $kept = $f->forget;

$f->write(fresh => 1);
my $workers = times(100, 6);
for (1 .. $workers) {
    $f->progress(2);
    sleep rand .03;
    $t->kill_worker or die 'no new worker';
}
$f->progress;
diag("a worker was killed $workers times");

my $masters = times(100, 4);
for (1 .. $masters) {
    $f->progress(2);
    sleep rand .03;
    $t->kill_all;
    $t->start;
}
$f->progress;
$f->settle;
diag("the master was killed $masters times");
$f->account('kill -9 of nginx', $f->ledgers, $kept);

# What is shared between workers is whole: the counters go on, a choice is saved

my $v = $f->agreed;
is($v->get('/')->header('X-Consent'), '<analytics,marketing>', 'afterwards: a choice is saved, and holds');
$f->finish;
