#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# How long a decorated page is, and where it ends: its length is said where it can be known, its end once, whatever the
# upstream promised and however its bytes arrive. A connection is usable afterwards.

use strict;
use warnings;

use Compress::Zlib ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;
use Time::HiRes qw(sleep);

my $mark = '<div data-privacy="version"></div>';

# A page of that many bytes; $at bytes before its end something else is put over its text.
sub page {
    my ($size, $what, $at) = @_;

    my $text = '<!DOCTYPE html><html><head><title>t</title></head><body class="x"><p title="a > b">A <b>page</b>.</p>';
    my $n = 0;
    $text .= 'line ' . $n++ . " of a data-privac page\n" while length $text < $size - 60;
    $text .= ' ' x ($size - 14 - length $text) . '</body></html>';
    substr($text, $size - $at, length $what) = $what if defined $what;
    return $text;
}

# Asked for in the URI: size; what is put over the text, at so many bytes before the end; promised: bytes of
# Content-Length more than there are; slow: so many bytes a piece.
my $t = Test::Privacy->new('length');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my ($query) = $request->{uri} =~ /\?(.*)/;
    my %q = map { split /=/, $_, 2 } split /&/, $query // '';
    my $page = asked(%q);
    return { headers => ['Content-Type' => 'text/html'], body => [unpack '(a1500)*', $page] } if $q{chunked};
    my $length = length($page) + ($q{promised} // 0);
    my $slow = $q{slow} || length $page;
    return { headers => ['Content-Type' => 'text/html', 'Content-Length' => $length], body => sub {
        my ($socket) = @_;
        for my $piece (unpack "(a$slow)*", $page) {
            syswrite $socket, $piece;
            sleep 0.002 if $q{slow};
        }
    } };
});

sub asked {
    my (%q) = @_;

    my @what = (undef, $mark, "<p>$mark", "<!-- $mark -->", "<script>'$mark'</script>");
    return page($q{size} || 20_000, $what[$q{what} // 0], $q{at} // 400);
}

$t->publish($t->bundle);
$t->config(site_conf(<<'CONF', http => 'gzip_min_length 1; gzip_proxied any;'));
    privacy_marked on;
    location / { proxy_pass %%UPSTREAM%%; }
    location /plain/ { proxy_pass %%UPSTREAM%%; privacy_marked off; }
    location /small/ {
        proxy_pass %%UPSTREAM%%;
        proxy_buffer_size 1k;
        proxy_buffers 8 1k;
        proxy_busy_buffers_size 2k;
    }
    location /unbuffered/ { proxy_pass %%UPSTREAM%%; proxy_buffering off; }
    location /zip/ { proxy_pass %%UPSTREAM%%; gzip on; }
    location /end/ { proxy_pass %%UPSTREAM%%; privacy_banner_place end; }
CONF
$t->start;
ok(wait_for(sub { $t->get('/privacy/', Accept => 'application/json')->status == 200 }), 'the policy arrives')
    or diag($t->log);

sub restored {
    my ($body) = @_;

    $body =~ s{<link rel="stylesheet" href="/privacy/assets/[^>]*><script src="/privacy/assets/[^>]*></script>}{};
    $body =~ s{<section id="privacy-banner".*?</section>}{}s;
    $body =~ s{<span class="privacy-version".*?</span>}{}s;
    return $body;
}

# One answer, and that the connection holds nothing but it: another page comes over it, whole.
sub fetch {
    my ($name, $uri, %options) = @_;

    my $page = asked(map { split /=/, $_, 2 } split /&/, ($uri =~ /\?(.*)/)[0] // '');
    my $c = $t->connect;
    my @gzip = $options{gzip} ? ('Accept-Encoding' => 'gzip') : ();
    my $r = $c->request('GET', $uri, headers => ['Sec-Fetch-Dest' => 'document', @gzip]);
    my $body = $options{gzip} ? Compress::Zlib::memGunzip($r->body) // '' : $r->body;
    my $next = $c->request('GET', '/plain/?size=3000', headers => ['Sec-Fetch-Dest' => 'document']);
    my @wrong = (
        $r->status == 200 && $r->complete ? () : 'not complete',
        restored($body) eq $page ? () : 'bytes changed',
        (() = $body =~ /<section id="privacy-banner"/g) == 1 ? () : 'not one banner',
        (() = $body =~ /<div data-privacy="version"><span/g) == ($options{marks} // 0) ? () : 'other marks',
        $next->complete && restored($next->body) eq page(3000) ? () : 'the connection holds something else',
        defined $r->header('Content-Length') && defined $r->header('Transfer-Encoding') ? 'two kinds of length' : (),
    );
    is(join(', ', @wrong), '', $name);
    return $r;
}

# What is at hand whole has a length, marked or not.

for (['nothing is marked', '/?size=20000'], ['a small page', '/?size=700'], ['the name in a comment', '/?what=3'],
    ['the name in a script', '/?what=4&at=600'], ['not sought', '/plain/?size=20000'])
{
    my ($name, $uri) = @$_;
    my $r = fetch($name, $uri);
    is($r->header('Content-Length'), length $r->body, "$name: its length is said");
}

# A mark anywhere: at the page's end, across the upstream's buffers

fetch("a mark $_ bytes before the end", "/?what=1&at=$_", marks => 1) for 48, 49, 400, 5000, 19_800;
fetch("a mark $_ bytes before the end, in small buffers", "/small/?what=1&at=$_&size=7000", marks => 1)
    for map { 3000 + 11 * $_ } 0 .. 95;             # at every place of a buffer, and across its end
fetch('a mark in a page that comes in pieces', '/small/?what=2&slow=700&size=9000&at=4000', marks => 1);

# Longer than all buffers together

for my $way ('/', '/small/', '/unbuffered/', '/zip/', '/end/') {
    my @gzip = $way eq '/zip/' ? (gzip => 1) : ();
    fetch("$way $_ bytes", "$way?size=$_", @gzip) for 1000, 4096, 60_000, 400_000;
    fetch("$way a mark in 400,000 bytes", "$way?size=400000&what=1&at=90000", @gzip, marks => 1);
    fetch("$way slow pieces", "$way?size=9000&slow=900", @gzip);
    fetch("$way no length promised", "$way?size=50000&chunked=1", @gzip);
}

# An upstream that is wrong about itself

for my $way ('/', '/plain/', '/small/', '/unbuffered/') {
    my $c = $t->connect;
    my $r = $c->request('GET', "$way?size=20000&promised=5000", headers => ['Sec-Fetch-Dest' => 'document']);
    ok(!$r->complete, "$way less than promised is not passed off as all of it");

    $c = $t->connect;
    $r = $c->request('GET', "$way?size=20000&promised=-5000", headers => ['Sec-Fetch-Dest' => 'document']);
    ok($r->complete && restored($r->body) eq substr(page(20_000), 0, 15_000),
        "$way what is more than promised is no part");
    $r = $c->request('GET', '/plain/?size=3000', headers => ['Sec-Fetch-Dest' => 'document']);
    ok($r->complete && restored($r->body) eq page(3000), "$way and does not come with the next answer");
}

# No body, or a part of one

my $c = $t->connect;
my $r = $c->request('HEAD', '/?size=20000', headers => ['Sec-Fetch-Dest' => 'document']);
is($r->status, 200, 'HEAD');
isnt($r->header('Content-Length'), 20_000, 'HEAD: not the length of another page');
$r = $c->request('GET', '/?size=20000', headers => ['Sec-Fetch-Dest' => 'document', Range => 'bytes=0-99']);
is($r->status, 200, 'a range: the whole page');
is(restored($r->body), page(20_000), 'a range: all of it');

# HTTP/1.0 knows no chunks

$r = $t->connect->request('GET', '/?size=400000', version => '1.0', headers => ['Sec-Fetch-Dest' => 'document']);
is(restored($r->body), page(400_000), 'HTTP/1.0: ends with the connection');

$t->finish;
