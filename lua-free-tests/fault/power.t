#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The power fails while visitors choose: what Redis did not force to the disk is gone as well. With appendfsync always that
# is nothing that was acknowledged; with everysec, what the last second or two brought, which is measured; so, of kill -9,
# while the disk is slow.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Test::More;
use Test::Privacy;
use Time::HiRes qw(sleep time);
use Fault;

my $f = Fault->new('power');
my $redis = $f->t->redis;
$f->start;

# What of a file was forced to the disk by when

my $notes = $f->t->dir . '/forced';
sub start_again {
    my (@lines) = @_;
    open my $out, '>>', $notes or die "$notes: $!";
    print $out map { +(-s $_) . " $_\n" } glob $f->t->dir . '/redis/appendonlydir/*';     # what is there was
    close $out;
    $f->preload('power', 'FAULT_POWER', $notes, sub { $redis->start(@lines) });
}

sub power_fails {
    $redis->kill;
    my %forced = map { /^(\d+) (.*)$/ ? ($2 => $1) : () } split /\n/, slurp($notes);
    my $taken = 0;
    for my $file (glob $f->t->dir . '/redis/appendonlydir/*.incr.aof') {
        my $size = -s $file;
        my $keep = $forced{$file} // 0;
        next if $keep >= $size;
        truncate $file, $keep or die "$file: $!";
        $taken += $size - $keep;
    }
    return $taken;
}

my @before;
for my $fsync ('always', 'everysec') {
    $redis->stop;
    push @before, @{$f->forget};
    start_again("appendfsync $fsync");
    $f->write(again => $fsync ne 'always');
    my ($rounds, $taken) = (times(20, 2), 0);
    for (1 .. $rounds) {
        $f->progress;
        sleep 1.02 + rand .1;
        $taken += power_fails();
        start_again("appendfsync $fsync");
    }
    $f->progress;
    if ($fsync eq 'always') {
        $f->settle;
        $f->account("the power failed $rounds times, fsync $fsync", undef, \@before);
        next;
    }

    # what visitors remember and Redis lost is begun anew: only what was lost is counted
    $f->settle;
    my $sum = $f->sum(undef, \@before);
    cmp_ok($taken, '>', 0, "fsync $fsync: the disk had not everything");
    diag(sprintf 'the power failed %d times, fsync %s: %d of %d acknowledged choices are lost', $rounds, $fsync,
        scalar @{$sum->{lost}}, $sum->{acknowledged});
    is(scalar @{$sum->{$_}}, 0, "fsync $fsync: $Fault::Journal::means{$_}") for qw(unasked unproven);
}

# Killed with everysec: Redis hands over to the system what it acknowledges, but not while the disk is busy

sub persistence { return $redis->command('INFO', 'persistence') =~ /^$_[0]:(\d+)/m ? $1 : die $_[0] }
sub records { return $redis->command('HLEN', "privacy:{example:$_[0]{subject}}:ledger") }
$redis->stop;
start_again('appendfsync everysec');
$f->agreed;                             # the form is stored, and what is synced after that is soon over
ok(wait_for(sub { sleep 1.1; !persistence('aof_pending_bio_fsync') }, 20), 'a disk that is not busy');
my $v = $f->agreed;
$redis->kill;
sub slow_again { local $ENV{FAULT_POWER_SLOW} = 3000; start_again('appendfsync everysec') }
slow_again();
is(records($v), 1, 'killed, fsync everysec: what was acknowledged is there');

# Redis hands over what it held back when a second has turned twice: it has to be killed before
my ($first, $second);
for (1 .. 5) {
    $first = $f->agreed;
    ok(wait_for(sub { persistence('aof_pending_bio_fsync') }, 20), 'a disk that takes three seconds');
    my $began = time;
    $second = $f->agreed;
    $redis->kill;
    last if time - $began < 0.9;
    note('the machine was too slow for that: once more');
    slow_again();
}
$redis->start;
is(records($first), 1, 'killed, fsync everysec: what was handed over before is there');
is(records($second), 0, '... what came meanwhile is not');
$f->finish;
