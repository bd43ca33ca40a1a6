#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Reloads and dead workers: no request is lost to a reload, and what the node knows (revocations, leases, counters,
# inventory, what is in force) outlives workers, with Redis away as well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep time);

my $t = Test::Privacy->new('reload', workers => 2);
$t->redis->start;
$t->upstream(sub {
    return { headers => ['Content-Type' => 'text/html', 'Set-Cookie' => '_ga=1', 'Set-Cookie' => 'sessionid=2; Path=/app'],
        body => '<!doctype html><html><head><title>t</title></head><body>' . '<p>hello</p>' x 200 . '</body></html>' };
});
$t->publish($t->bundle);

my $config = site_conf(<<'CONF');
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-State "<$privacy_state>" always;
    location / { proxy_pass %%UPSTREAM%%; }
CONF
$t->config($config);
$t->start;

sub site_status {
    my ($site) = grep { $_->{name} eq $t->site } @{json($t->get('/status')->body)->{sites}};
    return $site;
}

# Three visitors: one who withdrew, with the cookie of before; one who stays; one who never chose.

my $leaver = $t->visitor;
$leaver->get('/');
$leaver->choose('accept_all');
my $granted = $leaver->consent;
is($leaver->get('/')->header('X-Consent'), '<analytics,marketing>', 'one visitor accepted');
$leaver->get('/privacy/choices');
is($leaver->choose('withdraw')->status, 303, 'and withdrew');

my $stayer = $t->visitor;
$stayer->get('/');
$stayer->choose('accept_all');

sub replay { return $t->get('/', Cookie => "privacy=$granted; _ga=1")->header('X-Consent') }

is(replay(), '<>', 'the cookie of before the withdrawal is worth nothing');

# Under load, until it is said that it is enough, however slow the machine is. Only a reload may happen, so nothing may
# fail.

sub load {
    my $enough = $t->dir . '/enough';
    unlink $enough;

    my @children = map {
        my $number = $_;
        pipe my $in, my $out or die $!;
        my $pid = fork // die $!;
        if (!$pid) {
            close $in;
            my ($good, $bad, $lost) = (0, 0, 0);
            my $until = time + 120;
            my $cookie = $number % 2 ? 'privacy=' . $stayer->consent . '; _ga=1' : '_ga=1';
            my $expected = $number % 2 ? '<analytics,marketing>' : '<>';
            while (time < $until && (!-e $enough || $good < 20)) {
                my $r = eval { $t->get('/', Cookie => $cookie) };
                if (!$r || !$r->status || !$r->complete) {
                    $lost++;
                } elsif ($r->status == 200 && $r->header('X-Consent') eq $expected
                    && ($number % 2 xor $r->body =~ /id="privacy-banner"/))
                {
                    $good++;
                } else {
                    $bad++;
                }
            }
            syswrite $out, "$good $bad $lost";
            POSIX::_exit(0);
        }
        close $out;
        [$pid, $in];
    } 1 .. 4;

    return sub {
        my ($good, $bad, $lost) = (0, 0, 0);
        spew($enough, '');
        for my $child (@children) {
            my ($pid, $in) = @$child;
            my ($g, $b, $l) = split ' ', scalar(<$in>) // '0 1 0';
            waitpid $pid, 0;
            $good += $g;
            $bad += $b;
            $lost += $l;
        }
        return ($good, $bad, $lost);
    };
}

my $before = site_status();

my $end = load();
for (1 .. 4) {
    ok($t->reload, "reload $_ under load");
    sleep 0.5;
}
my ($good, $bad, $lost) = $end->();
cmp_ok($good, '>', 50, "$good requests were answered meanwhile");
is($bad, 0, 'none wrongly');
is($lost, 0, 'none was lost');

is(replay(), '<>', 'the revocation is known after the reloads');

my $after = site_status();
cmp_ok($after->{counters}{choice_accept_all}, '>=', 2, 'counters go on');
cmp_ok($after->{counters}{cookies_dropped_response}, '>', $before->{counters}{cookies_dropped_response}, 'and up');
is_deeply([map { $_->{name} } grep { $_->{path} eq '/app' } @{$after->{inventory}}], ['sessionid'],
    'the inventory is still there');

# Old workers leave: no timer and no connection of ours holds them.

ok(wait_for(sub {
    my @all = grep { /worker/ } map { slurp("/proc/$_/cmdline") } split ' ', slurp('/proc/' . $t->pid . '/task/'
        . $t->pid . '/children');
    return @all == 2;
}, 20), 'old workers have left');

# A worker is killed, again and again, while it works

$end = load();
for (1 .. 6) {
    ok($t->kill_worker, "kill -9 of a worker, $_");
    sleep 0.3;
}
($good, $bad, $lost) = $end->();
cmp_ok($good, '>', 50, "$good requests were answered meanwhile");
is($bad, 0, 'none wrongly');
cmp_ok($lost, '<=', 48, "$lost went with their worker");

is(replay(), '<>', 'the revocation outlives them');
is($stayer->get('/')->header('X-Consent'), '<analytics,marketing>', 'and so does what was granted');
cmp_ok(site_status()->{counters}{choice_accept_all}, '>=', 2, 'and the counters');

# Redis goes: only the node itself knows now

$t->redis->kill;
ok($t->reload, 'reload without Redis');
is(replay(), '<>', 'the revocation is known without Redis');
my $r = $stayer->get('/');
is($r->status, 200, 'pages are served');
is($r->header('X-Consent'), '<analytics,marketing>', 'by what the cookie says, within the lease');
like($t->get('/')->body, qr/id="privacy-banner"/, 'the policy is known from the folder');
$t->allow(qr/redis|Redis/);

# Another size: a new zone. What it forgets may cost a look-up, but no wrong answer

$t->redis->start;
$t->config($config, PRIVACY => join("\n    ", 'privacy_zone 2m;',
    'privacy_redis ' . $t->redis->url . ';', 'privacy_keys ' . $t->keys_dir . '/keys;',
    'privacy_cache_path ' . $t->dir . '/cache;'));
ok($t->reload, 'reload with another size');
is($t->get('/')->status, 200, 'it answers');
ok(wait_for(sub { site_status()->{counters}{choice_accept_all} == 0 }), 'the zone is a new one');
ok(wait_for(sub { $stayer->get('/')->header('X-Consent') eq '<analytics,marketing>' }), 'who granted is known');

$t->finish;
