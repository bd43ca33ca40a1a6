#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The pages and documents of the centre: what is answered to whom, and what caches may keep.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $t = Test::Privacy->new('center');
$t->redis->start;
$t->upstream(sub { return { headers => ['Content-Type' => 'text/html'], body => '<!doctype html><body>hi</body>' } });
$t->publish($t->bundle);
$t->publish($t->bundle(version => '2026-02.md', effective => '2026-02-01T00:00:00+08:00', changes => [
    { kind => 'editorial', purposes => [], summary => { 'zh-CN' => '措辞', en => 'Wording' } },
], texts => { 'zh-CN' => "# 隐私政策\n\n第二版。\n", en => "# Privacy policy\n\nThe second one.\n" }), '--urgent', 'dated back');
$t->config(site_conf(<<'CONF', http => 'gzip on; gzip_min_length 1;'));
    location / { proxy_pass %%UPSTREAM%%; }
    location = /.well-known/gpc.json { privacy_gpc; }
CONF
$t->start;

# A body as text.
sub text { my $text = $_[0]->body; utf8::decode($text); return $text }

my $html = 'text/html,application/xhtml+xml,*/*;q=0.8';

# The policy in force

my $r = $t->get('/privacy/', Accept => $html);
is($r->status, 200, 'the policy in force');
like($r->header('Content-Type'), qr{^text/html; ?charset=utf-8$}i, 'as HTML');
like(text($r), qr/第二版/, 'the newest, in the default language');
is($r->header('Content-Language'), 'zh-CN', 'which is said');
is($r->header('Cache-Control'), 'no-cache', 'revalidated');
like(join(',', $r->headers('Vary')), qr/Accept, Accept-Language/, 'it varies');
like(join(', ', $r->headers('Link')), qr{</privacy/>; rel="privacy-policy"}, 'Link');
is_deeply([$r->headers('Set-Cookie')], [], 'no cookie');
unlike($r->body, qr/id="privacy-banner"/, 'the centre\'s own pages are not decorated');
my $csp = $r->header('Content-Security-Policy');
like($csp, qr/default-src 'none'/, 'CSP');
unlike($csp, qr/unsafe/, 'nothing inline');
like($csp, qr/frame-ancestors 'none'/, 'not to be framed');
is($r->header('X-Content-Type-Options'), 'nosniff', 'nosniff');
is($r->header('Referrer-Policy'), 'same-origin', 'Referrer-Policy');
unlike($r->body, qr/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/i, 'and nothing inline there');

my $etag = $r->header('ETag');
ok($etag, 'ETag');
is($t->get('/privacy/', Accept => $html, 'If-None-Match' => $etag)->status, 304, 'not modified');
is($t->get('/privacy/', Accept => $html, 'If-None-Match' => '"other"')->status, 200, 'modified');

for (['en', qr/The second one/], ['en-GB,en;q=0.9', qr/The second one/], ['zh-Hans-CN', qr/第二版/], ['fr', qr/第二版/]) {
    like(text($t->get('/privacy/', Accept => $html, 'Accept-Language' => $_->[0])), $_->[1], "Accept-Language: $_->[0]");
}
like($t->get('/privacy/?lang=en', Accept => $html, 'Accept-Language' => 'zh-CN')->body, qr/The second one/,
    '?lang= goes first');
isnt($t->get('/privacy/?lang=en', Accept => $html)->header('ETag'), $etag, 'another language, another ETag');

$r = $t->get('/privacy/', Accept => 'text/markdown');
like($r->header('Content-Type'), qr{^text/markdown}, 'Markdown');
is(text($r), "# 隐私政策\n\n第二版。\n", 'as it was written');
$r = $t->get('/privacy/', Accept => 'application/json');
is($r->header('Content-Type'), 'application/json', 'JSON');
is(json($r->body)->{version}, '2026-02.md', 'of the version');
is($t->get('/privacy/')->status, 200, 'no Accept: HTML');
is($t->get('/privacy/', Accept => 'image/png')->status, 406, 'nothing fits');

$r = $t->head('/privacy/', Accept => $html);
is($r->status, 200, 'HEAD');
is($r->body, '', 'without a body');

$r = $t->get('/privacy/', Accept => $html, 'Accept-Encoding' => 'gzip');
is($r->header('Content-Encoding'), 'gzip', 'may be compressed');

# Versions

$r = $t->get('/privacy/versions', Accept => $html);
is($r->status, 200, 'all versions');
like($r->body, qr{href="/privacy/versions/2026-01-01[^"]*"}, 'the first');
like($r->body, qr{href="/privacy/versions/2026-02\.md[^"]*"}, 'the second');
my $versions = json($t->get('/privacy/versions', Accept => 'application/json')->body);
is(scalar @{$versions->{versions}}, 2, 'as JSON');

$r = $t->get('/privacy/versions/2026-01-01', Accept => $html);
is($r->status, 200, 'an old version');
like(text($r), qr/我们如何处理/, 'with its own text');
like($r->body, qr/[0-9a-f]{64}/, 'and its digest');
like($r->header('Cache-Control'), qr/immutable/, 'immutable');
like($r->header('Cache-Control'), qr/public/, 'for everybody');
is($t->get('/privacy/versions/2026-01-01', Accept => $html, 'If-None-Match' => $r->header('ETag'))->status, 304,
    'and the same for ever');
unlike($t->get('/privacy/versions/2026-02.md', Accept => $html)->header('Cache-Control'), qr/immutable/,
    'the page of the one in force says so, which will change');
for (['.md', 'text/markdown'], ['.json', 'application/json'], ['.html', 'text/html']) {
    $r = $t->get("/privacy/versions/2026-01-01$_->[0]", Accept => $html);
    is($r->status, 200, "versions/ID$_->[0]");
    like($r->header('Content-Type'), qr{^\Q$_->[1]\E}, "is $_->[1]");
    like($r->header('Cache-Control'), qr/immutable/, 'and immutable');
}
like($t->get('/privacy/versions/2026-02.md', Accept => $html)->header('Content-Type'), qr{text/html},
    'an id that looks like a suffix is an id');
like($t->get('/privacy/versions/2026-02.md.md')->header('Content-Type'), qr{text/markdown}, 'and can have one, too');
is($t->get("/privacy/versions/$_")->status, 404, "no version $_")
    for 'x', '2026', '.md', '%2e%2e%252f', 'a/b', '2026-01-01.xml';

# Assets

my ($style) = $t->get('/privacy/', Accept => $html)->body =~ m{href="(/privacy/assets/[^"]+\.css)"};
$r = $t->get($style);
is($r->status, 200, 'style');
like($r->header('Content-Type'), qr{^text/css}, 'is CSS');
like($r->header('Cache-Control'), qr/immutable/, 'immutable');
is($t->get($style, 'If-None-Match' => $r->header('ETag'))->status, 304, 'conditional');
(my $stale = $style) =~ s{assets/[0-9a-f]+}{assets/0000000000000000};
$r = $t->get($stale);
is($r->status, 200, 'of a page that a cache kept: what there is');
unlike($r->header('Cache-Control'), qr/immutable/, 'for now');
is($t->get("/privacy/assets/$_")->status, 404, "no asset $_") for '', 'x', 'x/y', '0000000000000000/',
    '0000000000000000/nothing.css', '0000000000000000/../policy.html';

# One visitor's own

for my $path ('choices', 'state.css', 'state.js') {
    $r = $t->get("/privacy/$path", Accept => '*/*');
    is($r->status, 200, $path);
    like($r->header('Cache-Control'), qr/private/, "$path is private");
    is($r->header('Cross-Origin-Resource-Policy'), 'same-origin', "$path is not for other origins");
    is_deeply([$r->headers('Set-Cookie')], [], "$path sets no cookie");
}
like($t->get('/privacy/state.js')->body, qr/"standing":"undecided"/, 'state.js: undecided');
is($t->get('/privacy/state.js', 'Sec-Fetch-Site' => 'cross-site')->body, '', 'state.js tells other sites nothing');
is($t->get('/privacy/state.css', 'Sec-Fetch-Site' => 'cross-site')->body, '', 'nor state.css');

my $v = $t->visitor;
$v->get('/');
$v->choose('accept_all');
for my $path ('state.css', 'state.js') {
    my $first = $v->get("/privacy/$path");
    is($v->get("/privacy/$path", 'If-None-Match' => $first->header('ETag'))->status, 304, "$path: the same state");
}
my $before = $v->get('/privacy/state.js')->header('ETag');
$v->get('/privacy/choices');
$v->choose('reject_all');
is($v->get('/privacy/state.js', 'If-None-Match' => $before)->status, 200, 'state.js: another state');
is($v->get('/privacy/', Accept => $html)->header('ETag'), $etag, 'the policy is the same for everybody');

# Where the settings link was: there and back

$r = $v->get('/privacy/choices?return=%2Fshop%3Fa%3D1');
like($r->body, qr{name="return" value="/shop\?a=1"}, 'choices?return=');
$r = $v->get('/privacy/choices', Referer => 'http://' . $t->listen . '/basket');
like($r->body, qr{name="return" value="/basket"}, 'else the page that linked here');
my $own = 'http://' . $t->listen;
for my $from ('https://evil.example/basket', "$own.evil.example/", "$own//evil.example") {
    unlike($v->get('/privacy/choices', Referer => $from)->body, qr/evil/, "not $from");
}
unlike($v->get('/privacy/choices?return=https%3A%2F%2Fevil.example')->body, qr/evil/, 'nor an address given');
unlike($v->get('/privacy/choices?return=/%22%3E%3Cscript%3E')->body, qr/"><script>/, 'it is escaped');

# Methods and what is not there

for (['/privacy/', 'GET, HEAD'], ['/privacy/versions', 'GET, HEAD'], ['/privacy/choices', 'GET, HEAD, POST'],
    ['/privacy/me/withdraw', 'POST'], ['/.well-known/gpc.json', 'GET, HEAD'])
{
    my ($path, $allow) = @$_;
    $r = $t->request('DELETE', $path);
    is($r->status, 405, "DELETE $path");
    is($r->header('Allow'), $allow, "Allow: $allow");
}
is($t->post('/privacy/', 'x=1')->status, 405, 'POST to a page');
is($t->get('/privacy/me/withdraw')->status, 405, 'GET changes nothing');
$r = $t->get('/privacy/nothing');
is($r->status, 404, 'nothing there');
like($r->body, qr/<h1>[^<]+/, 'is said on a page');
like($r->header('Cache-Control'), qr/no-store/, 'that is not kept');
is($t->get('/privacy')->status, 301, 'the slash is added');
like($t->get('/privacy')->header('Location'), qr{/privacy/$}, 'where it belongs');

# Global Privacy Control

$r = $t->get('/.well-known/gpc.json');
is($r->header('Content-Type'), 'application/json', 'gpc.json');
is_deeply(json($r->body), { gpc => JSON::PP::true, lastUpdate => '2026-02-01' }, 'says what holds since when');

$t->finish;
