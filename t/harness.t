#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The harness itself: what it starts really runs, what it reads is right, and it fails on what it has to fail on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;

my $t = Test::Privacy->new('harness', workers => 2, module => '');

# Redis

$t->redis->start;
is($t->redis->command('SET', 'a', "b\r\n"), 'OK', 'a reply that is a status');
is($t->redis->command('GET', 'a'), "b\r\n", 'a reply that is bytes');
is($t->redis->command('GET', 'nope'), undef, 'nil');
is_deeply($t->redis->command('MGET', 'a', 'x', 'a'), ["b\r\n", undef, "b\r\n"], 'an array');
ok(!eval { $t->redis->command('HGET', 'a', 'b'); 1 }, 'an error reply dies');
like($@, qr/WRONGTYPE/, 'with its text');
$t->redis->kill;
$t->redis->start;
is($t->redis->command('GET', 'a'), "b\r\n", 'what was acknowledged survives kill -9');

# nginx and an upstream

$t->upstream(sub {
    my ($request) = @_;
    return { status => 404, body => "you sent $request->{body}" } if $request->{method} eq 'POST';
    return {
        headers => ['Set-Cookie' => 'a=1', 'Set-Cookie' => 'b=2; Max-Age=0', 'Content-Type' => 'text/html'],
        body => ['<p>', 'chunked'],
    };
});
$t->config(<<'CONF');
%%MAIN%%
http {
    %%HTTP%%
    server {
        listen %%LISTEN%%;
        listen %%LISTEN_2%% http2;
        location / { proxy_pass %%UPSTREAM%%; }
    }
}
CONF

my ($status, $said) = $t->check_config;
is($status, 0, 'nginx -t') or diag($said);
$t->start;

my $r = $t->get('/page', Cookie => 'x=1');
is($r->status, 200, 'status');
is($r->body, '<p>chunked', 'body');
is_deeply([$r->headers('set-cookie')], ['a=1', 'b=2; Max-Age=0'], 'a header of several lines');
is_deeply([$r->cookies], ['a'], 'cookies that are set');
is_deeply([$r->expired], ['b'], 'cookies that are expired');

my $connection = $t->connect;
is($connection->request('GET', '/page')->body, '<p>chunked', "kept connection, $_") for 1 .. 3;
is($connection->request('HEAD', '/page')->body, '', 'HEAD');
is($connection->request('POST', '/', body => { a => 1, b => [2, '&'] })->body, 'you sent a=1&b=2&b=%26', 'a form');

my @requests = $t->requests;
is(scalar @requests, 6, 'the upstream noted all requests');
is(Test::Privacy::Upstream::header($requests[0], 'Cookie'), 'x=1', 'with their headers');

my $visitor = $t->visitor;
$visitor->get('/page');
is_deeply($visitor->jar, { a => 1 }, 'a visitor keeps cookies');

($status, $r) = $t->curl('--http2-prior-knowledge', 'http://' . $t->listen('_2') . '/page');
is($r->body, '<p>chunked', 'HTTP/2');
like($r->{version}, qr/^2/, 'really');

ok($t->reload, 'reload');
is($t->get('/page')->status, 200, 'and it answers');

# What it fails on

is_deeply([$t->problems], [], 'no problems so far');
my ($victim) = $t->workers;
kill 'KILL', $victim;
ok(wait_for(sub { $t->problems }), 'a worker that died by a signal is a problem');
$t->allow(qr/worker process $victim exited on signal/);
is_deeply([$t->problems], [], 'unless it is expected');
spew($t->dir . '/reports/sanitizer.1', 'ERROR: AddressSanitizer: heap-buffer-overflow');
is(scalar(() = $t->problems), 1, 'a sanitizer report is a problem');
unlink $t->dir . '/reports/sanitizer.1';

$t->finish;
