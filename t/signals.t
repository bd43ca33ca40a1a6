#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Global Privacy Control and Do Not Track: nothing optional before any byte, no cookie for having said so, shown as
# honoured, and a later explicit choice goes before it for what it names.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('signals');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    return {
        headers => ['Content-Type' => 'text/html; charset=utf-8',
            map({ ('Set-Cookie' => "$_; Path=/") } 'sessionid=s', '_ga=1', 'track_id=2', 'prof_x=3', 'mystery=4')],
        body => '<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>',
    };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    add_header X-Signal "<$privacy_signal>" always;
    add_header X-Consent "<$privacy_consent>" always;
    location / { proxy_pass %%UPSTREAM%%; }
    location = /.well-known/gpc.json { privacy_gpc; }
CONF
$t->start;

my $browser = '_ga=1; sessionid=s; track_id=2';

# What is a signal, and what is not

for (
    ['Sec-GPC', '1', 'gpc'], ['Sec-GPC', '0', ''], ['Sec-GPC', '1, 1', ''], ['Sec-GPC', '11', ''],
    ['Sec-GPC', '1;a=b', ''], ['Sec-GPC', 'true', ''], ['Sec-GPC', '?1', ''], ['Sec-GPC', '', ''],
    ['DNT', '1', 'dnt'], ['DNT', '1abc', 'dnt'], ['DNT', '0', ''], ['DNT', '01', ''], ['DNT', 'null', ''],
    ['DNT', '', ''],
) {
    my ($name, $value, $expected) = @$_;
    is($t->get('/', $name => $value)->header('X-Signal'), "<$expected>", "$name: $value");
}
is($t->get('/', 'Sec-GPC' => 1, DNT => 1)->header('X-Signal'), '<gpc>', 'both: the one that the law knows');
is($t->get('/', 'Sec-GPC' => 0, DNT => 1)->header('X-Signal'), '<dnt>', 'one says no, the other yes');

# What it does

for my $signal (['Sec-GPC' => 1, 'Global Privacy Control'], [DNT => 1, 'Do Not Track']) {
    my ($name, $value, $title) = @$signal;

    $t->requests;
    my $r = $t->get('/', $name => $value, Cookie => $browser, 'Accept-Language' => 'en');
    is_deeply([$r->cookies], ['sessionid'], "$name: necessary cookies pass and no other; none of ours comes with it");
    is_deeply([$r->expired], ['_ga', 'track_id'], "$name: what the browser still has is expired");
    my ($request) = $t->requests;
    is(Test::Privacy::Upstream::header($request, 'Cookie'), 'sessionid=s', "$name: the application sees nothing else");
    is(Test::Privacy::Upstream::header($request, $name), $value, "$name: it sees the signal, though");
    like($r->body, qr/id="privacy-banner"/, "$name: the banner is there");
    like($r->body, qr/We honour it/, "$name: and says that it is honoured");
    like($r->body, qr/\Q$title/, "$name: by its name");

    $r = $t->get('/privacy/choices', $name => $value, 'Accept-Language' => 'en');
    like($r->body, qr/We honour it/, "$name: the choices page says so too");
    unlike($r->body, qr/<input type="checkbox"[^>]*\bchecked\b/, "$name: nothing is ticked");
    is_deeply([$r->headers('Set-Cookie')], [], "$name: it sets no cookie either");
}

unlike($t->get('/', 'Accept-Language' => 'en')->body, qr/We honour it/, 'without a signal nothing is said');
is_deeply([$t->redis->command('KEYS', 'privacy:{*')], [[]], 'no record was made of any of it');

# A later choice goes before it

my $v = $t->visitor(headers => ['Sec-GPC' => 1, 'Accept-Language' => 'en']);
$v->get('/privacy/choices');
is($v->choose('custom', purpose => ['analytics'])->status, 303, 'a choice in spite of the signal');
my $r = $v->get('/');
is($r->header('X-Consent'), '<analytics>', 'what it names holds');
is_deeply([$r->cookies], ['_ga', 'sessionid'], 'on the wire too');
unlike($r->body, qr/id="privacy-banner"/, 'and the banner is gone');

$v = $t->visitor(headers => [DNT => 1, 'Accept-Language' => 'en']);
$v->get('/');
is($v->choose('accept_all')->status, 303, 'all, from the banner that shows the signal');
is($v->get('/')->header('X-Consent'), '<analytics,marketing>', 'holds');
$v->get('/privacy/choices');
$v->choose('withdraw');
is($v->get('/')->header('X-Consent'), '<>', 'until it is withdrawn');

# JSON names only some purposes: the signal stays with the others

$v = $t->visitor(headers => ['Sec-GPC' => 1]);
my $state = json($v->get('/privacy/choices', Accept => 'application/json')->body);
$r = $v->post('/privacy/choices',
    JSON::PP->new->canonical->encode({ token => $state->{token}, choice => 'custom',
        purposes => { marketing => JSON::PP::true } }),
    'Content-Type' => 'application/json', Accept => 'application/json');
is($r->status, 200, 'one purpose named in JSON') or diag($r->as_text);
is($v->get('/')->header('X-Consent'), '<marketing>', 'only that one');

# What the site says of itself

$r = $t->get('/.well-known/gpc.json');
is($r->status, 200, 'gpc.json');
like($r->header('Content-Type'), qr{^application/json}, 'its type');
is_deeply(json($r->body)->{gpc}, JSON::PP::true, 'the site honours it');
like(json($r->body)->{lastUpdate}, qr/^\d{4}-\d\d-\d\d$/, 'since a day');

$t->finish;
