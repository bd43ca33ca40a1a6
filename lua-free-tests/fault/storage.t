#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis has no room, on the disk or in memory, or reads for long what it has, while visitors choose: what it could not
# keep is not acknowledged, what was is there afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Fcntl qw(SEEK_END);
use Test::More;
use Test::Privacy;
use Time::HiRes qw(sleep time);
use Fault;

my $f = Fault->new('storage');
my ($t, $redis) = ($f->t, $f->t->redis);
my $folder = $t->dir . '/redis';
my $mounted;
END { my $status = $?; system('umount', '-l', $folder) if $mounted; $? = $status }

# Its disk: a small file system where one can be mounted, else a limit on the size of its files.
mkdir $folder;
chmod 0755, $folder;
$mounted = $> == 0 && system("mount -t tmpfs -o size=8m,mode=755 tmpfs $folder 2>/dev/null") == 0;
$SIG{XFSZ} = 'IGNORE';
note($mounted ? 'a file system of 8 MB' : 'a limit on the size of files');

sub fill {
    if (!$mounted) {
        my ($log) = glob "$folder/appendonlydir/*.incr.aof";
        return system('prlimit', '--pid', $redis->pid, '--fsize=' . ((-s $log) + 1000) . ':unlimited') == 0;
    }
    open my $out, '>', "$folder/filler" or die $!;
    1 while syswrite $out, 'x' x 4096;
    1 while syswrite $out, 'x';
    close $out;
}

sub clear {
    unlink "$folder/filler";
    system('prlimit', '--pid', $redis->pid, '--fsize=unlimited:unlimited') if !$mounted && $redis->pid;
}

sub outage {
    my ($what, $break, $mend) = @_;

    my $v = $f->agreed;
    $break->();

    # what Redis gave up to write may make room for a little more
    my $refused = 0;
    wait_for(sub {
        if (eval { $redis->command('SET', 'probe', 1) }) {
            $refused = 0;
            $break->();
        }
        sleep 0.2;
        return ++$refused > 5;
    }, 20) or die "$what: Redis still writes";
    my $acknowledged = $f->acknowledged;
    $f->withdraws($what, $v);
    my $seconds = times(5, 1);
    my ($pages, $good, $until) = (0, 0, time + $seconds);
    while (time < $until) {
        $good++ if $t->get('/')->status == 200;
        $pages++;
        sleep 0.02;
    }
    is($good, $pages, "$what: pages are served");
    # of those who wait, each may be the one whose record went into what Redis gave up, once a second
    cmp_ok($f->acknowledged, '<=', $acknowledged + 12 + 12 * $seconds, "$what: choices are not said to be saved");
    $mend->();
    $f->recorded($what, $v);
    $f->progress;
}

# With appendfsync always, Redis ends when it cannot write; else it goes on and refuses to.

for my $fsync ('always', 'everysec') {
    $f->t->redis->stop if $redis->pid;
    $redis->start("appendfsync $fsync", 'auto-aof-rewrite-percentage 0');
    if (!$f->{began}++) {
        $f->start;
        $f->write(pause => 0.01);
    }
    $f->progress;
    my $rounds = times(5, 1);
    for (1 .. $rounds) {
        outage("the disk is full, fsync $fsync", \&fill, sub {
            clear();
            my $answers = sub { eval { $redis->command('PING') } };
            if ($fsync eq 'everysec') {
                # it holds what it could not write, and acknowledged: killed now, it would lose that
                wait_for($answers, 20) or die 'Redis does not write again';

            } elsif (!$answers->()) {
                $redis->kill;
                $redis->start("appendfsync $fsync", 'auto-aof-rewrite-percentage 0');
            }
        });
    }
}

my $loadings = times(3, 1);
for (1 .. $loadings) {
    outage('maxmemory is reached', sub { $redis->command('CONFIG', 'SET', 'maxmemory', 1) },
        sub { $redis->command('CONFIG', 'SET', 'maxmemory', 0) });
}

# what is killed from here on has written what it acknowledged
$redis->command('CONFIG', 'SET', 'appendfsync', 'always');
for (1 .. $loadings) {
    outage('Redis is loading', sub {
        return if !$redis->pid || $redis->command('CONFIG', 'GET', 'key-load-delay')->[1];
        $redis->kill;
        my ($log) = glob "$folder/appendonlydir/*.incr.aof";
        open my $out, '>>:raw', $log or die "$log: $!";
        print $out "*2\r\n\$3\r\nDEL\r\n\$3\r\npad\r\n" x 20_000;
        close $out or die "$log: $!";
        $redis->start('key-load-delay 500', 'auto-aof-rewrite-percentage 0');
    }, sub { $redis->command('CONFIG', 'SET', 'key-load-delay', 0) });
}

$f->settle;
$f->account('no room, and long loading');
$f->finish;
