#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Redis is stopped (SIGSTOP) under page load: connections stay, nothing is answered. Pages of visitors who are undecided,
# who agreed, whose lease is over and whose refusal is on its way are served as before, none later than it was; what
# visitors choose meanwhile is not said to be saved, and a refusal is recorded once afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use POSIX ();
use Test::More;
use Test::Privacy;
use Time::HiRes qw(sleep time);
use Fault;

my $f = Fault->new('hung', workers => 2);
my ($t, $redis) = ($f->t, $f->t->redis);
$f->start;

my $long = times(60, 5);
my @people = map { $f->agreed } 1 .. 8;

# Pages on two kept connections, a few hundred a second: when each was asked for, how long it took, what it was answered

sub load {
    my ($path, @cookies) = @_;

    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $SIG{TERM} = 'DEFAULT';
        open my $out, '>', $path or die "$path: $!";
        my $client = $t->connect;
        for (my $i = 0; ; $i++) {
            my $cookie = $cookies[$i % @cookies];
            my $begin = time;
            my $r = $client->request('GET', '/', headers => [$cookie ? (Cookie => "privacy=$cookie") : (),
                'Sec-Fetch-Site' => 'none', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document']);
            syswrite $out, sprintf "%.6f %.6f %d\n", $begin, time - $begin, $r->complete ? $r->status : 0;
            sleep 0.004;
        }
    }
    $t->ends_with($pid);
    return $path;
}

my @paths = map { load($t->dir . "/pages.$_", undef, map { $_->consent } @people) } 1 .. 2;

sub phase {
    my ($seconds) = @_;

    my $begin = time;
    sleep $seconds;
    my $end = time;
    return sub {
        my @took;
        my $failed = 0;
        for (map { split /\n/, slurp($_) } @paths) {
            my ($at, $took, $status) = split ' ';
            next if !defined $status || $at < $begin || $at > $end;
            push @took, $took;
            $failed++ if $status != 200;
        }
        @took = sort { $a <=> $b } @took;
        return { pages => scalar @took, failed => $failed, map { $_ => 1000 * $took[$#took * $_ / 100] } 50, 99, 100 };
    };
}

sleep 1;
my $before = phase(times(20, 3));

my ($leaves, $new) = ($f->agreed, $t->visitor(headers => ['X-Real-IP' => '9.201.1.1', 'Accept-Language' => 'en']));
$new->get('/');
$redis->pause;
my $stopped = time;
$f->withdraws('hung', $leaves);
is($new->choose('accept_all')->status, 503, 'hung: an accept is not said to be saved');
is($new->get('/')->header('X-Consent'), '<>', 'hung: and grants nothing');
sleep 1;
my $hung = phase($long);
$redis->resume;
note(sprintf 'Redis said nothing for %.1f s', time - $stopped);
$f->recorded('hung', $leaves);
my $after = phase(times(20, 3));

for ($before, $hung, $after) {
    $_ = $_->();
    note(sprintf '%d pages, p50 %.2f ms, p99 %.2f ms, slowest %.2f ms', @$_{qw(pages 50 99 100)});
}
cmp_ok($hung->{pages}, '>', 30 * $long, 'hung: pages were served');
is($hung->{failed}, 0, 'hung: each of them was');
is($before->{failed} + $after->{failed}, 0, 'before and after it, too');

# beside other specs, others have the processors now and then
my $usual = $before->{99} > $after->{99} ? $before->{99} : $after->{99};
my $worse = $hung->{99} - $usual;
cmp_ok($worse, '<=', full() ? 5 : 250, 'hung: the 99th percentile is hardly worse');
diag(sprintf 'Redis hung for %d s: p99 of %d pages %.2f ms, before and after %.2f ms', $long, @$hung{qw(pages 99)}, $usual);

# Those whose lease was over are looked up again, and hold

ok(wait_for(sub { !grep { $_->get('/')->header('X-Consent') ne '<analytics,marketing>' } @people }, 20),
    'afterwards: who agreed has agreed');
$f->finish;
