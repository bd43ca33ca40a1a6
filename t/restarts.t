#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# nginx and Redis end and begin again, in any order and in any way: what was published is in force, what was chosen
# holds, what is published next arrives within a second and without a reload.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Time::HiRes qw(sleep);
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Test::Privacy::Stopwatch;

my $t = Test::Privacy->new('restarts', workers => 2);
$t->redis->start;
$t->config(site_conf(<<'CONF'));
    privacy_lease 2s grace=4s;
    add_header X-Version "$privacy_version" always;
    add_header X-Consent "<$privacy_consent>" always;
    add_header X-Subject "$privacy_subject" always;
    add_header X-Worker "$pid" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF

$t->allow(qr/connect\(\) to unix:.*redis\.sock failed/);

my ($version, $network) = ('none yet', 0);
sub visitor {
    my $v = $t->visitor(headers => ['X-Real-IP' => '10.6.' . ++$network . '.1']);
    $v->get('/');
    return $v;
}

sub publish {
    my $first = $version eq 'none yet';
    $version = 'v' . ++$t->{published_versions};
    $t->publish($t->bundle(version => $version, changes => $first ? [] : [
        { kind => 'editorial', purposes => [], summary => { 'zh-CN' => '修订', en => 'Revised.' } }]));
}

# What every worker says, asked until both have answered
sub everywhere {
    my %said;
    for (1 .. 200) {
        my $r = $t->get('/');
        $said{$r->header('X-Worker')} = $r->header('X-Version') // '';
        last if keys %said == 2;
    }
    return join ' ', do { my %all = map { $_ => 1 } values %said; sort keys %all };
}

# How many workers wrote into the log, since it was so long, that this version is in force
sub in_force {
    my ($since) = @_;
    return scalar(() = substr($t->log, $since) =~ /version \d+ "\Q$version\E" is in force/g);
}

sub all_is_well {
    my ($what, $accepted, $refused) = @_;

    ok(wait_for(sub { everywhere() eq $version }, 20), "$what: $version is in force in every worker");
    ok(wait_for(sub { $accepted->get('/')->header('X-Consent') eq '<analytics,marketing>' }, 20),
        "$what: who accepted has accepted");
    is($refused->get('/')->header('X-Consent'), '<>', "$what: who refused has refused");
    ok(wait_for(sub { $refused->get('/')->body !~ /id="privacy-banner"/ }, 20), "$what: and is not asked again");

    my $v = visitor();
    ok(wait_for(sub { $v->get('/'); $v->choose('accept_all')->status == 303 }, 20), "$what: a new choice is saved");

    ok($t->each_worker(sub { $_[0]{sites}[0]{subscribed} }), "$what: workers listen");
    my $since = length $t->log;
    publish();
    my $watch = Test::Privacy::Stopwatch->new;
    ok($watch->within(1, sub { in_force($since) >= 2 }), "$what: what is published is in force within a second");
    note(sprintf '%s: after %.3f s', $what, $watch->seconds);
    is(everywhere(), $version, "$what: ... in every worker");
}

# The very first time, too: nginx before Redis knows anything, and before there is a Redis

$t->redis->stop;
$t->start(any => 1);
is($t->get('/')->status, 200, 'nginx first, no Redis, nothing known: pages are served');
$t->redis->start;
publish();
ok(wait_for(sub { everywhere() eq $version }, 20), 'Redis comes, the first version is published: it is in force');

my ($accepted, $refused) = (visitor(), visitor());
is($accepted->choose('accept_all')->status, 303, 'one accepts');
is($refused->choose('reject_all')->status, 303, 'one refuses');

my ($nginx, $redis) = ($t, $t->redis);
my %ways = (
    'nginx' => sub { $nginx->stop; $nginx->start },
    'nginx, killed' => sub { $nginx->kill_all; $nginx->start },
    'Redis' => sub { $redis->stop; $redis->start },
    'Redis, killed' => sub { $redis->kill; $redis->start },
    'both: nginx goes first and comes first' => sub { $nginx->stop; $redis->stop; $nginx->start; $redis->start },
    'both: nginx goes first and comes last' => sub { $nginx->stop; $redis->stop; $redis->start; $nginx->start },
    'both: Redis goes first and comes first' => sub { $redis->kill; $nginx->stop; $redis->start; $nginx->start },
    'both: Redis goes first and comes last' => sub { $redis->kill; $nginx->stop; $nginx->start; $redis->start },
    'published while nginx was away' => sub { $nginx->stop; publish(); $nginx->start },
);
for my $way (sort keys %ways) {
    $ways{$way}->();
    all_is_well($way, $accepted, $refused);
}

# Away for longer than lease and grace: nothing is granted on an old word, and all of it comes back

$redis->kill;
sleep 7;
is($accepted->get('/')->header('X-Consent'), '<>', 'Redis away past lease and grace: an accept counts for nothing');
is($refused->get('/')->header('X-Consent'), '<>', 'a refusal does');
$nginx->stop;
$nginx->start;
is(everywhere(), $version, 'a node that starts meanwhile has the newest version from its folder');
is(visitor()->choose('accept_all')->status, 503, '... and saves nothing');
$redis->start;
all_is_well('back', $accepted, $refused);

$t->finish;
