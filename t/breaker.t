#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The breaker: after some failures in a row Redis is not waited for any more, now and then one request tries, and the
# first answer closes it. The same for a server that is gone and for one that hangs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch qw(took);
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('breaker');
$t->redis->start;
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    add_header X-Consent "<$privacy_consent>" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
    location = /app {
        privacy_user $cookie_sessionid;
        privacy_session sessionid;
        proxy_pass %%UPSTREAM%%;
    }
CONF
$t->upstream(sub { return { headers => ['Content-Type' => 'text/html'],
    body => '<!doctype html><title>t</title><p>hello' } });
$t->allow(qr/connect\(\) to unix:.*redis\.sock failed/);
$t->start;

sub breaker { return json($t->get('/status')->body)->{redis}{endpoints}[0]{breaker} }

my $network = 0;
sub visitor {
    my $v = $t->visitor(headers => ['X-Real-IP' => join '.', 10, 4 + ($network >> 8), $network++ & 255, 1]);
    $v->get('/');
    return $v;
}

sub timed {
    my ($v) = @_;

    my ($begin, $status) = time;
    my $took = took(sub { $status = $v->choose('accept_all')->status });
    return ($status, $took, time - $begin);
}

is(breaker(), 'closed', 'closed at first');
is((timed(visitor()))[0], 303, 'a choice is saved');

# A server that is slow for a moment: pages wait for it little, choices longer

sub apart {
    my ($code) = @_;

    my $pid = fork // die $!;
    return $pid if $pid;
    POSIX::_exit($code->() ? 0 : 1);
}

my ($saved, $moment);
for my $round (1 .. 5) {                                # where the machine is busy, it may be more than a moment
    my ($slow, @users) = map { visitor() } 0 .. 8;
    $users[$_]->jar->{sessionid} = "user$round$_", $users[$_]->get('/app') for 0 .. 7;
    my $begin = time;
    $t->redis->pause;
    my @pages = map { my $user = $_; apart(sub { $user->get('/app')->status == 200 }) } @users;
    is_deeply([map { waitpid $_, 0; $? } @pages], [(0) x 8], 'slow for a moment: pages are served');
    my $choice = apart(sub { $slow->choose('accept_all')->status == 303 });
    sleep 0.3;
    $t->redis->resume;
    $moment = time - $begin;
    waitpid $choice, 0;
    $saved = $? == 0;
    last if $saved || $moment < 1;                      # then a server that answers nobody is not waited for
    wait_for(sub { visitor()->choose('accept_all')->status == 303 });
}
ok($saved || $moment >= 1, '... without it, while a choice waits for it, and is saved');
cmp_ok(json($t->get('/status')->body)->{sites}[0]{counters}{lease_waited}, '>=', 5, '... a little they had waited');

for my $fault (['gone', sub { $t->redis->kill }, sub { $t->redis->start }],
    ['hung', sub { $t->redis->pause }, sub { $t->redis->resume }]) {
    my ($what, $begin, $end) = @$fault;

    my @visitors = map { visitor() } 1 .. 8;
    $begin->();
    my ($status, undef, $waited) = timed($visitors[0]);
    is($status, 503, "$what: a choice is refused");
    cmp_ok($waited, '>', 1.5, "$what: after Redis was waited for") if $what eq 'hung';
    if ($what eq 'hung') {
        my @forks = map { my $v = $_; apart(sub { $v->choose('accept_all') }) } @visitors[1 .. 5];
        waitpid $_, 0 for @forks;
    }
    ok(wait_for(sub { breaker() ne 'closed' }, 20), "$what: the breaker opens");
    ok(wait_for(sub { my ($refused, $time) = timed(visitor()); $refused == 503 && $time < 0.5 }, 20),
        "$what: then it is refused at once");
    ok(wait_for(sub { sleep 0.05; visitor()->choose('accept_all'); breaker() eq 'half-open' }, 20),
        "$what: now and then it is tried") if $what eq 'hung';
    cmp_ok(took(sub { is($t->get('/')->status, 200, "$what: pages are served") }), '<', 0.5, "$what: at once");
    $end->();
    ok(wait_for(sub { visitor()->choose('accept_all')->status == 303 }, 20), "$what, and back: a choice is saved");
    is(breaker(), 'closed', "$what, and back: the breaker is closed");
}

$t->finish;
