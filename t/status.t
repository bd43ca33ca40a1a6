#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# privacy_status: JSON and Prometheus; every number in it is one that this spec caused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('status');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    return { headers => ['Content-Type' => 'image/png'], body => 'x' } if $request->{uri} =~ /png/;
    return { headers => ['Content-Type' => 'text/html', 'Set-Cookie' => 'sessionid=1; Path=/; HttpOnly',
        'Set-Cookie' => '_ga=1; Path=/; Max-Age=3600', 'Set-Cookie' => 'mystery=1; Domain=example.com; Path=/x'],
        body => '<!doctype html><html><head></head><body>hi</body></html>' };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF', http => <<'HTTP'));
    location / { proxy_pass %%UPSTREAM%%; }
CONF
    server {
        listen %%LISTENadmin%%;
        location / { privacy_status; }
    }
HTTP
$t->start;

sub status { return json($t->get('/status')->body) }

my $r = $t->get('/status');
is($r->header('Content-Type'), 'application/json', 'JSON');
is($r->header('Cache-Control'), 'no-store', 'of this moment');
my $status = status();
my $site = $status->{sites}[0];
is($site->{name}, 'example', 'the site');
is($site->{mode}, 'enforce', 'its mode');
is($site->{version}, '2026-01-01', 'the version in force');
is($site->{sequence}, 1, 'its number');
is($site->{versions}, 1, 'how many are known');
cmp_ok($site->{age}, '>', 0, 'how long it is in force');
is($site->{counters}{$_}, 0, "$_: 0") for qw(pages_personal choice_accept_all cookies_dropped_response);
ok($status->{redis}{connected}, 'Redis: connected');
like($status->{redis}{url}, qr/^unix:/, 'where');
is($status->{redis}{warning}, '', 'and nothing against it');
cmp_ok($status->{node}{zone_free}, '<=', $status->{node}{zone_size}, 'the zone');

my $v = $t->visitor;
$v->get('/', Cookie => 'sessionid=1; _ga=2; mystery=3');
$v->get('/x.png');
$v->get('/');
$v->choose('accept_all');
$v->get('/');
$v->get('/privacy/choices');
$v->choose('withdraw');
$v->post('/privacy/choices', 'x=1');

my $counters = status()->{sites}[0]{counters};
my %expect = (pages_personal => 3, pages_undecided => 2, skipped_type => 1, cookies_dropped_response => 5,
    cookies_passed_response => 4, choice_accept_all => 1, choice_withdraw => 1, choice_refused => 1, choice_reject_all => 0);
is($counters->{$_}, $expect{$_}, "$_: $expect{$_}") for sort keys %expect;
$site = status()->{sites}[0];
is($site->{served_without_choice}, 2, 'served without a choice');
is($site->{leases}, 1, 'a lease');
is($site->{dropped}{response}{analytics}, 2, 'dropped on the way out, by purpose');
is($site->{dropped}{response}{undeclared}, 3, 'and undeclared');
is($site->{dropped}{request}{analytics}, 1, 'dropped on the way in');
cmp_ok($site->{dropped}{request}{undeclared}, '>=', 1, 'and undeclared');

my %seen = map { $_->{name} => $_ } @{$site->{inventory}};
is_deeply([sort keys %seen], ['_ga', 'mystery', 'sessionid'], 'the inventory, of Set-Cookie only');
is($seen{_ga}{lifetime}, 3600, 'lifetime');
is($seen{sessionid}{lifetime}, -1, 'of a session');
ok($seen{sessionid}{http_only}, 'HttpOnly');
is($seen{mystery}{domain}, 'example.com', 'Domain');
is($seen{mystery}{path}, '/x', 'Path');
ok(!$seen{mystery}{declared}, 'not declared');
is_deeply($seen{_ga}{purposes}, ['analytics'], 'declared, and for what');
is($seen{_ga}{count}, 3, 'how often');
is($seen{_ga}{dropped}, 2, 'and dropped');
unlike($t->get('/status')->body, qr/\Q$_\E/, 'nobody is in it') for $v->consent;

# Prometheus

$r = $t->get('/status?format=prometheus');
like($r->header('Content-Type'), qr{^text/plain}, 'Prometheus');
like($r->body, qr/^privacy_choice_accept_all_total\{site="example"\} 1$/m, 'a counter');
like($r->body, qr/^privacy_cookies_dropped_by_purpose_total\{site="example",direction="response",purpose="analytics"\} 2$/m,
    'with labels');
my %types;
my $bad = 0;
for (split /\n/, $r->body) {
    if (/^# TYPE (\S+) (counter|gauge)$/) {
        $bad++ if $types{$1}++;
    } elsif (/^([a-z_]+)(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? -?\d+$/) {
        $bad++ if !$types{$1};
    } elsif (!/^# HELP /) {
        $bad++;
    }
}
is($bad, 0, 'well formed');
like($t->get('/status', Accept => 'text/plain;version=0.0.4')->header('Content-Type'), qr{^text/plain}, 'by Accept');
is($t->get('/status', Accept => '*/*')->header('Content-Type'), 'application/json', 'else JSON');
is($t->post('/status', 'x')->status, 405, 'only to be read');

my $admin = $t->connect(listen => 'admin')->request('GET', '/', close => 1);
is(json($admin->body)->{sites}[0]{name}, 'example', 'a server of its own, without privacy');

$t->redis->stop;
ok(wait_for(sub { !status()->{redis}{connected} }, 20), 'Redis is away: it is said');
$t->finish;
