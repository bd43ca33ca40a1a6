#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The Redis server as it is reached and as it is set up: over TCP with a user, a password and a database; what is said
# when they are wrong; and warnings where it would not keep what it acknowledges.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('server');
my ($address, $port) = split /:/, $t->listen('redis');
my @tcp = ("bind $address", "port $port", 'user app on >s3cret ~* &* +@all');
$t->redis->start(@tcp);
sub url { my ($user, $database) = @_; return "redis://$user\@$address:$port/$database" }

my $config = site_conf(<<'CONF');
    add_header X-Subject "$privacy_subject" always;
    add_header X-Version "$privacy_version" always;
    location / { return 200 "<!doctype html><title>t</title><p>hello"; }
CONF

my $network = 0;
sub visitor {
    my $v = $t->visitor(headers => ['X-Real-IP' => '10.5.' . ++$network . '.1']);
    $v->get('/');
    return $v;
}
sub redis_status { return json($t->get('/status')->body)->{redis} }

# A user, a password, a database

my $url = url('app:s3cret', 3);
$t->config($config, REDIS => $url);
my ($status, $out) = $t->ctl('publish', $t->bundle, '--site', 'example', '--redis', $url,
    '--yes', '--key', $t->keys_dir . '/example.key');
is($status, 0, 'privacyctl publishes over TCP') or diag($out);
$t->redis->command('SELECT', 3);
is($t->redis->command('EXISTS', 'privacy:example:policies'), 1, 'into the database that was named');
$t->start;
ok(wait_for(sub { $t->get('/')->header('X-Version') }), 'nginx has it from there');
my $v = visitor();
is($v->choose('accept_all')->status, 303, 'a choice is saved');
my $subject = $v->get('/')->header('X-Subject');
is($t->redis->command('HLEN', "privacy:{example:$subject}:ledger"), 1, 'in this database');
$t->redis->command('SELECT', 0);
is($t->redis->command('DBSIZE'), 0, 'and nothing in another one');
unlike($t->get('/status')->body . $t->log, qr/s3cret/, 'the password is nobody\'s business');
is(($t->ctl('ledger', $subject, '--site', 'example', '--redis', $url, '--keys', $t->keys_dir . '/keys'))[0], 0,
    'privacyctl reads and proves the ledger there');

# The server's own settings: each is named, and no longer when it is mended

sub look_again {
    $t->redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    return 1;
}

is(redis_status()->{warning}, '', 'nothing to be said against it');
for (
    ['maxmemory-policy', 'allkeys-lru', 'noeviction', qr/maxmemory-policy is "allkeys-lru".*noeviction/],
    ['appendonly', 'no', 'yes', qr/appendonly is "no"/],
) {
    my ($name, $bad, $good, $said) = @$_;
    $t->redis->command('CONFIG', 'SET', $name, $bad);
    look_again();
    ok(wait_for(sub { redis_status()->{warning} =~ $said }, 20), "$name $bad: the status says so");
    like($t->log, qr/\[warn\][^\n]*may lose or refuse choices[^\n]*$name/, "$name $bad: the log too");
    like($t->get('/status?format=prometheus')->body, qr/^privacy_redis_warning(?:\{[^}]*\})? 1$/m,
        "$name $bad: and the metric");
    is(visitor()->choose('reject_all')->status, 303, "$name $bad: choices are saved all the same");
    $t->redis->command('CONFIG', 'SET', $name, $good);
    ok(wait_for(sub { redis_status()->{warning} eq '' }, 30), "$name $good: no longer, without another connection");
    is(scalar(() = $t->log =~ /\[warn\][^\n]*may lose or refuse choices[^\n]*$name/g), 1, "$name: the log said it once");
    like($t->log, qr/$name[^\n]*\n(?:.*\n)*.*\[warn\].*keeps choices as it has to again$/m, '... and that it is over');
}

# A password that is wrong: said in the log, and the site is served

$t->stop;
$t->config($config, REDIS => url('app:wr0ng', 3));
$t->start;
ok(wait_for(sub { $t->log =~ /WRONGPASS|invalid username-password/ }), 'a wrong password: the log says why');
unlike($t->log, qr/wr0ng/, 'a wrong password: not what it was');
$v = visitor();
is($v->page->status, 200, 'a wrong password: pages are served');
is($v->choose('accept_all')->status, 503, 'a wrong password: nothing is said to be saved');
is(redis_status()->{connected} ? 1 : 0, 0, 'a wrong password: the status says that there is no connection');
$t->redis->command('ACL', 'SETUSER', 'app', '>wr0ng');
ok(wait_for(sub { redis_status()->{connected} }, 20), 'mended on the server: connected, without a reload');
$v->get('/');
is($v->choose('accept_all')->status, 303, 'and choices are saved');

# A user who may only do what the module does

$t->stop;
$t->redis->command('ACL', 'SETUSER', 'small', 'on', '>s3cret', '~privacy:*', '&privacy:*', '-@all', map { "+$_" }
    qw(ping select multi exec hsetnx hlen hmget expire set exists get xadd xrange publish subscribe));
$t->config($config, REDIS => url('small:s3cret', 3));
$t->start;
ok(wait_for(sub { redis_status()->{connected} }), 'a user with few rights: connected');
$v = visitor();
is($v->choose('accept_all')->status, 303, 'a user with few rights: a choice is saved');
$v->get('/privacy/choices');
is($v->choose('withdraw')->status, 303, 'a user with few rights: and withdrawn');
ok(wait_for(sub { json($t->get('/status')->body)->{sites}[0]{subscribed} }, 20),
    'a user with few rights: wake-ups are heard');

$t->finish;
