#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The page filter: where it inserts, what it leaves alone, and that taking away what it inserted gives the upstream's
# bytes back, for every document of the corpus, however it is buffered and cut.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Test::Privacy;
use Test::Privacy::Site;

my $corpus = "$FindBin::Bin/../lua-free-tests/unit/html";
my %document = map { m{([^/]+)\.html$} ? ($1 => slurp($_)) : () } glob "$corpus/*.html";
$document{marked_elements} =
    '<body><div data-privacy="policy"></div><div data-privacy="settings"></div><p data-privacy="version"></p>';
my $page = '<!DOCTYPE html><html><head><title>t</title></head><body class="x"><p>hello</p></body></html>';

my $t = Test::Privacy->new('page');
$t->redis->start;
$t->upstream(sub {
    my ($request) = @_;
    my ($uri, $query) = split /\?/, $request->{uri}, 2;
    my %q = map { split /=/, $_, 2 } split /&/, $query // '';
    my ($name) = $uri =~ m{([^/]+)$};
    my $body = exists $document{$name // ''} ? $document{$name} : $q{size} ? big($q{size}) : $page;
    my $type = $q{type} // 'text/html';
    my @headers = ('Content-Type' => $type, map { $q{$_} ? ($_ => $q{$_}) : () } qw(Cache-Control Content-Disposition));
    return { status => $q{status} || 200, headers => \@headers, body => $q{cut} ? cut($body, $q{cut}) : $body };
});

# Chunks of one to so many bytes, the same every time.
sub cut {
    my ($body, $most) = @_;

    my ($seed, $at, @chunks) = ($most, 0);
    while ($at < length $body) {
        $seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
        my $n = 1 + ($seed >> 8) % $most;
        push @chunks, substr $body, $at, $n;
        $at += $n;
    }
    return \@chunks;
}

sub big {
    my ($size) = @_;

    my $text = substr $page, 0, -14;
    $text .= "<p title='a > b'>paragraph <b>text</b> " . ('x' x (length($text) % 70)) . "</p>\n" while length $text < $size;
    return "$text</body></html>";
}

$t->publish($t->bundle);
$t->config(site_conf(<<'CONF'));
    location / { proxy_pass %%UPSTREAM%%; }
    location /unbuffered/ { proxy_pass %%UPSTREAM%%/; proxy_buffering off; proxy_http_version 1.1; }
    location /small/ { proxy_pass %%UPSTREAM%%/; proxy_buffer_size 1k; proxy_buffers 4 1k; proxy_busy_buffers_size 2k; }
    location /end/ { proxy_pass %%UPSTREAM%%/; privacy_banner_place end; }
    location /marked/ { proxy_pass %%UPSTREAM%%/; privacy_marked on; }
    location /file/ { alias %%DIR%%/html/; output_buffers 1 512; sendfile off; }
    location /sendfile/ { alias %%DIR%%/html/; sendfile on; }
CONF
spew($t->dir . "/html/$_.html", $document{$_}) for keys %document;
spew($t->dir . '/html/big.html', big(200_000));
$t->start;
ok(wait_for(sub { $t->get('/privacy/', Accept => 'application/json')->status == 200 }), 'the policy arrives')
    or diag($t->log);

# What was inserted, taken away.
sub restored {
    my ($body) = @_;

    $body =~ s{<link rel="stylesheet" href="/privacy/assets/[^>]*><script src="/privacy/assets/[^>]*></script>}{};
    $body =~ s{<section id="privacy-banner".*?</section>}{}s;
    return $body;
}

sub banners { my ($body) = @_; return scalar(() = $body =~ /<section id="privacy-banner"/g) }

# The corpus

ok(keys %document > 50, 'there is a corpus');
for my $way ('/d/', '/unbuffered/', '/small/', '/file/', '/sendfile/') {
    my @wrong;
    for my $name (sort keys %document) {
        my @cuts = $way =~ /file/ ? ('') : ('', map { "?cut=$_" } 1, 2, 7, 61);
        for my $cut (@cuts) {
            my $r = $t->get("$way$name" . ($way =~ /file/ ? '.html' : $cut));
            my $body = $r->body;
            push @wrong, "$name$cut: not complete" if !$r->complete;
            push @wrong, "$name$cut: not ASCII"
                if $body =~ /(<section id="privacy-banner".*?<\/section>)/s && $1 =~ /[^\x00-\x7f]/;
            push @wrong, "$name$cut: bytes changed" if restored($body) ne $document{$name};
            push @wrong, "$name$cut: several banners" if banners($body) > banners($document{$name}) + 1;
        }
    }
    is_deeply(\@wrong, [], "every document, $way");
}

# Large pages

for my $size (2_000, 32_000, 1_000_000) {
    for my $way ('/', '/unbuffered/', '/small/', '/marked/', '/end/') {
        my $r = $t->get("${way}x?size=$size");
        ok($r->complete && restored($r->body) eq big($size), "$size bytes, $way");
        is(banners($r->body), 1, 'one banner');
    }
}
ok(restored($t->get('/sendfile/big.html')->body) eq big(200_000), 'sendfile');

# Where

like($t->get('/x')->body, qr{<head><link.*<body class="x"><section id="privacy-banner"}s, 'start of head and body');
like($t->get('/end/x')->body, qr{<p>hello</p><section id="privacy-banner".*</section></body>}s, 'privacy_banner_place end');

# What is left alone

sub alone {
    my ($name, $uri, @headers) = @_;

    my $r = $t->get($uri, @headers);
    is(banners($r->body), 0, "$name: no banner");
    return $r;
}

alone('plain text', '/x?type=text/plain');
alone('JSON', '/x?type=application/json');
alone('XHTML', '/x?type=application/xhtml%2Bxml');
alone('UTF-16', '/x?type=text/html;charset=utf-16');
alone('ISO-2022', '/x?type=text/html;charset=ISO-2022-JP');
alone('no-transform', '/x?Cache-Control=no-transform');
alone('an attachment', '/x?Content-Disposition=attachment');
alone('a fragment that a script fetches', '/x', 'Sec-Fetch-Dest' => 'empty');
is(banners($t->get('/x', 'Sec-Fetch-Dest' => 'iframe')->body), 1, 'a frame has one');
is(banners($t->get('/x?status=404')->body), 1, 'a 404 has one');
is(banners($t->get('/x?status=500')->body), 1, 'a 500 has one');
is(banners($t->get('/x?type=Text/HTML;%20charset=gbk')->body), 1, 'GBK has one');

my $r = $t->head('/x');
is($r->status, 200, 'HEAD');
is($r->body, '', 'has no body');
like($r->header('Link'), qr{</privacy/>; rel="privacy-policy"}, 'Link');
like($t->get('/x')->header('Link'), qr{rel="privacy-policy"}, 'Link on every page');
is($t->get('/x?type=text/plain')->header('Link'), undef, 'and on pages only');

# Ranges: what the page would be is not what is on disk

$r = $t->get('/file/big.html', Range => 'bytes=0-99');
is($r->status, 200, 'a range of a page that is decorated: the whole page');
is($r->header('Accept-Ranges'), undef, 'and no offer of ranges');
is($r->header('Content-Length'), length $r->body, 'its length is the page as it is sent, not the file');
ok(length $r->body > 200_000, 'which is longer');

# A visitor who has decided

my $v = $t->visitor;
$v->get('/x');
is($v->choose('reject_all')->status, 303, 'a refusal is saved') or diag($v->page->as_text);
$r = $v->get('/x');
is(banners($r->body), 0, 'the banner is gone');
like($r->body, qr/<nav id="privacy-settings"/, 'a settings link stays');

# Marked elements

$r = $t->get('/marked/marked_elements');
like($r->body, qr{<div data-privacy="policy">.+</div><div data-privacy="settings"}s, 'the policy, where it is marked');
like($r->body, qr{<p data-privacy="version">.*2026-01-01}s, 'its version');
unlike($r->body =~ s/.*<\/section>//sr, qr/[^\x00-\x7f]/, 'in ASCII');
is(restored($t->get('/d/marked_elements')->body), $document{marked_elements}, 'and nothing where it is not switched on');

$t->finish;
