#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Caches stay correct: one visitor's state never reaches another through nginx's cache, a shared one or the browser's,
# and conditional requests answer 304 exactly when what the browser holds is what it would get.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $page = '<!DOCTYPE html><html><head><title>t</title></head><body><p>hello</p></body></html>';

my $t = Test::Privacy->new('cache');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my $uri = $request->{uri};
    my @headers = ('Content-Type' => 'text/html');
    my $tag = $uri =~ /weak/ ? 'W/"one"' : '"one"';
    push @headers, ETag => $tag if $uri =~ /etag|weak/;
    push @headers, $1 => $2 if $uri =~ /field\?([\w-]+):(.*)/;
    push @headers, 'Last-Modified' => 'Mon, 02 Nov 2026 00:00:00 GMT' if $uri =~ /modified/;
    push @headers, 'Cache-Control' => 'public, max-age=60' if $uri =~ /public/;
    push @headers, 'Cache-Control' => 's-maxage=60' if $uri =~ /smaxage/;
    push @headers, 'Cache-Control' => 'private, max-age=60' if $uri =~ /private/;
    push @headers, 'Set-Cookie' => 'sessionid=new; Path=/' if $uri =~ /cookie/;
    push @headers, 'Set-Cookie' => '_ga=new; Path=/' if $uri =~ /analytics/;
    my $match = Test::Privacy::Upstream::header($request, 'If-None-Match') // '';
    my $since = Test::Privacy::Upstream::header($request, 'If-Modified-Since') // '';
    return { status => 304, headers => \@headers }
        if $match =~ /"one"/ && $uri =~ /etag|weak/ || $since =~ /02 Nov/ && $uri =~ /modified/ && $match eq '';
    return { headers => \@headers, body => $page };
});
$t->publish($t->bundle);
$t->config(site_conf(<<'CONF', http => 'proxy_cache_path %%DIR%%/temp/cache keys_zone=c:1m;'));
    location / { proxy_pass %%UPSTREAM%%; }
    location /stored/ {
        proxy_cache c;
        proxy_cache_valid 200 1m;
        proxy_cache_revalidate on;
        proxy_ignore_headers Set-Cookie Cache-Control;
        add_header X-Cache $upstream_cache_status;
        proxy_pass %%UPSTREAM%%;
    }
    location /shared/ { privacy_decorate shared; proxy_pass %%UPSTREAM%%; }
    location /personal/ { privacy_decorate personal; proxy_pass %%UPSTREAM%%; }
    location /file/ { alias %%DIR%%/html/; }
CONF
spew($t->dir . '/html/page.html', $page);
spew($t->dir . '/html/data.txt', 'x' x 1000);
$t->start;
ok(wait_for(sub { $t->get('/privacy/', Accept => 'application/json')->status == 200 }), 'the policy arrives')
    or diag($t->log);

sub banners { my ($r) = @_; return scalar(() = $r->body =~ /<section id="privacy-banner"/g) }
sub decide { my ($how) = @_; my $v = $t->visitor; $v->get('/x'); $v->choose($how); return $v }

my $undecided = $t->visitor;
my $granted = decide('accept_all');
my $refused = decide('reject_all');
ok($_->consent, 'a visitor who has decided') for $granted, $refused;

# Personal

my $r = $undecided->get('/etag');
like($r->header('Cache-Control'), qr/private/, 'personal: private');
my $tag = $r->header('ETag');
isnt($tag, '"one"', 'the ETag carries the variant');
is($undecided->get('/etag', 'If-None-Match' => $tag)->status, 304, 'the same visitor: 304');
$r = $undecided->get('/etag', 'If-None-Match' => $tag);
is($r->header('ETag'), $tag, 'with the tag that the browser knows');
like($r->header('Cache-Control'), qr/private/, 'and private again');
is($granted->get('/etag', 'If-None-Match' => $tag)->status, 200, 'after a choice it is another page');
my $decided_tag = $granted->page->header('ETag');
is($granted->get('/etag', 'If-None-Match' => $decided_tag)->status, 304, 'which revalidates too');
is($undecided->get('/etag', 'If-None-Match' => $decided_tag)->status, 200, 'and is not the first one');
is($undecided->get('/etag', 'If-None-Match' => "\"zero\", $tag, \"two\"")->status, 304, 'a list');
$r = $undecided->get('/etag', 'If-None-Match' => "$tag, " . $tag =~ s/one/two/r);
is($r->header('ETag'), $tag, 'a list of two of ours: the tag of the one that matched');

$tag = $undecided->get('/weak')->header('ETag');
is($undecided->get('/weak', 'If-None-Match' => $tag)->status, 304, 'a weak tag');
$r = $undecided->get('/modified');
$tag = $r->header('ETag');
ok($tag, 'Last-Modified alone becomes a tag') and
    is($undecided->get('/modified', 'If-None-Match' => $tag, 'If-Modified-Since' => 'Mon, 02 Nov 2026 00:00:00 GMT')->status,
        304, 'that revalidates');

# A copy from before the module was there has no banner.

is($undecided->get('/etag', 'If-None-Match' => '"one"')->status, 200, 'an undecorated copy is no match');
is($undecided->get('/modified', 'If-Modified-Since' => 'Mon, 02 Nov 2026 00:00:00 GMT')->status, 200,
    'a date alone says nothing of the variant');
is($undecided->get('/etag', 'If-None-Match' => '"one"', 'Sec-Fetch-Dest' => 'empty')->status, 304,
    'what a script fetches is not decorated, and its tag is the upstream\'s');

# nginx's own files

$r = $undecided->get('/file/page.html');
is($undecided->get('/file/page.html', 'If-None-Match' => $r->header('ETag'))->status, 304, 'a file: 304');
is($granted->get('/file/page.html', 'If-None-Match' => $r->header('ETag'))->status, 200, 'not for another state');
$r = $undecided->get('/file/data.txt');
my $file_tag = $r->header('ETag');
my @asset = ('If-None-Match' => $file_tag, 'Sec-Fetch-Dest' => 'image');
is($undecided->get('/file/data.txt', @asset)->status, 304, 'assets keep their validators');
is($t->get('/file/data.txt', @asset[0, 1])->status, 304, 'also where the browser does not say what they are for');
$r = $undecided->get('/file/data.txt', Range => 'bytes=0-9');
is($r->status, 206, 'and their ranges');
is(length $r->body, 10, 'of the right length');
is($undecided->get('/file/data.txt', Range => 'bytes=0-9', 'If-Range' => $file_tag)->status, 206, 'If-Range');

# nginx's cache between visitors

$r = $granted->get('/stored/analytics/etag');
is($r->header('X-Cache'), 'MISS', 'stored for one visitor');
is(banners($r), 0, 'who sees no banner');
$r = $undecided->get('/stored/analytics/etag');
is($r->header('X-Cache'), 'HIT', 'served to another');
is(banners($r), 1, 'who sees the banner');
is_deeply([$r->cookies], [], 'and gets no cookie of it');
$r = $refused->get('/stored/analytics/etag');
is(banners($r), 0, 'a third');
is_deeply([$r->cookies], [], 'who refused');
unlike($undecided->get('/stored/analytics/etag')->body, qr/\Q@{[$granted->consent]}\E/, 'nothing of the first');
$tag = $undecided->page->header('ETag');
is($undecided->get('/stored/analytics/etag', 'If-None-Match' => $tag)->status, 304, '304 from the cache');
is($granted->get('/stored/analytics/etag', 'If-None-Match' => $tag)->status, 200, 'not for another state');

# Shared: the same bytes for everybody

for my $uri ('/shared/x', '/public', '/smaxage') {
    my %seen;
    for my $v ($undecided, $granted, $refused) {
        my $r = $v->get($uri);
        $seen{join "\n", $r->body, grep { defined } map { $r->header($_) } qw(ETag Cache-Control Set-Cookie Vary)}++;
        is_deeply([$r->headers('Set-Cookie')], [], "$uri: no cookie");
    }
    is(scalar keys %seen, 1, "$uri: identical for everybody");
}
like($undecided->get('/public')->header('Cache-Control'), qr/public, max-age=60/, 'public stays public');
like($undecided->page->body, qr{/privacy/state\.js}, 'and the state comes on its own');
$r = $undecided->get('/privacy/state.js');
like($r->header('Cache-Control'), qr/private/, 'which is private');
is_deeply([$r->headers('Set-Cookie')], [], 'and sets no cookie');
isnt($granted->get('/privacy/state.js')->body, $undecided->get('/privacy/state.js')->body, 'and differs');

like($undecided->get('/private')->header('Cache-Control'), qr/private/, 'private is personal');
is(banners($undecided->page), 1, 'with the banner');
like($undecided->get('/public/cookie')->header('Cache-Control'), qr/private/, 'public with a cookie is personal');
like($undecided->get('/personal/public')->header('Cache-Control'), qr/private/, 'privacy_decorate personal');
$r = $granted->get('/public/analytics');
is_deeply([$r->cookies], ['_ga'], 'a cookie that passes by consent');
like($r->header('Cache-Control'), qr/private/, 'makes the response private');

for my $field ('CDN-Cache-Control: max-age=600', 'Surrogate-Control: max-age=600',
    'Example-CDN-Cache-Control: public')
{
    my ($name, $value) = split /: /, $field;
    my $uri = "/field?$name:$value";
    is($undecided->get($uri)->body, $granted->get($uri)->body, "$field: for everybody, as for any shared cache");
    $r = $undecided->get("/personal$uri");
    is(banners($r), 1, "$field: personal where it is wanted so");
    is($r->header($name), undef, 'and then no cache is told to keep it');
    $r = $granted->get("/analytics$uri");
    is($r->header($name), undef, 'nor what carries a cookie that passes by consent');
}
$r = $undecided->get('/field?CDN-Cache-Control:no-store');
is(banners($r), 1, 'one that forbids a cache to keep it leaves it personal');

my %language;
$language{$_} = $undecided->get('/public', 'Accept-Language' => $_)->body for qw(en zh-CN);
is($language{en}, $language{'zh-CN'}, 'whatever language they prefer');
like($undecided->get('/x', 'Accept-Language' => 'en')->body, qr/<section id="privacy-banner" lang="en"/,
    'which personal pages heed');

# What vouches for the bytes that came

for my $field ('Content-Digest', 'Repr-Digest', 'Digest', 'Content-MD5') {
    is($undecided->get("/field?$field:x")->header($field), undef, "$field does not stay on a page that was changed");
}
is($undecided->get('/field?Digest:x', 'Sec-Fetch-Dest' => 'empty')->header('Digest'), 'x', 'and stays on one that was not');

# No identifier before a choice

my $fresh = $t->visitor;
$fresh->get($_) for '/x', '/public', '/shared/x', '/privacy/', '/privacy/choices', '/privacy/versions', '/privacy/state.css';
is_deeply($fresh->jar, {}, 'who has not chosen has no cookie');
is(scalar @{$t->redis->command('KEYS', '*:ledger')}, 2, 'and no record');

$t->finish;
