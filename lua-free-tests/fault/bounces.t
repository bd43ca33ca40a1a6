#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis ends and begins again and again, for shorter and longer, with four workers: none of them connects more than
# twice a second, over its two connections together, and none keeps a descriptor of a connection that is gone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Test::More;
use Time::Local qw(timegm);
use Test::Privacy;
use Time::HiRes qw(sleep time);
use Fault;

my $f = Fault->new('bounces', workers => 4);
my ($t, $redis) = ($f->t, $f->t->redis);
$f->start;
$f->write;
$f->progress;

# Sockets of each worker, once all of them are connected and no visitor is

sub descriptors {
    my %open;
    for my $pid ($t->workers) {
        $open{$pid} = grep { (readlink $_ // '') =~ /^socket:/ } glob "/proc/$pid/fd/*";
    }
    return \%open;
}

sub connected {
    return wait_for(sub {
        # both connections of each worker
        my @clients = grep { !/cmd=client/ } split /\n/, $redis->command('CLIENT', 'LIST');
        return @clients >= 8;
    }, 30);
}

ok(connected(), 'four workers, two connections each');

my ($n, $began) = (times(50, 4), time);
for my $i (1 .. $n) {
    $redis->kill;
    sleep $i % 10 == 0 ? 1.5 : rand .2;
    $redis->start;
    $i % 5 == 0 ? connected() : sleep rand .4;
}
ok(connected(), "after $n bounces all of them are connected again");

# Who was connected for long tries soonest

sleep 2;
$redis->kill;
sleep 2.5;
$redis->start;
ok(connected(), '... and after an outage that came after some calm');
$f->progress;
$f->settle;
$f->account("$n bounces");

# In each second, by the log, over both connections: what failed has a line, what hung a second later

my %tried;
for (split /\n/, $t->log) {
    my ($date, $time, $pid, $why)
        = m{^(\S+) (\S+) \[\w+\] (\d+)#.*privacy: Redis at .* \(\w+\): \S+: (connect failed|no answer in time)} or next;
    my $at = timegm((reverse split /:/, $time), (split m{/}, $date)[2], (split m{/}, $date)[1] - 1, (split m{/}, $date)[0]);
    $tried{"$pid " . ($at - ($why =~ /^no answer/ ? 1 : 0))}++;
}
my ($most) = sort { $b <=> $a } values %tried, 0;
cmp_ok($most, '<=', 2, 'no worker tried to connect more than twice in any second');

my $open = descriptors();
wait_for(sub { $open = descriptors(); !grep { $_ != (sort { $a <=> $b } values %$open)[0] } values %$open }, 20);
my ($least, $last) = (sort { $a <=> $b } values %$open)[0, -1];
my $was = $f->counter('choice_custom');
for (1 .. 2) {
    $redis->kill;
    $redis->start;
    connected();
}
my $after = descriptors();
wait_for(sub { $after = descriptors(); !grep { $after->{$_} != $open->{$_} } keys %$open }, 20);
is_deeply($after, $open, 'no descriptor was kept: as many as before');
cmp_ok($last, '<=', 16, 'and few of them');
$f->finish;
